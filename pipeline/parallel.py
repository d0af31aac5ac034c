"""Map over a stream with a pool of workers: in order, and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ordered(pool: Executor, function: Callable[[T], R], items: Iterable[T], *, ahead: int) -> Iterator[R]:
    """Yield `function(item)` for each item, in the items' order.

    `Executor.map` takes all items at once; this takes at most `ahead` more than it has
    yielded, so a stream larger than memory passes through. An error of `function` is raised
    where its result would stand; what was begun after it is waited for, not used.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
