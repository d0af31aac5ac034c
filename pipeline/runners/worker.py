"""What runs in a worker's process: one network, opened once, and features that are sent as they come."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.errors import ManifestError, PipelineError
from pipeline.extraction.decoding import ImageFile
from pipeline.runners.cluster import NotSeen, enter, worker_name
from pipeline.store.shards import Features, Keys

# Features are sent when they are so old or so large: often enough to show that the worker lives.
SEND_SECONDS = 1.0
SEND_BYTES = 4 << 20


class Computer(Protocol):
    """What computes features, as an Extractor does."""

    def extract(self, images: Iterable[ImageFile]) -> Iterator[tuple[Keys, Features]]:
        """Yield features `(b, ...)` with the sha256 of the files' bytes, uint8 `(b, 32)`, in order."""
        ...


class Opener(Protocol):
    """What a worker is sent, to open its network with."""

    def open(self) -> Computer:
        """Return what computes features."""
        ...


class Worker:
    """One process that computes features.

    Args:
        folder: Where the images' paths begin: the working folder of the run.
        opener: Opens the network.
    """

    def __init__(self, folder: Path, opener: Opener) -> None:
        self._folder = folder
        self._opener = opener

    def name(self) -> str:
        """Tell the machine and the number of the process."""
        return worker_name()

    def open(self) -> None:
        """Go to the folder and open the network.

        Raises:
            PipelineError: This machine does not see the folder, or its network is not the one wanted.
        """
        enter(self._folder)
        try:
            self._computer = self._opener.open()
        except PipelineError as error:
            raise type(error)(f"worker on {self.name()}: {error}") from None

    def compute(self, images: Sequence[ImageFile]) -> Iterator[tuple[Keys, Features]]:
        """Yield the images' features, in order, many at once.

        Raises:
            PipelineError: As `Extractor.extract`; or a file is not to be seen from this machine.
        """
        try:
            yield from gather(self._computer.extract(images))
        except ManifestError as error:
            unseen = next((image.path for image in images if not image.path.exists()), None)
            if unseen is None:
                raise
            raise NotSeen(self.name(), str(self._folder / unseen), str(error)) from None


def gather(features: Iterable[tuple[Keys, Features]]) -> Iterator[tuple[Keys, Features]]:
    """Join batches until they are old or large; what came before an error is yielded before it is raised."""
    waiting: list[tuple[Keys, Features]] = []
    size, began = 0, time.monotonic()
    try:
        for batch in features:
            waiting.append(batch)
            size += batch[1].nbytes
            if size >= SEND_BYTES or time.monotonic() - began >= SEND_SECONDS:
                yield _join(waiting)
                waiting, size, began = [], 0, time.monotonic()
    except Exception:
        if waiting:
            yield _join(waiting)
        raise
    if waiting:
        yield _join(waiting)


def _join(batches: Sequence[tuple[Keys, Features]]) -> tuple[Keys, Features]:
    keys, features = zip(*batches, strict=True)
    return np.concatenate(keys), np.concatenate(features)
