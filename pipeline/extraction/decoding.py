"""Batches of decoded images for an engine: decoded here, or in processes that share memory with this one.

Beside a GPU, decoding in threads would wait for the interpreter's lock, and keep the engine waiting for
it. Processes write pixels where the engine reads them, so that no image goes through a pipe.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from ctypes import c_uint8
from functools import partial
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageError, ManifestError, PipelineError
from pipeline.images import decode_square
from pipeline.parallel import open_processes

CHUNK = 8  # images that a process takes at once

Bytes = NDArray[np.uint8]
Batch = tuple[Bytes, Bytes]  # keys (b, 32), the sha256 of the files' bytes, and pixels (b, s, s, 3)


class ImageFile(NamedTuple):
    """An image whose features are wanted; a tuple because there may be millions.

    Attributes:
        path: Its file.
        sha256: What the file's bytes must have, hexadecimal; None: anything.
    """

    path: Path
    sha256: str | None = None


# Decodes images, at most a batch, and lends the batch: rows without an image are black.
Decode = Callable[[Sequence[ImageFile]], AbstractContextManager[Batch]]


@contextmanager
def decode_here(batch_size: int, input_size: int) -> Iterator[Decode]:
    """Decode in the thread that asks: where no GPU computes, the same cores would do it anyway."""

    @contextmanager
    def decode(images: Sequence[ImageFile]) -> Iterator[Batch]:
        keys = np.zeros((batch_size, 32), np.uint8)
        pixels = np.zeros((batch_size, input_size, input_size, 3), np.uint8)
        for place, image in enumerate(images):
            keys[place], pixels[place] = load(image, input_size)
        yield keys, pixels

    yield decode


@contextmanager
def decode_beside(batch_size: int, input_size: int, count: int) -> Iterator[Decode]:
    """Decode in processes, one a core, into memory that they share with this one.

    They end with this one, however it ends, and so does the memory, which has no name.

    Args:
        batch_size: Images of a batch.
        input_size: Their height and width, pixels.
        count: How many batches are lent at once; who asks for one more waits.
    """
    shared = SharedBatches(batch_size, input_size, count)
    keys, pixels = shared.arrays()
    free: SimpleQueue[int] = SimpleQueue()
    for place in range(count):
        free.put(place)
    pool = open_processes(__name__, prepare=partial(_attach, shared))

    @contextmanager
    def decode(images: Sequence[ImageFile]) -> Iterator[Batch]:
        place = free.get()
        try:
            with _told_when_killed():
                starts = range(0, len(images), CHUNK)
                tasks = [pool.submit(_fill, place, k, images[k : k + CHUNK]) for k in starts]
                for task in tasks:  # to the last: none may write when another batch has its place
                    with suppress(CancelledError):
                        task.exception()
                for task in tasks:
                    task.result()
            pixels[place, len(images) :] = 0
            yield keys[place], pixels[place]
        finally:
            free.put(place)

    try:
        yield decode
    finally:  # what waits to be decoded is not wanted after an error or Ctrl-C
        pool.shutdown(cancel_futures=True)


class SharedBatches:
    """Memory for `count` batches, which goes to other processes when they start, and only then."""

    def __init__(self, batch_size: int, input_size: int, count: int) -> None:
        self._shapes = (
            (count, batch_size, 32),
            (count, batch_size, input_size, input_size, 3),
        )
        # A file without a name, in memory, or on the disk where a container has too little of that.
        self._memory: list[Any] = [RawArray(c_uint8, math.prod(shape)) for shape in self._shapes]

    def arrays(self) -> tuple[Bytes, Bytes]:
        """Return what all see: keys uint8 `(count, b, 32)` and pixels uint8 `(count, b, s, s, 3)`."""
        keys, pixels = (
            np.frombuffer(memory, np.uint8).reshape(shape)
            for memory, shape in zip(self._memory, self._shapes, strict=True)
        )
        return keys, pixels


_attached: list[Bytes] = []  # of a process that decodes: what `SharedBatches.arrays` gives


def _attach(shared: SharedBatches) -> None:
    """Begin a process that decodes."""
    _attached[:] = shared.arrays()


def _fill(place: int, first: int, images: Sequence[ImageFile]) -> None:
    """Decode images into a batch, from a row on; runs in a process of its own."""
    keys, pixels = (one[place] for one in _attached)
    for row, image in enumerate(images, first):
        keys[row], pixels[row] = load(image, pixels.shape[1])


@contextmanager
def _told_when_killed() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise PipelineError(
            "a process that decodes images was killed, as systems do when memory runs out (dmesg "
            "tells): run again, and only what is missing is computed"
        ) from None


def load(image: ImageFile, input_size: int) -> tuple[Bytes, Bytes]:
    """Return the sha256 of an image's bytes, uint8 `(32,)`, and its square.

    Raises:
        ManifestError: The file is missing or does not have its sha256.
        ImageError: It cannot be decoded.
        OSError: It needs no sha256 and cannot be read.
    """
    try:
        data = image.path.read_bytes()
    except OSError as error:
        if image.sha256 is None:
            raise
        raise ManifestError(
            f"cannot read {image.path}: {error.strerror}. Run the stages split and augment again."
        ) from None
    digest = hashlib.sha256(data)
    if image.sha256 not in (None, digest.hexdigest()):
        raise ManifestError(
            f"{image.path} is not the file that the manifest names: "
            "run the stages split and augment again."
        )
    try:
        return np.frombuffer(digest.digest(), np.uint8), decode_square(data, input_size)
    except ImageError as error:
        raise ImageError(f"cannot decode {image.path}: {error}") from None
