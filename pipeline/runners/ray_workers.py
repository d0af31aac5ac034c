"""Spread the images of a network over workers of Ray, on this machine or many.

A worker keeps nothing: its features come here as they are computed, and whoever asked for them stores them.
So a worker that dies, hangs or is slow costs what it had not sent yet, which another worker computes again.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ManifestError, PipelineError, first_line
from pipeline.extraction.decoding import ImageFile
from pipeline.params import RayParams
from pipeline.runners.chunks import SMALLEST, Chunk, Chunks
from pipeline.runners.cluster import NotSeen, connected, count_workers
from pipeline.runners.worker import Opener, Worker
from pipeline.store.shards import Features, Keys

OPENING = 5  # a worker that opens its network may take so many times the patience
FALSE_STARTS = 3  # workers that may be lost, one after the other, before one has opened its network
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


def extract_on_ray(
    images: Iterable[ImageFile],
    total: int,
    opener: Opener,
    settings: RayParams,
    *,
    batch_size: int = 1,
    gpus: int = 0,
) -> Iterator[tuple[Keys, Features]]:
    """Compute features by workers of Ray; what they are does not depend on how many or which.

    Workers that are lost or silent are replaced, with a warning each.

    Args:
        images: Whose features are wanted; a stream. Relative paths begin in the working folder.
        total: How many they are.
        opener: Sent to each worker, where it opens the network.
        settings: On what they run.
        batch_size: Images that the network takes at once.
        gpus: GPUs of a worker.

    Yields:
        The sha256 of the files' bytes, uint8 `(b, 32)`, and their features `(b, ...)`, in any order.

    Raises:
        PipelineError: Ray is not installed, cannot be reached, or its machines lack what is asked for; what a
            worker raises, of the first image that fails; or the same images have cost several workers.
    """
    with connected(settings) as ray:
        count = settings.workers
        # Nobody can join a Ray of this machine alone, so to wait for room there would be for ever.
        if count is None or settings.address is None:
            room = count_workers(ray.nodes(), settings.cpus, gpus)
            count = count or room
        count = min(count, -(-total // max(SMALLEST, batch_size)))
        chunks = Chunks(images, total, count, batch_size)
        crew = _Crew(ray, chunks, opener, settings, gpus)
        try:
            crew.hire(count)
            yield from crew.work()
        finally:
            crew.dismiss()


@dataclass(slots=True, eq=False)
class _Hand:
    """One of the workers, as seen from here.

    Attributes:
        number: From 1, in the order in which they were hired.
        actor: Ray's handle.
        waiting: What its answer comes by; None: it has nothing to do.
        heard: When it was last heard of.
        name: Its machine and process; empty until it has begun.
        is_open: Whether it has opened its network.
        chunk: What it computes.
    """

    number: int
    actor: Any
    waiting: Any
    heard: float
    name: str = ""
    is_open: bool = False
    chunk: Chunk | None = None

    def __str__(self) -> str:
        return f"worker {self.number}{f' ({self.name})' if self.name else ''}"

    def ask(self, waiting: Any) -> None:
        """Note what it was asked for."""
        self.waiting, self.heard = waiting, time.monotonic()


class _Crew:
    """All workers: gives them chunks, hears them, and replaces those that are lost."""

    def __init__(
        self, ray: Any, chunks: Chunks, opener: Opener, settings: RayParams, gpus: int
    ) -> None:
        self._ray, self._chunks, self._settings = ray, chunks, settings
        self._class = ray.remote(Worker).options(num_cpus=settings.cpus, num_gpus=gpus)
        self._asked_for = f"{settings.cpus} CPUs and {gpus} GPUs each"
        self._sent = (Path.cwd(), opener)
        self._hands: list[_Hand] = []
        self._hired = self._false_starts = 0
        self._heard = time.monotonic()

    def hire(self, count: int) -> None:
        """Start workers; where there is no room yet, they wait for it."""
        for _ in range(count):
            self._hired += 1
            actor = self._class.remote(*self._sent)
            self._hands.append(
                _Hand(self._hired, actor, actor.name.remote(), heard=time.monotonic())
            )

    def dismiss(self) -> None:
        """End all workers, whatever they do."""
        for hand in self._hands:
            self._ray.kill(hand.actor)
        self._hands.clear()

    def work(self) -> Iterator[tuple[Keys, Features]]:
        """Yield features until all chunks are done, or those before the first failure."""
        while self._give_out():
            for hand in self._wait():
                yield from self._hear(hand)
            self._warn_where_nobody_begins()
        if self._chunks.error is not None:
            raise self._chunks.error

    def _give_out(self) -> bool:
        """Give chunks to those who have none; tell whether there is anything to wait for."""
        for hand in self._hands:
            if hand.is_open and hand.chunk is None and (chunk := self._chunks.take()):
                hand.chunk = chunk
                streaming = hand.actor.compute.options(num_returns="streaming")
                hand.ask(streaming.remote(chunk.images))
        computing = [hand.chunk for hand in self._hands if hand.chunk is not None]
        return any(map(self._chunks.is_wanted, computing)) or self._chunks.is_left

    def _wait(self) -> list[_Hand]:
        """Wait a moment for answers, replace who is silent for too long, and return who answered."""
        asked = [hand for hand in self._hands if hand.waiting is not None]
        pending = [hand.waiting for hand in asked]
        ready, _ = self._ray.wait(pending, num_returns=1, timeout=LOOK_SECONDS)
        if ready:  # all of them: none may be called silent that has spoken
            ready, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0)
        answered = [hand for hand in asked if any(hand.waiting is one for one in ready)]
        now = time.monotonic()
        for hand in asked:
            if hand not in answered and hand.name and now - hand.heard > self._patience(hand):
                self._lose(hand, f"was silent for {now - hand.heard:.0f} s")
        return answered

    def _patience(self, hand: _Hand) -> float:
        return self._settings.patience * (1 if hand.is_open else OPENING)

    def _hear(self, hand: _Hand) -> Iterator[tuple[Keys, Features]]:
        """Take an answer; yield the features in it."""
        self._heard = hand.heard = time.monotonic()
        try:
            if hand.chunk is not None:
                keys, features = self._get(next(hand.waiting))
                hand.chunk.finish(len(keys))
                yield keys, features
            elif hand.name:
                self._get(hand.waiting)
                hand.is_open, hand.waiting, self._false_starts = True, None, 0
            else:
                hand.name = self._get(hand.waiting)
                hand.ask(hand.actor.open.remote())
        except StopIteration:
            assert hand.chunk is not None
            assert not hand.chunk.images, "an extractor leaves none out"
            hand.chunk = hand.waiting = None
        except self._ray.exceptions.RayTaskError as error:
            self._note_failure(hand, error)
        except self._ray.exceptions.RayError as error:
            why = first_line(error).partition(":")[0].rstrip(".")
            self._lose(hand, f"is gone ({why})")

    def _get(self, reference: Any) -> Any:
        return self._ray.get(reference, timeout=self._settings.patience)

    def _note_failure(self, hand: _Hand, error: Any) -> None:
        """Raise what a worker raised; but of an image's failure only note it, for one before it may fail too.

        What is no PipelineError keeps the traceback that Ray shows.
        """
        cause = error.cause if isinstance(error.cause, PipelineError) else error
        if isinstance(cause, NotSeen) and not Path(cause.path).exists():
            cause = ManifestError(cause.otherwise)
        if hand.chunk is None:
            raise cause from None
        self._chunks.fail(hand.chunk, cause)
        hand.chunk = hand.waiting = None

    def _lose(self, hand: _Hand, why: str) -> None:
        """Give a worker up, and its images to another."""
        self._ray.kill(hand.actor)
        self._hands.remove(hand)
        lost = len(hand.chunk.images) if hand.chunk is not None else 0
        log.warning(
            "%s %s: it is replaced%s.", hand, why, f", and others compute its {lost} images" if lost else ""
        )  # fmt: skip
        if hand.chunk is not None:
            self._chunks.give_back(hand.chunk)
        elif not hand.is_open:
            self._check_false_starts(why)
        self.hire(1)

    def _check_false_starts(self, why: str) -> None:
        self._false_starts += 1
        if self._false_starts >= FALSE_STARTS:
            raise PipelineError(
                f"{FALSE_STARTS} workers of Ray were lost, one after the other, before they had opened their "
                f"network: the last one {why}. Each machine needs this project, its packages, and memory for "
                "the network (docs/scaling.md)."
            )

    def _warn_where_nobody_begins(self) -> None:
        """Say what is waited for, where no machine has room for a worker."""
        silent = time.monotonic() - self._heard
        if silent > self._settings.patience and not any(hand.name for hand in self._hands):
            has = self._ray.cluster_resources()
            log.warning(
                "no worker has begun for %.0f s: asked for %d with %s, and Ray has %d CPUs and %d GPUs in "
                "all, which others may use (params.yaml, extract.ray).",
                silent, len(self._hands), self._asked_for, has.get("CPU", 0), has.get("GPU", 0),
            )  # fmt: skip
            self._heard = time.monotonic()
