"""How heads use the machine: a thread a core for parts that are independent, and BLAS in one.

BLAS has threads of its own, which wait for one another by spinning: beside a busy program, the small
products of a head take 15 times as long as in one thread, and on an idle machine hardly less. Parts
that our own threads take are always cut and added up alike, so the number of cores changes no bit.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

from pipeline.parallel import count_cores, map_ordered

Part = TypeVar("Part")
Result = TypeVar("Result")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute in the thread that calls it."""
    with threadpool_limits(1, user_api="blas"):
        yield


def on_all_cores(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Yield the result of each part, in their order, computed on all cores."""
    count = count_cores()
    with ThreadPoolExecutor(count) as pool:
        yield from map_ordered(pool, work, parts, ahead=count + 1)
