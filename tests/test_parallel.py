"""A stream mapped by a pool comes in order, in bounded memory, and stops where it fails; no process stays."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from operator import length_hint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.parallel import closing, count_cores, map_ordered, open_processes


@given(count=st.integers(0, 40), ahead=st.integers(1, 20), threads=st.integers(1, 4))
def test_results_come_in_the_items_order(count: int, ahead: int, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        assert list(map_ordered(pool, lambda x: x * x, range(count), ahead=ahead)) == [
            x * x for x in range(count)
        ]


def test_no_more_is_taken_than_allowed() -> None:
    items = iter(range(1000))
    with ThreadPoolExecutor(2) as pool:
        for given_out, _ in enumerate(map_ordered(pool, str, items, ahead=5)):
            assert 1000 - length_hint(items) <= given_out + 5
    assert length_hint(items) == 0


def test_a_late_first_result_holds_back_the_others() -> None:
    others = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert others.wait(30)
        if number == 2:
            others.set()
        return number

    with ThreadPoolExecutor(3) as pool:
        assert list(map_ordered(pool, work, range(6), ahead=3)) == [0, 1, 2, 3, 4, 5]


def test_an_error_comes_where_its_result_would_and_ends_the_work() -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("number 3")
        return number

    came: list[int] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="number 3"):
        came.extend(map_ordered(pool, work, range(1000), ahead=4))
    assert came == [0, 1, 2]
    assert max(begun) <= 3 + 4


def test_an_error_of_the_items_comes_through() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match="the disk is gone"):
        list(map_ordered(pool, str, items(), ahead=4))


def test_a_consumer_that_stops_stops_the_work() -> None:
    begun = []
    with ThreadPoolExecutor(1) as pool:
        results = map_ordered(pool, begun.append, range(1000), ahead=4)
        next(results)
        results.close()
    assert len(begun) <= 5


def test_a_generator_is_closed_where_its_consumer_fails_and_not_later() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            ended.append(threading.get_ident())

    def consume() -> None:
        with closing(items()) as numbers, closing(iter([1])):
            next(numbers)
            raise ValueError("full")

    with pytest.raises(ValueError, match="full") as caught:  # which keeps the frames alive
        consume()
    assert (ended, caught.value.args) == ([threading.get_ident()], ("full",))


def test_worker_processes_start_before_there_is_work() -> None:
    before = set(active_children())
    with open_processes("pipeline.parallel", 2):
        # The second one does not, where the first was ready sooner than this could ask for two.
        assert 1 <= len(set(active_children()) - before) <= 2
    assert not set(active_children()) - before


def test_worker_processes_end_with_the_one_that_opened_them_even_if_it_is_killed(
    tmp_path: Path,
) -> None:
    code = """
import os, signal
from pipeline.parallel import closing, open_processes
if __name__ == "__main__":
    pool = open_processes("pipeline.parallel", 2)
    print(len(set(pool.map(os.path.abspath, "abcd"))), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "kill.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    # This waits until nobody holds the pipe any more, so it would wait for a worker that stays behind.
    killed = subprocess.run(
        [sys.executable, "kill.py"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == b"4\n"


def test_ctrl_c_is_heard_by_the_first_process_alone(tmp_path: Path) -> None:
    code = """
import signal, time
from pipeline.parallel import closing, open_processes
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open_processes("pipeline.parallel", 2) as pool:
        list(pool.map(time.sleep, [0.2, 0.2]))
        print("ready", flush=True)
        pool.submit(time.sleep, 1).result()  # one works, one waits
        time.sleep(30)
"""
    (tmp_path / "stop.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "stop.py"], cwd=tmp_path, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=600)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_cores_that_this_process_may_not_use_do_not_count() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert count_cores() == 1
        with open_processes("json") as pool:
            assert pool._max_workers == 1  # type: ignore[attr-defined]
    finally:
        os.sched_setaffinity(0, allowed)
