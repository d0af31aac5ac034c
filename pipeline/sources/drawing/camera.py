"""From a finished canvas to the bytes of a photograph: exposure, focus, grain, JPEG."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from pipeline.sources.drawing.chance import between, happens
from pipeline.sources.drawing.pen import Generator

SUPERSAMPLING = 2  # canvas pixels to a picture's pixel, each way
SHORTEST_SIDE, LONGEST_SIDE = 240, 320  # of a picture, pixels

_JPEG_QUALITY = 88
_CHROMA_HALVED = 2  # Pillow's name for 4:2:0


def canvas_size(rng: Generator) -> tuple[int, int]:
    """Return a canvas (width, height) for a picture of 240..320 by 240..320 pixels."""
    width, height = (int(side) for side in rng.integers(SHORTEST_SIDE, LONGEST_SIDE + 1, size=2))
    return width * SUPERSAMPLING, height * SUPERSAMPLING


def take_photo(rng: Generator, canvas: Image.Image) -> bytes:
    """Return the JPEG bytes of a canvas seen through an imperfect camera.

    Args:
        rng: Decides exposure, colour cast, vignette, blur and grain.
        canvas: RGB, `SUPERSAMPLING` times as large as the picture; not changed.
    """
    picture = canvas.reduce(SUPERSAMPLING)
    picture = _expose(rng, picture)
    if happens(rng, 0.3):
        picture = picture.filter(ImageFilter.GaussianBlur(int(rng.integers(2, 7)) / 4))
    return _encode(_add_grain(rng, picture))


def _expose(rng: Generator, picture: Image.Image) -> Image.Image:
    """Change contrast, brightness and colour balance; let the light fall off to one side and the corners."""
    contrast = int(rng.integers(210, 310))
    offset = int(rng.integers(-20, 41))
    casts = [int(cast) for cast in rng.integers(-12, 13, size=3)]
    tables = [_tone(contrast, offset + cast) for cast in casts]
    picture = picture.point([level for table in tables for level in table])
    falloff = Image.fromarray(_falloff(rng)).resize(picture.size, Image.Resampling.BICUBIC)
    return ImageChops.multiply(picture, Image.merge("RGB", [falloff] * 3))


def _tone(contrast: int, offset: int) -> list[int]:
    """Return the table of one channel: contrast in 256ths about mid grey, then an offset in grey levels."""
    return [
        min(255, max(0, (level - 128) * contrast // 256 + 128 + offset)) for level in range(256)
    ]


def _falloff(rng: Generator) -> NDArray[np.uint8]:
    """Return light uint8 `(16, 16)`, 255 where it is full: a slope across the picture, darker corners."""
    steps = np.arange(16, dtype=np.float64) / 15 - 0.5
    across, down = steps[None, :], steps[:, None]
    slope = between(rng, -0.25, 0.25) * across + between(rng, -0.25, 0.25) * down
    corners = between(rng, 0.0, 0.6) * (across * across + down * down)
    light = 1.0 - corners + slope - np.abs(slope).max()
    levels: NDArray[np.uint8] = np.clip(np.rint(light * 255), 40, 255).astype(np.uint8)
    return levels


def _add_grain(rng: Generator, picture: Image.Image) -> Image.Image:
    """Add noise of -k..k grey levels, the same k for the whole picture."""
    strength = int(rng.integers(1, 13))
    pixels = np.asarray(picture, dtype=np.int16)
    grain = rng.integers(-strength, strength + 1, size=pixels.shape, dtype=np.int16)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def _encode(picture: Image.Image) -> bytes:
    """Return JPEG bytes without metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=_CHROMA_HALVED)
    return buffer.getvalue()
