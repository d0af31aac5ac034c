"""A heat map: a grey image, coloured by what its places add to a class."""

import numpy as np
from PIL import Image

from pipeline.heads.rows import Float
from pipeline.images import Pixels

FOR, AGAINST = (214, 39, 24), (20, 90, 200)  # red, blue
STRONGEST = 0.7  # how much of a colour the strongest place has


def overlay(pixels: Pixels, evidence: Float, largest: float | None = None) -> Pixels:
    """Colour a grey image: red where the evidence is positive, blue where it is negative.

    Args:
        pixels: uint8 `(s, s, 3)`.
        evidence: float64 `(h, w)`.
        largest: What has the strongest colour; None: the strongest of the places.
    """
    largest = (float(np.abs(evidence).max()) if largest is None else largest) or 1.0
    small = Image.fromarray((evidence / largest).astype(np.float32))
    size = (pixels.shape[1], pixels.shape[0])
    strength = np.clip(np.asarray(small.resize(size, Image.Resampling.BICUBIC)), -1, 1)[:, :, None]
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)[:, :, None]
    colour = np.where(strength > 0, FOR, AGAINST)
    share = STRONGEST * np.abs(strength)
    mixed: Pixels = np.rint(grey * (1 - share) + colour * share).astype(np.uint8)
    return mixed
