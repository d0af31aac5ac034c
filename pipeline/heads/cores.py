"""How heads use the machine: a thread a core for parts that are independent, and BLAS in one.

BLAS has threads of its own, which wait for one another by spinning: beside a busy program, the small
products of a head take 15 times as long as in one thread, and on an idle machine hardly less. Parts
that our own threads take are always cut and added up alike, so the number of cores changes no bit.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

from pipeline.parallel import count_cores, map_ordered

Part = TypeVar("Part")
Result = TypeVar("Result")

_lock = threading.Lock()
_limits: list[threadpool_limits] = []  # in the order in which their blocks began
_running: set[threadpool_limits] = set()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute in the thread that calls it.

    A limit is the process's, not the thread's. Of blocks that overlap, each limits what was loaded since,
    and none gives back what it found before all that began after it have ended.
    """
    with _lock:
        limit = threadpool_limits(1, user_api="blas")
        _limits.append(limit)
        _running.add(limit)
    try:
        yield
    finally:
        with _lock:
            _running.remove(limit)
            while _limits and _limits[-1] not in _running:
                _limits.pop().restore_original_limits()


def on_all_cores(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Yield the result of each part, in their order, computed on all cores."""
    count = count_cores()
    with ThreadPoolExecutor(count) as pool:
        yield from map_ordered(pool, work, parts, ahead=count + 1)
