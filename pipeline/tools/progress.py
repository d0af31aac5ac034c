"""Show how far a stream of work is: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from rich import progress as rich_progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from pipeline.parallel import Progress

LINE_SECONDS = 5.0

T = TypeVar("T")


def tracker(done: str, count: Callable[[Any], int] = len, unit: str = "images") -> Progress:
    """Return what passes items on, and shows on stderr how many images of the total they were.

    Args:
        done: What has been done with them, as `checked`.
        count: An item's number of images.
        unit: What is counted, where it is no images.
    """
    return partial(_bar if sys.stderr.isatty() else _lines, done, count, unit)


def _bar(
    done: str, count: Callable[[T], int], unit: str, items: Iterator[T], total: int
) -> Iterator[T]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]:.1f}} {unit}/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # what a command prints is for its stdout, which may be a file
    with rich_progress.Progress(*columns, console=console, redirect_stdout=False) as progress:
        task = progress.add_task(done, total=total, rate=0.0)
        began, at_first, finished = 0.0, 0, 0
        for item in items:
            yield item
            finished += count(item)
            now = time.monotonic()
            if not at_first:  # before the first, a network is loaded
                began, at_first = now, finished
            else:
                progress.update(task, rate=(finished - at_first) / (now - began))
            progress.update(task, completed=finished)


def _lines(
    done: str, count: Callable[[T], int], unit: str, items: Iterator[T], total: int
) -> Iterator[T]:
    began = spoken = time.monotonic()
    at_first = finished = 0
    for item in items:
        yield item
        finished += count(item)
        now = time.monotonic()
        if not at_first:  # before the first, a network is loaded
            began = spoken = now
            at_first = finished
        elif now - spoken >= LINE_SECONDS and finished > at_first:
            rate = (finished - at_first) / (now - began)
            left = (total - finished) / rate
            print(
                f"{done} {finished} of {total} {unit}, {rate:.1f} {unit}/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
            spoken = now
