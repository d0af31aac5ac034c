"""A backbone that is built in no time: mean colours in Keras, as `tests.fakes.MeanColour` computes them."""

from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.heads.head import Head
from pipeline.heads.training import fit_head
from tests.heads.examples import recipe, rows_of

CLASSES = 3


class TinyBackbone:
    """Stands for a Backbone; its features are three colours of the image, or a map of four parts."""

    def __init__(self, *, size: int = 32, is_map: bool = False) -> None:
        self.input_size = size
        self._is_map = is_map

    @cached_property
    def model(self) -> Any:
        import keras

        pixels = keras.Input((self.input_size, self.input_size, 3), dtype="uint8")
        # A layer that holds numbers which are no variables, as those that scale for VGG and ResNet.
        scale = keras.layers.Normalization(mean=[0.0] * 3, variance=[1.0] * 3)
        x = scale(keras.ops.cast(pixels, "float32") / 255)
        x = keras.layers.AveragePooling2D(self.input_size // 2)(x)
        return keras.Model(pixels, x if self._is_map else keras.layers.GlobalAveragePooling2D()(x))


def use_tiny_backbone(monkeypatch: pytest.MonkeyPatch, size: int = 32) -> None:
    """Let `export` take this network, which gives the features of MeanColour."""
    network = TinyBackbone(size=size)
    monkeypatch.setattr("pipeline.exporting.export.Backbone", lambda *_: network)


def pixels_of(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images uint8 `(count, 32, 32, 3)`, noise in the colour of its class, and labels."""
    labels = np.arange(count) % CLASSES
    tints = np.random.default_rng(9).integers(60, 196, (CLASSES, 1, 1, 3))
    noise = np.random.default_rng(seed).integers(-60, 60, (count, 4, 4, 3))
    return (tints[labels] + noise.repeat(8, 1).repeat(8, 2)).astype(np.uint8), labels


def fit(backbone: TinyBackbone, kind: str, scaling: str = "none", **changes: Any) -> Head:
    """Return a calibrated head on the features of 90 images."""
    pixels, labels = pixels_of(90)
    rows = rows_of(backbone.model(pixels).numpy(), labels)
    return fit_head(rows, recipe(kind, scaling=scaling, calibrate=True, **changes)).head
