"""The places where things are seen: meadow, sky, foliage, bokeh, wall, room, cloth, studio."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.colours import (
    Colour,
    any_colour,
    darker,
    lighter,
    mix,
    vary,
)
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    bend,
    oval,
    ruffle,
    smooth,
)

Size = tuple[int, int]

SKIES: tuple[Colour, ...] = (
    (112, 168, 226),
    (168, 204, 236),
    (206, 214, 222),
    (240, 200, 160),
    (90, 110, 160),
)
GREENS: tuple[Colour, ...] = (
    (84, 130, 52),
    (58, 102, 48),
    (126, 156, 70),
    (92, 120, 84),
    (150, 150, 80),
)
WOODS: tuple[Colour, ...] = ((150, 104, 66), (196, 154, 108), (98, 66, 46), (190, 180, 168))


def paint_backdrop(rng: Generator, size: Size, outdoors: float) -> Image.Image:
    """Return a new RGB canvas `(width, height)` showing a random place.

    Args:
        rng: Decides everything.
        size: Canvas pixels, (width, height).
        outdoors: The probability, 0..1, of a place under the sky.
    """
    place = pick(rng, OUTDOORS if happens(rng, outdoors) else INDOORS)
    canvas = place(rng, size)
    if happens(rng, 0.5):
        canvas = soften(canvas, int(rng.integers(3, 9)))
    return canvas


def soften(canvas: Image.Image, radius: int) -> Image.Image:
    """Return the canvas out of focus by about `radius` of its pixels."""
    small = canvas.reduce(4).filter(ImageFilter.GaussianBlur(max(1, radius // 2)))
    return small.resize(canvas.size, Image.Resampling.BILINEAR)


def gradient(size: Size, corners: tuple[Colour, Colour, Colour, Colour]) -> Image.Image:
    """Return an RGB canvas that runs evenly between the colours of its corners (row by row)."""
    seed = Image.new("RGB", (2, 2))
    for place, colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), corners, strict=True):
        seed.putpixel(place, colour)
    return seed.resize(size, Image.Resampling.BILINEAR)


def _vertical(size: Size, top: Colour, bottom: Colour) -> Image.Image:
    """Return a canvas that runs from one colour down to another."""
    return gradient(size, (top, top, bottom, bottom))


def _sky(rng: Generator, size: Size) -> Image.Image:
    """Sky with clouds."""
    width, height = size
    top = vary(rng, pick(rng, SKIES), 16)
    canvas = _vertical(size, top, lighter(top, between(rng, 0.1, 0.6)))
    pen = Pen(canvas)
    cloud = mix(top, (255, 250, 245), between(rng, 0.4, 0.9))
    for _ in range(int(rng.integers(0, 5))):
        x, y = between(rng, 0, width), between(rng, 0, height)
        for _ in range(int(rng.integers(4, 9))):
            puff = oval(
                between(rng, -1.0, 1.0), between(rng, -0.2, 0.2), 0.5, between(rng, 0.15, 0.4)
            )
            pen.fill(Frame.at(x, y, between(rng, 60.0, 120.0)), puff, cloud, 90)
    return soften(canvas, 10)


def _meadow(rng: Generator, size: Size) -> Image.Image:
    """Grass up to a horizon, hills and sky behind it."""
    width, height = size
    canvas = _sky(rng, size)
    horizon = height * between(rng, -0.1, 0.6)
    pen = Pen(canvas)
    frame = Frame.at(0.0, 0.0, 1.0)
    for step in range(3):
        ridge = [
            (width * share, horizon + between(rng, -30, 30) + step * 24)
            for share in (-0.1, 0.3, 0.6, 1.1)
        ]
        hill = np.concatenate(
            [bend(ridge), [(width * 1.2, height * 1.1), (-width * 0.2, height * 1.1)]]
        )
        pen.fill(frame, hill, vary(rng, pick(rng, GREENS), 18))
    grass(rng, pen, horizon + 40, vary(rng, pick(rng, GREENS), 20), 200)
    return canvas


def grass(rng: Generator, pen: Pen, top: float, colour: Colour, blades: int) -> None:
    """Draw blades of grass between a height `top` (canvas pixels) and the lower edge, nearer ones longer."""
    width, height = pen.size
    depth = np.sort(rng.random(blades))
    roots = np.stack([rng.random(blades) * width, top + depth * (height - top) + 20], axis=1)
    reach = (14 + depth * 44)[:, None]
    tips = (
        roots
        + np.concatenate([(rng.random((blades, 1)) - 0.5) * 0.9, -np.ones((blades, 1))], axis=1)
        * reach
    )
    for part in range(4):
        shade = vary(rng, mix(darker(colour, 0.3), lighter(colour, 0.25), part / 3), 8)
        pen.hairs(Frame.at(0.0, 0.0, 1.0), roots[part::4], tips[part::4], shade, 220)


def _foliage(rng: Generator, size: Size) -> Image.Image:
    """Leaves upon leaves, the darker ones behind."""
    width, height = size
    base = vary(rng, pick(rng, GREENS), 20)
    canvas = _vertical(
        size, darker(base, between(rng, 0.2, 0.7)), darker(base, between(rng, 0.2, 0.7))
    )
    pen = Pen(canvas)
    leaf = smooth([(0, -1), (0.42, -0.2), (0.25, 0.6), (0, 1), (-0.25, 0.6), (-0.42, -0.2)], 4)
    for step in range(90):
        frame = Frame.at(between(rng, 0, width), between(rng, 0, height), between(rng, 16, 52))
        shade = mix(darker(base, 0.55), lighter(base, 0.3), between(rng, 0, step / 90))
        pen.fill(frame.turned(between(rng, 0, 360)), leaf, vary(rng, shade, 8))
    return soften(canvas, int(rng.integers(4, 14))) if happens(rng, 0.7) else canvas


def _bokeh(rng: Generator, size: Size) -> Image.Image:
    """Discs of light far out of focus."""
    width, height = size
    base = any_colour(rng, 30, 190)
    near = [vary(rng, base, 40) for _ in range(4)]
    canvas = gradient(size, (near[0], near[1], near[2], near[3]))
    pen = Pen(canvas)
    glow = lighter(vary(rng, base, 60), between(rng, 0.1, 0.6))
    for _ in range(int(rng.integers(8, 26))):
        frame = Frame.at(between(rng, 0, width), between(rng, 0, height), between(rng, 18, 80))
        pen.fill(frame, oval(0, 0, 1), vary(rng, glow, 24), int(rng.integers(30, 110)))
    return soften(canvas, int(rng.integers(3, 8)))


def _wall(rng: Generator, size: Size) -> Image.Image:
    """A wall: plain, striped, dotted, chequered or of bricks."""
    base = any_colour(rng, 60, 230)
    canvas = gradient(size, (base, vary(rng, base, 20), vary(rng, base, 20), darker(base, 0.3)))
    pattern = pick(rng, ("plain", "stripes", "dots", "checks", "bricks"))
    if pattern != "plain":
        _paper(rng, canvas, pattern, vary(rng, mix(base, any_colour(rng), 0.35), 10))
    return canvas


def _paper(rng: Generator, canvas: Image.Image, pattern: str, colour: Colour) -> None:
    """Cover a canvas with one of the patterns of a wall or a cloth, somewhat turned."""
    pen = Pen(canvas)
    width, height = canvas.size
    step = between(rng, 34, 80)
    frame = Frame.at(width / 2, height / 2, step).turned(
        0 if pattern == "bricks" else between(rng, -45, 45)
    )
    count = int(max(width, height) / step * 0.75) + 1
    bar = np.array([(-0.25, -count), (0.25, -count), (0.25, count), (-0.25, count)])
    alpha = int(rng.integers(90, 220))
    for row in range(-count, count + 1):
        if pattern in ("stripes", "checks"):
            pen.fill(frame.moved(row, 0), bar, colour, alpha)
        if pattern == "checks":
            pen.fill(frame.moved(0, row).turned(90), bar, colour, alpha)
        if pattern in ("dots", "bricks"):
            for column in range(-count, count + 1):
                _tile(
                    pen,
                    frame.moved(column + row % 2 / 2, row * 0.5 if pattern == "bricks" else row),
                    pattern,
                    colour,
                )


def _tile(pen: Pen, frame: Frame, pattern: str, colour: Colour) -> None:
    """Draw one dot or one brick."""
    if pattern == "dots":
        pen.fill(frame, oval(0, 0, 0.2, corners=14), colour)
    else:
        pen.fill(frame, [(-0.46, -0.21), (0.46, -0.21), (0.46, 0.21), (-0.46, 0.21)], colour)


def _room(rng: Generator, size: Size) -> Image.Image:
    """A wall with a window or a picture on it, a skirting board and a floor."""
    width, height = size
    canvas = _wall(rng, size)
    pen = Pen(canvas)
    frame = Frame.at(0.0, 0.0, 1.0)
    for _ in range(int(rng.integers(0, 3))):
        left, top = between(rng, -40, width * 0.7), between(rng, -60, height * 0.3)
        across, down = between(rng, 100, 220), between(rng, 100, 240)
        _framed(rng, pen, frame, (left, top, left + across, top + down))
    floor = height * between(rng, 0.5, 0.9)
    ground = vary(rng, pick(rng, WOODS) if happens(rng, 0.6) else any_colour(rng), 14)
    pen.fill(frame, _box(0, floor, width, height), ground)
    pen.fill(frame, _box(0, floor - 18, width, floor), lighter(ground, 0.5))
    for line in range(1, int(rng.integers(2, 8))):
        y = floor + (height - floor) * line * line / 49
        pen.fill(frame, _box(0, y, width, y + 3), darker(ground, 0.35), 160)
    return canvas


def _framed(rng: Generator, pen: Pen, frame: Frame, box: tuple[float, float, float, float]) -> None:
    """Draw a window or a picture: a border, and something flat and bright or dull inside."""
    left, top, right, bottom = box
    inner = (left + 12, top + 12, right - 12, bottom - 12)
    pen.fill(frame, _box(*box), any_colour(rng, 60, 245))
    pen.fill(frame, _box(*inner), any_colour(rng, 90, 250))
    middle = (inner[0] + inner[2]) / 2
    if happens(rng, 0.6):
        pen.fill(frame, _box(middle - 5, top, middle + 5, bottom), any_colour(rng, 60, 245))
    else:
        shape = ruffle(rng, oval(middle, (top + bottom) / 2, (right - left) / 4, corners=9), 40)
        pen.fill(frame, smooth(shape), any_colour(rng))


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Return the corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _cloth(rng: Generator, size: Size) -> Image.Image:
    """A blanket with a pattern and folds."""
    width, height = size
    base = any_colour(rng, 50, 225)
    canvas = gradient(size, (base, vary(rng, base, 20), darker(base, 0.25), vary(rng, base, 20)))
    _paper(rng, canvas, pick(rng, ("stripes", "dots", "checks")), mix(base, any_colour(rng), 0.5))
    pen = Pen(canvas)
    for _ in range(int(rng.integers(2, 7))):
        path = [
            (between(rng, -0.2, 1.2) * width, between(rng, -0.2, 1.2) * height) for _ in range(3)
        ]
        pen.stroke(Frame.at(0.0, 0.0, 1.0), path, darker(base, 0.6), (between(rng, 10, 60), 4), 60)
    return canvas


def _studio(rng: Generator, size: Size) -> Image.Image:
    """A plain backdrop with a pool of light."""
    width, height = size
    base = any_colour(rng, 40, 225)
    canvas = gradient(size, (darker(base, 0.4), base, vary(rng, base, 25), darker(base, 0.5)))
    pen = Pen(canvas)
    frame = Frame.at(
        between(rng, 0.2, 0.8) * width, between(rng, 0.2, 0.8) * height, max(size) * 0.5
    )
    for ring in range(8):
        pen.fill(frame.scaled(1.0 - ring / 8), oval(0, 0, 1), lighter(base, 0.5), 20)
    return soften(canvas, 12)


OUTDOORS: tuple[Callable[[Generator, Size], Image.Image], ...] = (
    _meadow,
    _meadow,
    _sky,
    _foliage,
    _bokeh,
)
INDOORS: tuple[Callable[[Generator, Size], Image.Image], ...] = (
    _wall,
    _room,
    _room,
    _cloth,
    _studio,
    _bokeh,
)
