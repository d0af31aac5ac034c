"""Pools of workers: processes that leave nothing behind, and a map in order and in bounded memory."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Progress = Callable[
    [Iterator[Any], int], Iterator[Any]
]  # passes items on, given the number of images in all


class Answer(Protocol[R_co]):
    """What a worker will have answered, as a Future."""

    def result(self) -> R_co:
        """Wait for it."""
        ...

    def cancel(self) -> object:
        """Have nobody begin with it."""
        ...


class Pool(Protocol):
    """What has functions called by workers, as an Executor."""

    def submit(self, fn: Callable[..., R], /, *args: Any) -> Answer[R]:
        """Have a worker call a function."""
        ...


def no_progress(items: Iterator[T], total: int) -> Iterator[T]:
    """Pass items on and show nothing."""
    return items


@contextmanager
def closing(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator at the end of a block, as when its consumer fails.

    What it opened, such as a pool, is then closed by this thread. Left to the garbage collector, that
    would happen in any thread, even in one that begins, where to wait for another one never ends.
    """
    try:
        yield items
    finally:
        if isinstance(items, Generator):
            items.close()


def count_cores() -> int:
    """Return how many cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_processes(
    module: str, count: int | None = None, prepare: Callable[[], object] = int
) -> Executor:
    """Open a pool of processes, one a core by default, that end with this one even if it is killed.

    They are copies of a server that has imported a module, not of this process: the copy of a
    process that runs threads (as TensorFlow does) may stop for ever.

    Args:
        module: What their work needs, imported once.
        count: How many.
        prepare: Called first in each.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([module])
    count = count or count_cores()
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(prepare,))
    for _ in range(count):
        pool.submit(int)  # one starts unless one is idle, while the caller gets its work ready
    return pool


def _begin(prepare: Callable[[], object]) -> None:
    _follow_parent()
    prepare()


def _follow_parent() -> None:
    """Leave Ctrl-C to the process that started this one, and end as soon as that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def map_ordered(
    pool: Pool, function: Callable[[T], R], items: Iterable[T], *, ahead: int
) -> Iterator[R]:
    """Yield `function(item)` for each item, in the items' order.

    `Executor.map` takes all items at once; this takes at most `ahead` more than it has
    yielded, so a stream larger than memory passes through. An error of `function` is raised
    where its result would stand; what was begun after it is waited for, not used.
    """
    waiting: deque[Answer[R]] = deque()
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
