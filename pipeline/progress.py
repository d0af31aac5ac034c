"""Show how far a stream of computed batches is: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 5.0


def track_batches(batches: Iterator[Any], total: int) -> Iterator[Any]:
    """Pass on batches `(keys, features)`, and show on stderr how many rows have come of `total`."""
    show = _bar if sys.stderr.isatty() else _lines
    return show(batches, total)


def _bar(batches: Iterator[Any], total: int) -> Iterator[Any]:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} images/s"),
        TimeRemainingColumn(),
    )
    with Progress("computing", *columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("computing", total=total, rate=0.0)
        began = time.monotonic()
        for keys, features in batches:
            yield keys, features
            progress.advance(task, len(keys))
            progress.update(task, rate=progress.tasks[0].completed / (time.monotonic() - began))


def _lines(batches: Iterator[Any], total: int) -> Iterator[Any]:
    began = spoken = time.monotonic()
    done = 0
    for keys, features in batches:
        yield keys, features
        done += len(keys)
        now = time.monotonic()
        if now - spoken >= LINE_SECONDS:
            rate = done / (now - began)
            left = (total - done) / rate
            print(
                f"computed {done} of {total} images, {rate:.1f} images/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
            spoken = now
