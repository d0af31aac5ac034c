"""How light falls: rounded forms with a bright and a dark side, and the soft shadows they throw."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.sources.drawing.chance import between
from pipeline.sources.drawing.colours import Colour
from pipeline.sources.drawing.pen import Corners, direction

Box = tuple[int, int, int, int]  # left, top, right, bottom

_REDUCTION = 8  # shadows are soft: they are worked out on a canvas this many times smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Where a picture's light comes from and how deep its shadows are.

    `u` and `v` point from the lamp into the picture and have length 1; `depth` in 0..1 is how dark
    the dark side is; `shadow` is the colour that white has there.
    """

    u: float
    v: float
    depth: float
    shadow: Colour


def any_light(rng: np.random.Generator) -> Light:
    """Return a light from somewhere above, from flat to harsh."""
    u, v = direction(between(rng, 20.0, 160.0))
    depth = between(rng, 0.25, 0.7)
    tint = rng.integers(-14, 15, size=3)
    red, green, blue = (int(255 * (1.0 - depth)) + int(step) for step in tint)
    return Light(u=u, v=v, depth=depth, shadow=(max(red, 0), max(green, 0), max(blue, 0)))


def paint_form(canvas: Image.Image, corners: Corners, coat: Image.Image, light: Light) -> None:
    """Paint the part of a coat inside an outline onto the canvas, shaded as a rounded body.

    Args:
        canvas: RGB, changed in place.
        corners: The outline, in canvas pixels.
        coat: RGB, as large as the canvas; not changed.
        light: Where the bright side is.
    """
    box = _box_round(corners, 2 * _REDUCTION)
    mask = _silhouette(corners, box, 255)
    shaded = ImageChops.multiply(coat.crop(box), _shade_round(mask, light))
    canvas.paste(shaded, box, mask)


def paint_shadow(
    canvas: Image.Image, corners: Corners, light: Light, reach: float, alpha: int
) -> None:
    """Throw the soft shadow of an outline onto the canvas; `reach` in canvas pixels, `alpha` in 0..255."""
    box = _box_round(corners, 2 * round(reach) + 2 * _REDUCTION)
    small = _silhouette(corners, box, alpha).reduce(_REDUCTION)
    small = small.filter(ImageFilter.GaussianBlur(max(1, round(reach) // _REDUCTION // 2)))
    small = _shift(small, light, reach / _REDUCTION)
    soft = small.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR)
    canvas.paste((14, 10, 18), box, soft)


def _box_round(corners: Corners, margin: int) -> Box:
    """Return the smallest box with a margin round an outline; it may reach beyond the canvas."""
    across, down = corners[::2], corners[1::2]
    left, top, right, bottom = (
        int(side) for side in (min(across), min(down), max(across), max(down))
    )
    return left - margin, top - margin, right + margin, bottom + margin


def _silhouette(corners: Corners, box: Box, level: int) -> Image.Image:
    """Return an L mask as large as the box, `level` inside the outline and 0 around it."""
    left, top, right, bottom = box
    mask = Image.new("L", (right - left, bottom - top), 0)
    offset = (left, top)
    ImageDraw.Draw(mask).polygon(
        [at - offset[place % 2] for place, at in enumerate(corners)], fill=level
    )
    return mask


def _shade_round(mask: Image.Image, light: Light) -> Image.Image:
    """Return the RGB light that falls on a rounded body with this silhouette."""
    reach = min(mask.size) // _REDUCTION
    small = mask.reduce(_REDUCTION).filter(ImageFilter.GaussianBlur(max(1, reach // 5)))
    small = _shift(small, light, reach * 0.12)
    soft = small.resize(mask.size, Image.Resampling.BILINEAR)
    return Image.merge("RGB", [soft.point(_ramp(dark)) for dark in light.shadow])


@lru_cache(maxsize=256)
def _ramp(dark: int) -> list[int]:
    """Return the table from roundness 0..255 to light `dark..255`: full light from 90 % on."""
    return [min(255, dark + (255 - dark) * max(0, level - 60) // 170) for level in range(256)]


def _shift(mask: Image.Image, light: Light, distance: float) -> Image.Image:
    """Return a mask moved away from the lamp by a distance in its own pixels; 0 where nothing moves in."""
    moved = Image.new("L", mask.size, 0)
    moved.paste(mask, (round(light.u * distance), round(light.v * distance)))
    return moved
