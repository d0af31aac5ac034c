"""What stands between the camera and its subject: grass, leaves, bars, a table's edge, specks of light."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from pipeline.sources.drawing.backdrops import GREENS, WOODS, grass, soften
from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.colours import any_colour, darker, lighter, vary
from pipeline.sources.drawing.pen import Frame, Generator, Pen, oval, smooth


def paint_clutter(rng: Generator, canvas: Image.Image) -> None:
    """Paint one random thing in front of an RGB canvas, which is changed in place."""
    pick(rng, _CLUTTER)(rng, canvas)


def _blades(rng: Generator, canvas: Image.Image) -> None:
    """Grass along the lower edge."""
    top = canvas.height * between(rng, 0.86, 0.96)
    grass(rng, Pen(canvas), top, vary(rng, pick(rng, GREENS), 20), 160)


def _leaves(rng: Generator, canvas: Image.Image) -> None:
    """Blurred leaves that reach in from one corner."""
    width, height = canvas.size
    mask = Image.new("L", canvas.size, 0)
    leaf = smooth([(0, 0), (0.34, -0.5), (0.2, -1.0), (0, -1.3), (-0.2, -1.0), (-0.34, -0.5)], 5)
    corner = Frame.at(
        pick(rng, (0, width)), pick(rng, (0, height)), min(width, height) * between(rng, 0.18, 0.3)
    )
    for _ in range(int(rng.integers(3, 8))):
        frame = corner.moved(between(rng, -0.5, 0.5), between(rng, -0.5, 0.5)).turned(
            between(rng, 0, 360)
        )
        ImageDraw.Draw(mask).polygon(frame.place(leaf), fill=255)
    colour = vary(rng, pick(rng, GREENS), 30)
    canvas.paste(colour, (0, 0, width, height), soften(mask, int(rng.integers(3, 9))))


def _bars(rng: Generator, canvas: Image.Image) -> None:
    """Two to four thin upright bars, of a fence or a cage."""
    pen = Pen(canvas)
    width, height = canvas.size
    colour, thick = any_colour(rng), between(rng, 6.0, 16.0)
    frame = Frame.at(between(rng, 0, width * 0.3), height / 2, 1.0).turned(between(rng, -8, 8))
    step = width / int(rng.integers(2, 5))
    for bar in range(5):
        for inset, shade in (
            (0.0, darker(colour, 0.3)),
            (0.25, colour),
            (0.6, lighter(colour, 0.2)),
        ):
            left, right = bar * step + thick * inset / 2, bar * step + thick * (1 - inset / 2)
            corners = [(left, -height), (right, -height), (right, height), (left, height)]
            pen.fill(frame, corners, shade)


def _ledge(rng: Generator, canvas: Image.Image) -> None:
    """The edge of a table, a box or a bed along the lower edge."""
    width, height = canvas.size
    colour = vary(rng, pick(rng, WOODS), 20) if happens(rng, 0.5) else any_colour(rng)
    frame = Frame.at(width / 2, height * between(rng, 0.84, 0.94), 1.0).turned(between(rng, -5, 5))
    pen = Pen(canvas)
    pen.fill(frame, [(-width, 0), (width, 0), (width, height), (-width, height)], colour)
    pen.fill(frame, [(-width, 0), (width, 0), (width, 10), (-width, 10)], lighter(colour, 0.35))
    pen.fill(
        frame, [(-width, 10), (width, 10), (width, 16), (-width, 16)], darker(colour, 0.4), 150
    )


def _specks(rng: Generator, canvas: Image.Image) -> None:
    """Drifting specks: dust, snow or petals, out of focus."""
    pen = Pen(canvas)
    places = rng.random((int(rng.integers(8, 40)), 2)) * np.array(canvas.size)
    colour = lighter(any_colour(rng), 0.5)
    for x, y in places.tolist():
        pen.fill(
            Frame.at(x, y, between(rng, 3, 14)),
            oval(0, 0, 1, between(rng, 0.5, 1), 14),
            colour,
            130,
        )


_CLUTTER: tuple[Callable[[Generator, Image.Image], None], ...] = (
    _blades,
    _leaves,
    _bars,
    _ledge,
    _specks,
)
