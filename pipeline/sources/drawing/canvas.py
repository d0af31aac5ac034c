"""A canvas that takes shapes and light, in arithmetic that every machine rounds alike.

A thing is described in its own coordinates (about one unit large, v downwards); a `Frame` says
where it lands. Sines come from a table of multiples of 2^-20 and places are rounded to whole
pixels, so the last bit of a processor's mathematics never reaches an image.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter

from pipeline.sources.drawing.sampling import Colour, Points

Box = tuple[int, int, int, int]  # left, top, right, bottom

LIGHT_CELL = 4  # canvas pixels to one of the light, each way: light changes slowly
_NIGHT = 20  # of 255: the light in the depth of a shadow
_TURN = 3600  # tenths of a degree
_SINES = np.rint(np.sin(np.arange(_TURN) * (2.0 * math.pi / _TURN)) * 2.0**20) / 2.0**20


def headings(degrees: ArrayLike) -> Points:
    """Return unit vectors `(..., 2)`, given their degrees `(...)` clockwise from the x axis."""
    tenths = np.rint(np.asarray(degrees, dtype=np.float64) * 10.0).astype(np.int64)
    return np.stack([_SINES[(tenths + _TURN // 4) % _TURN], _SINES[tenths % _TURN]], axis=-1)


class Frame(NamedTuple):
    """Where a thing lands, in canvas pixels: its origin, a unit to its right, a unit downwards."""

    origin: Points
    u: Points
    v: Points

    @property
    def scale(self) -> float:
        """Pixels a unit, as the geometric mean over directions."""
        return math.sqrt(abs(float(self.u[0] * self.v[1] - self.u[1] * self.v[0])))

    def moved(self, u: float, v: float) -> "Frame":
        """Return this frame with its origin at the point `(u, v)` of this frame."""
        return Frame(self.origin + self.u * u + self.v * v, self.u, self.v)

    def scaled(self, u: float, v: float) -> "Frame":
        """Return this frame with its axes stretched."""
        return Frame(self.origin, self.u * u, self.v * v)

    def turned(self, degrees: float) -> "Frame":
        """Return this frame with its axes turned clockwise as seen."""
        cos, sin = headings(degrees).tolist()
        return Frame(self.origin, self.u * cos + self.v * sin, self.v * cos - self.u * sin)

    def place(self, points: ArrayLike) -> Points:
        """Return where points `(..., 2)` land, in whole canvas pixels."""
        own = np.asarray(points, dtype=np.float64)
        landed: Points = np.rint(own[..., :1] * self.u + own[..., 1:] * self.v + self.origin)
        return landed


def smooth(controls: ArrayLike, steps: int = 6, closed: bool = True) -> Points:
    """Return the Catmull-Rom curve `(m, 2)` through controls `(n, 2)`, `steps` points to each."""
    points = _points(controls)
    ends = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    padded = np.concatenate([ends[0], points, ends[1]])[:, None, :]
    t = (np.arange(steps, dtype=np.float64) / steps)[:, None]
    curve = padded[:-3] * (((2.0 - t) * t - 1.0) * t * 0.5)
    curve += padded[1:-2] * (((3.0 * t - 5.0) * t * t + 2.0) * 0.5)
    curve += padded[2:-1] * (((4.0 - 3.0 * t) * t + 1.0) * t * 0.5)
    curve += padded[3:] * ((t - 1.0) * t * t * 0.5)
    flat: Points = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def _points(controls: ArrayLike) -> Points:
    """Return controls `(n, 2)`, which may be written as in SVG: `0,-1 0.5,0.3`."""
    if isinstance(controls, str):
        return np.array([pair.split(",") for pair in controls.split()], dtype=np.float64)
    return np.asarray(controls, dtype=np.float64)


def mirrored(right_half: ArrayLike, steps: int = 6) -> Points:
    """Return the smooth outline whose right half runs from u = 0 to u = 0 through controls."""
    right = _points(right_half)
    left = right[::-1] * (-1.0, 1.0)
    return smooth(np.concatenate([right, left[left[:, 0] < 0.0]]), steps)


def oval(u: float, v: float, width: float, height: float, corners: int = 24) -> Points:
    """Return an ellipse `(corners, 2)` around `(u, v)`, given by its half width and half height."""
    return headings(np.arange(corners) * (360.0 / corners)) * (width, height) + (u, v)


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners `(4, 2)` of an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def ribbon(path: ArrayLike, widths: tuple[float, float]) -> Points:
    """Return the outline of a stroke along the smooth curve through a path `(n, 2)`, tapering."""
    line = smooth(path, closed=False)
    steps = line[1:] - line[:-1]
    along = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    length = np.maximum(np.sqrt(along[:, 0] * along[:, 0] + along[:, 1] * along[:, 1]), 1e-9)
    share = np.arange(len(line)) / (len(line) - 1)
    half = (widths[0] + (widths[1] - widths[0]) * share) * 0.5 / length
    normal = along[:, ::-1] * (-1.0, 1.0) * half[:, None]
    return np.concatenate([line + normal, (line - normal)[::-1]])


def copies(outline: Points, degrees: Points, sizes: Points, places: Points | float = 0.0) -> Points:
    """Return copies `(n, m, 2)` of an outline `(m, 2)`, each stretched, turned and then moved.

    Shapes: `degrees` `(n,)`, `sizes` `(n, 2)`, `places` `(n, 1, 2)` or one for all `(2,)`.
    """
    own, axes = outline * sizes[:, None, :], headings(degrees)[:, None, :]
    normals = axes[..., ::-1] * (-1.0, 1.0)
    moved: Points = own[..., :1] * axes + own[..., 1:] * normals + places
    return moved


class Canvas:
    """An RGB image to paint on, and apart from it the light that falls on each part of it.

    Things are painted in their own colours; `shade` and `shadow` change the light (L, 255 where
    it is full), which is soft and so kept `LIGHT_CELL` times coarser. A camera multiplies the two.
    """

    def __init__(self, image: Image.Image, lamp: float = 90.0, contrast: float = 0.5) -> None:
        """Take hold of an image, which is changed in place.

        The lamp shines in a direction, in degrees (90 from above); `contrast` is how dark the
        dark side of things is, 0..1.
        """
        self.image = image
        self.light = Image.new("L", [side // LIGHT_CELL + 1 for side in image.size], 255)
        self._lamp = headings(lamp)
        dark = int(255 * (1.0 - contrast))
        rising = [dark + (255 - dark) * max(0, level - 60) // 170 for level in range(256)]
        self._roundness = [min(255, light) for light in rising]
        self._opaque, self._glaze = ImageDraw.Draw(image), ImageDraw.Draw(image, "RGBA")

    @property
    def page(self) -> Frame:
        """The frame in which the canvas is the square 0..1."""
        width, height = self.image.size
        return Frame(np.zeros(2), np.array([width, 0.0]), np.array([0.0, height]))

    def frame(self, x: float, y: float, reach: float) -> Frame:
        """Return an upright frame, all in shares of the canvas; `reach` of its shorter side."""
        scale = min(self.image.size) * reach
        place = np.array(self.image.size) * (x, y)
        return Frame(place, np.array([scale, 0.0]), np.array([0.0, scale]))

    def fill(self, frame: Frame, outline: ArrayLike, colour: Colour, alpha: int = 255) -> None:
        """Fill an outline `(n, 2)`; an alpha below 255 lets the canvas shine through."""
        self.fill_each(frame, np.asarray(outline)[None], [colour], alpha)

    def fill_each(
        self, frame: Frame, outlines: Points, colours: Sequence[Colour], alpha: int = 255
    ) -> None:
        """Fill outlines `(..., m, 2)` one over the other, each in its colour."""
        corners = frame.place(outlines).reshape(len(colours), -1).tolist()
        draw = (self._opaque if alpha == 255 else self._glaze).polygon
        for shape, colour in zip(corners, colours, strict=True):
            draw(shape, fill=(*colour, alpha))

    def stroke(
        self, frame: Frame, path: ArrayLike, colour: Colour, widths: tuple[float, float]
    ) -> None:
        """Pull a stroke that tapers between two widths along the smooth curve through a path."""
        self.fill(frame, ribbon(path, widths), colour)

    def hairs(
        self, frame: Frame, roots: Points, tips: Points, colour: Colour, alpha: int = 255
    ) -> None:
        """Draw straight hairs, two canvas pixels thick, from roots `(n, 2)` to tips `(n, 2)`."""
        ink = (*colour, alpha)
        for hair in frame.place(np.stack([roots, tips], axis=1)).reshape(-1, 4).tolist():
            self._glaze.line(hair, fill=ink, width=2)

    def shade(self, frame: Frame, outline: Points) -> None:
        """Light what an outline `(n, 2)` covers, or several `(m, n, 2)`, as one round thing."""
        box, inside = _mask(frame.place(outline) / LIGHT_CELL, 2, 255)
        reach = min(inside.size)
        soft = inside.filter(ImageFilter.GaussianBlur(max(1, reach // 5)))
        lit = _shifted(soft, -self._lamp * (reach * 0.1))
        self.light.paste(lit.point(self._roundness), box, inside)

    def shadow(self, frame: Frame, outline: Points, reach: float, depth: int = 110) -> None:
        """Throw the soft shadow of an outline; `reach` in frame units, `depth` in 0..255."""
        cells = max(2, round(reach * frame.scale / LIGHT_CELL))
        box, shape = _mask(frame.place(outline) / LIGHT_CELL, 2 * cells, depth)
        soft = shape.filter(ImageFilter.GaussianBlur(cells // 2))
        self.light.paste(_NIGHT, box, _shifted(soft, self._lamp * cells))

    @contextmanager
    def inside(self, frame: Frame, outline: Points) -> Iterator[None]:
        """Let what is painted meanwhile show inside an outline alone."""
        before = self.image.copy()
        yield
        box, mask = _mask(frame.place(outline), 0, 255)
        painted = self.image.crop(box)
        self.image.paste(before)
        self.image.paste(painted, box, mask)


def _mask(outlines: Points, margin: int, level: int) -> tuple[Box, Image.Image]:
    """Return the box round outlines `(..., n, 2)` and a mask L of it, `level` inside them."""
    corners = np.rint(outlines).reshape(-1, *outlines.shape[-2:])
    left, top = (int(side) - margin for side in corners.min(axis=(0, 1)).tolist())
    right, bottom = (int(side) + margin + 1 for side in corners.max(axis=(0, 1)).tolist())
    mask = Image.new("L", (right - left, bottom - top))
    draw = ImageDraw.Draw(mask)
    for shape in (corners - (left, top)).reshape(len(corners), -1).tolist():
        draw.polygon(shape, fill=level)
    return (left, top, right, bottom), mask


def _shifted(mask: Image.Image, way: Points) -> Image.Image:
    """Return a mask moved by `(x, y)`; 0 where nothing moves in."""
    x, y = (round(step) for step in way.tolist())
    return mask.crop((-x, -y, mask.width - x, mask.height - y))
