"""Change a training image at random, reproducibly; the only user of imgaug.

What happens to a copy is drawn here, from `(seed, sha256, copy)`; imgaug only carries it out.
So neither the order of images nor the number of processes changes a copy.
"""

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# All that imgaug 0.4.0, the last release, misses in NumPy 2 is this table of its types.
_TYPES = {
    "int": [np.int8, np.int16, np.int32, np.int64],
    "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
    "float": [np.float16, np.float32, np.float64, np.longdouble],
}
vars(np).setdefault("sctypes", _TYPES)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from imgaug import augmenters as iaa

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How far copies may be from their original.

    Attributes:
        rotate: Degrees either way.
        shift: Share of width and of height, either way.
        zoom: Share of the size, in or out.
        flip: Mirror left to right, half of the copies.
    """

    rotate: float
    shift: float
    zoom: float
    flip: bool


def augment(pixels: Pixels, recipe: Recipe, *, seed: int, sha256: str, copy: int) -> Pixels:
    """Return one changed copy of an image; what moves in from outside is its reflection.

    Args:
        pixels: uint8 `(h, w, 3)`, RGB.
        recipe: The limits.
        seed: The user's seed.
        sha256: Hash of the original file, hexadecimal.
        copy: Number of the copy, from 1.

    Returns:
        uint8 `(h, w, 3)`, RGB.
    """
    key = hashlib.sha256(f"{seed} {sha256} {copy}".encode()).digest()
    draw = np.random.default_rng(np.frombuffer(key, np.uint32)).uniform(-1, 1, size=5)
    change = iaa.Affine(
        rotate=float(draw[0] * recipe.rotate),
        translate_percent={"x": float(draw[1] * recipe.shift), "y": float(draw[2] * recipe.shift)},
        scale=float(1 + draw[3] * recipe.zoom),
        mode="reflect",
        order=1,
        backend="cv2",
    )
    if recipe.flip and draw[4] > 0:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    changed: Pixels = change.augment_image(pixels)
    return changed
