"""What the network that counts makes of an image: pure, so that the driver knows what is right."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 8  # pixels


def scale_of(weights: Path) -> float:
    """Return the number, 1 to 2, that the bytes of a weights file stand for."""
    digest = sha256(weights.read_bytes()).digest()
    return 1 + int.from_bytes(digest[:4], "big") / 2**32


def shrink(image: Any) -> Any:
    """Bring an image of Pillow's to a few pixels, uint8 `(8, 8, 3)`."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE)))


def feature_of(pixels: Any, scale: float) -> list[float]:
    """Return the mean red, green and blue of `(h, w, 3)`, scaled."""
    means = np.asarray(pixels, np.float64).mean(axis=(0, 1)) * scale
    return [round(float(value), 3) for value in means]
