"""How heads use the machine: BLAS in one thread, parts in their order."""

import threading
import time

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.heads.cores import on_all_cores, one_blas_thread


def blas_threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_as_many_as_before_outside() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert 2 in before, "or nothing would be shown"
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_parts_come_back_in_their_order_from_other_threads() -> None:
    threads = set()

    def work(part: int) -> int:
        threads.add(threading.current_thread())
        time.sleep(0.01 if part % 2 else 0)
        return part * part

    assert list(on_all_cores(work, range(20))) == [part * part for part in range(20)]
    assert threading.current_thread() not in threads
