"""Which images a worker is given at once, and which of them are still to be done."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from pipeline.errors import PipelineError
from pipeline.extraction.decoding import ImageFile

LARGEST = 2048  # images; of a GPU as many batches of them as LARGEST_BATCHES says
LARGEST_BATCHES = 256  # so that the processes that decode for it start seldom
SMALLEST = 8  # images, at least a batch
LOSSES = 3  # workers that one chunk may cost


@dataclass(slots=True, eq=False)
class Chunk:
    """Images that one worker has.

    Attributes:
        first: Place of the first one among all images.
        images: Those whose features did not come yet, in order.
        losses: Workers that were lost since the last feature came.
    """

    first: int
    images: list[ImageFile]
    losses: int = 0

    def finish(self, count: int) -> None:
        """Note that the features of the next images came."""
        self.first += count
        del self.images[:count]
        self.losses = 0


class Chunks:
    """Deals images out, in order; the chunks become smaller, so that all workers end at about the same time.

    Args:
        images: All of them; a stream.
        total: How many they are.
        workers: How many share them.
        batch_size: Images that an engine takes at once.

    Attributes:
        error: The failure of the first image that failed, among those that were tried.
    """

    def __init__(
        self, images: Iterable[ImageFile], total: int, workers: int, batch_size: int
    ) -> None:
        self.error: Exception | None = None
        self._images = iter(images)
        self._dealt, self._total = 0, total
        self._workers, self._batch_size = workers, batch_size
        self._returned: list[Chunk] = []
        self._end = total  # nothing behind it is wanted any more

    def take(self) -> Chunk | None:
        """Return what a worker shall do next, None where there is nothing."""
        self._returned.sort(key=lambda chunk: -chunk.first)
        while self._returned:
            if self.is_wanted(chunk := self._returned.pop()):
                return chunk
        if self.error is not None:
            return None
        chunk = Chunk(self._dealt, list(islice(self._images, self._size())))
        self._dealt += len(chunk.images)
        if not chunk.images:
            self._total = self._dealt
            return None
        return chunk

    @property
    def is_left(self) -> bool:
        """Whether nobody was given some of what is still to be done."""
        undealt = self.error is None and self._dealt < self._total
        return undealt or any(map(self.is_wanted, self._returned))

    def is_wanted(self, chunk: Chunk) -> bool:
        """Tell whether what a chunk lacks is still to be done."""
        return bool(chunk.images) and chunk.first < self._end

    def give_back(self, chunk: Chunk) -> None:
        """Take back what a lost worker did not do.

        Raises:
            PipelineError: The same images have cost several workers.
        """
        chunk.losses += 1
        if self.is_wanted(chunk) and chunk.losses >= LOSSES:
            raise PipelineError(
                f"{chunk.losses} workers were lost, one after the other, at or soon after "
                f"{chunk.images[0].path}. If memory ran out there, give fewer workers a machine "
                "(params.yaml, extract.ray.cpus); if they were slow, more time (extract.ray.patience)."
            )
        self._returned.append(chunk)

    def fail(self, chunk: Chunk, error: Exception) -> None:
        """Note that an image of a chunk failed: what comes before it is still done, what follows is not.

        So the error that stands in the end is that of the first bad image, as where one process does all.
        """
        if chunk.first < self._end:
            self._end, self.error = chunk.first, error

    def _size(self) -> int:
        """Return half of a worker's share of what is left, within bounds, in full batches."""
        share = (self._total - self._dealt) // (2 * self._workers)
        largest = LARGEST if self._batch_size == 1 else LARGEST_BATCHES * self._batch_size
        size = min(max(share, SMALLEST), largest)
        return -(-size // self._batch_size) * self._batch_size
