"""Shapes and the pen that puts them on a canvas, in arithmetic that every machine rounds alike.

A thing is described in its own coordinates (about one unit large, v downwards); a `Frame` says where it
lands on the canvas. Sines are rounded to 2^-20 before use and canvas coordinates to whole pixels, so the last
bit of a machine's mathematics library never reaches a picture.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from pipeline.sources.drawing.colours import Colour

Points = NDArray[np.float64]
Corners = list[float]  # whole canvas pixels x0, y0, x1, y1, ..., as Pillow takes them
Generator = np.random.Generator

_TRIGONOMETRY_STEPS = 2.0**20


def direction(degrees: float) -> tuple[float, float]:
    """Return the unit vector at an angle from the x axis, towards +y, in exact multiples of 2^-20."""
    angle = math.radians(degrees)
    return (
        round(math.cos(angle) * _TRIGONOMETRY_STEPS) / _TRIGONOMETRY_STEPS,
        round(math.sin(angle) * _TRIGONOMETRY_STEPS) / _TRIGONOMETRY_STEPS,
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """An affine map from a thing's own coordinates to canvas pixels.

    A point `(u, v)` lands at `(x + xu * u + xv * v, y + yu * u + yv * v)`.
    """

    x: float
    y: float
    xu: float
    xv: float
    yu: float
    yv: float

    @classmethod
    def at(cls, x: float, y: float, scale: float) -> "Frame":
        """Return the upright frame centred at canvas pixel `(x, y)` with `scale` pixels a unit."""
        return cls(x, y, scale, 0.0, 0.0, scale)

    @property
    def scale(self) -> float:
        """Pixels a unit, as the geometric mean over directions."""
        return math.sqrt(abs(self.xu * self.yv - self.xv * self.yu))

    def moved(self, u: float, v: float) -> "Frame":
        """Return this frame with its origin at the point `(u, v)` of this frame."""
        x = self.x + self.xu * u + self.xv * v
        y = self.y + self.yu * u + self.yv * v
        return Frame(x, y, self.xu, self.xv, self.yu, self.yv)

    def scaled(self, along_u: float, along_v: float | None = None) -> "Frame":
        """Return this frame with its axes stretched; by one factor where only one is given."""
        across = along_u if along_v is None else along_v
        return Frame(
            self.x, self.y, self.xu * along_u, self.xv * across, self.yu * along_u, self.yv * across
        )

    def turned(self, degrees: float) -> "Frame":
        """Return this frame with its axes turned clockwise (as seen on the canvas)."""
        cos, sin = direction(degrees)
        return Frame(
            self.x,
            self.y,
            self.xu * cos + self.xv * sin,
            self.xv * cos - self.xu * sin,
            self.yu * cos + self.yv * sin,
            self.yv * cos - self.yu * sin,
        )

    def place(self, points: ArrayLike) -> Corners:
        """Return where points `(n, 2)` land, in whole canvas pixels: `[x0, y0, x1, y1, ...]`."""
        own = np.asarray(points, dtype=np.float64)
        u, v = own[:, 0], own[:, 1]
        landed = np.empty(2 * len(own))
        landed[::2] = u * self.xu + v * self.xv + self.x
        landed[1::2] = u * self.yu + v * self.yv + self.y
        corners: Corners = np.rint(landed).tolist()
        return corners


def smooth(controls: ArrayLike, steps: int = 6) -> Points:
    """Return a closed Catmull-Rom curve `(n * steps, 2)` through the controls `(n, 2)`."""
    points = np.asarray(controls, dtype=np.float64)
    return _catmull_rom(np.concatenate([points[-1:], points, points[:2]]), steps)


def bend(controls: ArrayLike, steps: int = 6) -> Points:
    """Return an open Catmull-Rom curve `((n - 1) * steps + 1, 2)` through the controls `(n, 2)`.

    Two controls make a straight line and are returned as they are.
    """
    points = np.asarray(controls, dtype=np.float64)
    if len(points[1:-1]) == 0:
        return points
    curve = _catmull_rom(np.concatenate([points[:1], points, points[-1:]]), steps)
    return np.concatenate([curve, points[-1:]])


def _catmull_rom(points: Points, steps: int) -> Points:
    """Interpolate between all but the outermost of `(n, 2)` points; the result is `((n - 3) * steps, 2)`."""
    before, start, end, after = _catmull_rom_weights(steps)
    segments = points[:, None, :]
    curve = (
        segments[:-3] * before
        + segments[1:-2] * start
        + segments[2:-1] * end
        + segments[3:] * after
    )
    flat: Points = curve.reshape(-1, 2)
    return flat


@lru_cache(maxsize=16)
def _catmull_rom_weights(steps: int) -> tuple[Points, Points, Points, Points]:
    """Return the weights `(steps, 1)` of the four points round each step; shared, so never written to."""
    t = (np.arange(steps, dtype=np.float64) / steps)[:, None]
    before = ((2.0 - t) * t - 1.0) * t * 0.5
    start = ((3.0 * t - 5.0) * t * t + 2.0) * 0.5
    end = ((4.0 - 3.0 * t) * t + 1.0) * t * 0.5
    after = (t - 1.0) * t * t * 0.5
    return before, start, end, after


def oval(
    u: float, v: float, half_width: float, half_height: float | None = None, corners: int = 28
) -> Points:
    """Return an ellipse `(corners, 2)` around `(u, v)`; a circle where one radius is given."""
    radii = (half_width, half_width if half_height is None else half_height)
    circle: Points = _unit_circle(corners) * np.array(radii) + np.array((u, v))
    return circle


@lru_cache(maxsize=64)
def _unit_circle(corners: int) -> Points:
    """Return evenly spaced points `(corners, 2)` of the unit circle; shared, so never written to."""
    return np.array([direction(360.0 * corner / corners) for corner in range(corners)])


def mirrored(right_half: ArrayLike) -> Points:
    """Return controls symmetric about u = 0: the right half `(n, 2)`, then its mirror image backwards.

    Points of the right half that lie on u = 0 are not doubled.
    """
    right = np.asarray(right_half, dtype=np.float64)
    left = right[::-1] * np.array([-1.0, 1.0])
    return np.concatenate([right, left[np.abs(left[:, 0]) > 0.0]])


def ruffle(rng: Generator, outline: Points, depth: float) -> Points:
    """Return an outline `(n, 2)` whose corners are pushed in or out by up to `depth`, as fur is."""
    centre = outline.mean(axis=0)
    away = outline - centre
    length = np.sqrt(away[:, :1] * away[:, :1] + away[:, 1:] * away[:, 1:])
    push = (rng.random((len(outline), 1)) - 0.35) * depth
    ruffled: Points = outline + away / np.maximum(length, 1e-9) * push
    return ruffled


def ribbon(path: Points, start_width: float, end_width: float) -> Points:
    """Return the outline `(2n, 2)` of a stroke along a path `(n, 2)` whose width changes evenly."""
    steps = path[1:] - path[:-1]
    along = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    length = np.sqrt(along[:, 0] * along[:, 0] + along[:, 1] * along[:, 1])
    half = np.linspace(start_width * 0.5, end_width * 0.5, len(path)) / np.maximum(length, 1e-9)
    normal = along[:, ::-1] * np.array((-1.0, 1.0)) * half[:, None]
    return np.concatenate([path + normal, (path - normal)[::-1]])


class Pen:
    """Fills shapes and pulls strokes on one RGB canvas; an alpha below 255 lets the canvas shine through."""

    def __init__(self, canvas: Image.Image) -> None:
        """Take hold of an RGB canvas, which is changed in place."""
        self.size = canvas.size
        self._draw = ImageDraw.Draw(canvas, "RGBA")

    def fill(self, frame: Frame, outline: ArrayLike, colour: Colour, alpha: int = 255) -> None:
        """Fill a closed outline `(n, 2)`, given in the frame's coordinates."""
        self._draw.polygon(frame.place(outline), fill=(*colour, alpha))

    def edge(
        self, frame: Frame, outline: ArrayLike, colour: Colour, alpha: int = 255, width: int = 2
    ) -> None:
        """Draw the line round a closed outline `(n, 2)`; `width` in canvas pixels."""
        corners = frame.place(outline)
        self._draw.line([*corners, *corners[:2]], fill=(*colour, alpha), width=width)

    def stroke(
        self,
        frame: Frame,
        path: ArrayLike,
        colour: Colour,
        widths: tuple[float, float],
        alpha: int = 255,
    ) -> None:
        """Pull a tapering stroke along the smooth curve through a path `(n, 2)`; widths in frame units."""
        self.fill(frame, ribbon(bend(path), *widths), colour, alpha)

    def hairs(self, frame: Frame, roots: Points, tips: Points, colour: Colour, alpha: int) -> None:
        """Draw straight hairs, two canvas pixels thick, from roots `(n, 2)` to tips `(n, 2)`."""
        ink = (*colour, alpha)
        ends = iter(frame.place(np.concatenate([roots, tips], axis=1).reshape(-1, 2)))
        for hair in zip(ends, ends, ends, ends, strict=True):
            self._draw.line(hair, fill=ink, width=2)

    def dots(self, frame: Frame, centres: Points, radius: float, colours: list[Colour]) -> None:
        """Draw round dots at centres `(n, 2)`, a colour each; `radius` in frame units, at least one pixel."""
        reach = max(1, round(radius * frame.scale))
        places = iter(frame.place(centres))
        for x, y, colour in zip(places, places, colours, strict=True):
            self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
