"""A backbone that is built in no time: the mean colours of the parts of an image, in Keras."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.head import Head
from pipeline.heads.training import fit_head
from tests.heads.examples import recipe, rows_of

SIZE = 32
CLASSES = ("cat", "dog", "fox")


class TinyBackbone:
    """Stands for a Backbone; its features are 12 colours, or a map of them."""

    name = "tiny"
    input_size = SIZE

    def __init__(self, *, is_map: bool = False) -> None:
        self._is_map = is_map

    @cached_property
    def model(self) -> Any:
        import keras

        pixels = keras.Input((SIZE, SIZE, 3), dtype="uint8")
        x = keras.layers.Rescaling(1 / 128, -127 / 128)(keras.ops.cast(pixels, "float32"))
        x = keras.layers.AveragePooling2D(SIZE // 2)(x)
        return keras.Model(pixels, x if self._is_map else keras.layers.Flatten()(x), name=self.name)


def pixels_of(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images uint8 `(count, SIZE, SIZE, 3)`, noise in the colour of its class, and labels."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    tints = np.random.default_rng(9).integers(60, 196, (len(CLASSES), 1, 1, 3))
    blocks = chance.integers(-60, 60, (count, 4, 4, 3)).repeat(SIZE // 4, 1).repeat(SIZE // 4, 2)
    return (tints[labels] + blocks).astype(np.uint8), labels


def fit(backbone: TinyBackbone, kind: str, scaling: str = "none", **changes: Any) -> Head:
    """Return a calibrated head on the features of 90 images."""
    pixels, labels = pixels_of(90)
    rows = rows_of(backbone.model(pixels).numpy(), labels)
    return fit_head(rows, recipe(kind, scaling=scaling, calibrate=True, **changes)).head
