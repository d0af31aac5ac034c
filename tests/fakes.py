"""Stand-ins that make tests fast: a backbone whose features can be computed by hand."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.project import draw_image


class MeanColour:
    """An engine with three features: the mean red, green and blue of the decoded square, 0..1.

    Exact (sums of integers), so equal images have equal features in any order and batch.

    Attributes:
        computed: Images that came through `run`; padding, which is black, is not counted.
    """

    width = 3

    def __init__(
        self,
        *,
        batch_size: int = 1,
        streams: int = 2,
        before: Callable[[int], None] = lambda computed: None,
    ) -> None:
        """Make an engine; `before` is called ahead of each batch with the number of images so far."""
        self.batch_size = batch_size
        self.streams = streams
        self.computed = 0
        self._before = before
        self._lock = threading.Lock()

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert len(pixels) == self.batch_size, "batches have one size"
        with self._lock:
            self._before(self.computed)
            self.computed += int(pixels.any(axis=(1, 2, 3)).sum())
        return self.features_of(pixels)

    @staticmethod
    def features_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (pixels.mean(axis=(1, 2), dtype=np.float64) / 255).astype(np.float32)


class Quadrants(MeanColour):
    """An engine with a map of four places: the mean colours of an image's quarters."""

    @staticmethod
    def features_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = pixels.shape[1] // 2
        quarters = pixels.reshape(len(pixels), 2, size, 2, size, 3).mean(axis=(2, 4))
        return (quarters / 255).astype(np.float32)


class SlowFile:
    """Stands for the path of an image whose bytes take their time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def read_bytes(self) -> bytes:
        time.sleep(self._seconds)
        return draw_image(1)


def use_maps_of_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a MeanColour in the place of every engine that pools, and the map of it in that of others."""
    monkeypatch.setattr(
        "pipeline.extraction.extractor.open_engine",
        lambda _, backbone: Quadrants() if backbone.settings.pooling is None else MeanColour(),
    )


def use_mean_colour(
    monkeypatch: pytest.MonkeyPatch, engine: MeanColour | None = None
) -> MeanColour:
    """Put a MeanColour in the place of every real engine; names, settings and fingerprints stay real.

    TensorFlow is not needed: the network behind the engine is never built.
    """
    engine = engine or MeanColour()
    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", lambda *_: engine)
    return engine
