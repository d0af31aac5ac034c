"""How heads use the machine: BLAS in one thread, parts in their order."""

import threading
import time
from contextlib import ExitStack

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.heads.cores import on_all_cores, one_blas_thread


def blas_threads() -> dict[str, int]:
    """Return how many threads each BLAS has that this process has loaded."""
    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    return {one["filepath"]: one["num_threads"] for one in found}


def test_blas_has_one_thread_inside_and_as_many_as_before_outside() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        numpys = {count for path, count in before.items() if "numpy" in path}
        assert numpys == {2}, "or nothing would be shown"
        with one_blas_thread():
            assert set(blas_threads().values()) == {1}
        assert blas_threads() == before


def test_of_blocks_that_overlap_the_last_to_end_gives_blas_its_threads_back() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    first, second = ExitStack(), ExitStack()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first.enter_context(one_blas_thread())
        second.enter_context(one_blas_thread())
        first.close()
        assert set(blas_threads().values()) == {1}
        second.close()
        assert blas_threads() == before


def test_parts_come_back_in_their_order_from_other_threads() -> None:
    threads = set()

    def work(part: int) -> int:
        threads.add(threading.current_thread())
        time.sleep(0.01 if part % 2 else 0)
        return part * part

    assert list(on_all_cores(work, range(20))) == [part * part for part in range(20)]
    assert threading.current_thread() not in threads
