"""What surrounds a subject: the place behind it, the clutter before it, and the camera."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from pipeline.sources.drawing.canvas import Canvas, copies, oval, rectangle, smooth
from pipeline.sources.drawing.sampling import Colour, Palette, Points, Sampler, darker, lighter, mix

Painter = Callable[[Sampler, Canvas], None]

GREENS: Palette = ((92, 140, 60), (70, 120, 62), (124, 156, 80), (104, 138, 96), (60, 100, 50))
_SKIES: Palette = ((112, 168, 226), (168, 204, 236), (240, 200, 160), (90, 110, 160))
_WOODS: Palette = ((150, 104, 66), (196, 154, 108), (98, 66, 46), (190, 180, 168))
_LEAF = smooth("0,-1 0.42,-0.2 0.25,0.6 0,1 -0.25,0.6 -0.42,-0.2", 3)
_DISC = oval(0, 0, 1, 1)

# Tiles of wallpaper: outline, height of a row, how far every other row is shifted.
_STRIPE = (rectangle(-0.25, -0.5, 0.25, 0.5), 1.0, 0.0)
_CHECK = (rectangle(-0.25, -0.25, 0.25, 0.25), 0.5, 0.5)
_BRICK = (rectangle(-0.46, -0.21, 0.46, 0.21), 0.5, 0.5)
_DOT = (oval(0, 0, 0.2, 0.2, 12), 1.0, 0.5)

_SIDES = (240, 320)  # of an image, the shortest and the longest, in pixels
_SUPERSAMPLING = 2  # canvas pixels to an image's pixel, each way
_CHROMA_HALVED = 2  # Pillow's name for 4:2:0


def photograph(rng: Sampler, paint_subject: Painter, outdoors: float) -> bytes:
    """Return the JPEG, 240..320 pixels wide and as many high, of a subject in a random place.

    The subject is painted on a canvas that shows the place, which is under the sky with the
    probability `outdoors`.
    """
    place = _paint_place(rng, outdoors)
    canvas = Canvas(place, rng.between(20.0, 160.0), rng.between(0.25, 0.7))
    paint_subject(rng, canvas)
    if rng.happens(0.5):
        rng.pick((_grass, _bars, _ledge, _specks))(rng, canvas)
    return _develop(rng, canvas)


def _paint_place(rng: Sampler, outdoors: float) -> Image.Image:
    """Return an RGB image of a random place, out of focus and `_SUPERSAMPLING` times too large."""
    size = (rng.whole(*_SIDES), rng.whole(*_SIDES))
    canvas = Canvas(Image.new("RGB", size))
    under_the_sky, under_a_roof = (_meadow, _meadow, _sky, _foliage), (_wall, _wall, _room, _room)
    rng.pick((*(under_the_sky if rng.happens(outdoors) else under_a_roof), _bokeh))(rng, canvas)
    image = canvas.image.reduce(rng.pick((2, 2, 3)))
    image = image.filter(ImageFilter.GaussianBlur(rng.pick((0.5, 1, 2, 4))))
    large = (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING)
    return image.resize(size, Image.Resampling.BILINEAR).resize(large, Image.Resampling.NEAREST)


def _wash(canvas: Canvas, corners: Sequence[Colour]) -> None:
    """Cover a canvas with colours that run evenly between its four corners, row by row."""
    seed = Image.fromarray(np.array(corners, dtype=np.uint8).reshape(2, 2, 3))
    canvas.image.paste(seed.resize(canvas.image.size, Image.Resampling.BILINEAR))


def _scatter(
    rng: Sampler, canvas: Canvas, outline: Points, shades: Sequence[Colour], size: float, alpha: int
) -> None:
    """Paint copies of an outline all over a canvas, one in each of the shades."""
    count = len(shades)
    sizes = np.full(2, size) * rng.uniform(0.4, 1.3, (count, 1))
    places = rng.places(count)[:, None, :] * 0.7
    shapes = copies(outline, rng.uniform(0, 360, count), sizes, places)
    canvas.fill_each(canvas.frame(0.5, 0.5, 1.0), shapes, shades, alpha)


def _sky(rng: Sampler, canvas: Canvas) -> None:
    """Paint sky, paler towards the horizon, with clouds."""
    top = rng.near(rng.pick(_SKIES), 16)
    low, cloud = lighter(top, rng.between(0.2, 0.6)), mix(top, (255, 250, 245), 0.7)
    _wash(canvas, [top, top, low, low])
    for _ in range(rng.whole(0, 4)):
        frame = canvas.frame(rng.between(0, 1), rng.between(0, 1), rng.between(0.1, 0.2))
        for u, v in rng.places(5).tolist():
            canvas.fill(frame, oval(u * 1.5, v * 0.4, 1.2, 0.5), cloud, 90)


def _meadow(rng: Sampler, canvas: Canvas) -> None:
    """Paint grass up to a horizon, hills and sky behind it."""
    _sky(rng, canvas)
    horizon = rng.between(-0.1, 0.6)
    for top in (horizon, horizon + 0.05, horizon + 0.1):
        ridge = [(x, top + rng.between(-0.06, 0.06)) for x in (-0.1, 0.3, 0.6, 1.1)]
        hill = [*smooth(ridge, closed=False).tolist(), (1.1, 1.1), (-0.1, 1.1)]
        canvas.fill(canvas.page, hill, rng.near(rng.pick(GREENS), 18))
    _grass(rng, canvas, horizon + 0.1)


def _grass(rng: Sampler, canvas: Canvas, top: float = 0.9) -> None:
    """Paint blades from a height (share of the canvas) to the lower edge, nearer ones longer."""
    green, depth = rng.near(rng.pick(GREENS), 20), np.sort(rng.random(120))
    roots = np.stack([rng.random(120), top + depth * (1.05 - top)], axis=1)
    tips = roots + rng.places(120) * (0.04, 0.0) - (0.02 + depth * 0.1)[:, None] * (0.0, 1.0)
    for part, shade in enumerate((darker(green, 0.3), darker(green, 0.1), lighter(green, 0.2))):
        canvas.hairs(canvas.page, roots[part::3], tips[part::3], shade)


def _foliage(rng: Sampler, canvas: Canvas) -> None:
    """Paint leaves upon leaves."""
    green = rng.near(rng.pick(GREENS), 20)
    _wash(canvas, [darker(green, rng.between(0.3, 0.6))] * 4)
    shades = [darker(lighter(green, 0.3), rng.between(0.0, 0.7)) for _ in range(80)]
    _scatter(rng, canvas, _LEAF, shades, 0.08, 255)


def _bokeh(rng: Sampler, canvas: Canvas) -> None:
    """Paint discs of light far out of focus."""
    base = rng.colour(30, 190)
    _wash(canvas, rng.variants([base], 4, 40))
    shades = rng.variants([lighter(base, rng.between(0.1, 0.6))], rng.whole(8, 24), 40)
    _scatter(rng, canvas, _DISC, shades, 0.1, rng.whole(40, 110))


def _wall(rng: Sampler, canvas: Canvas) -> None:
    """Paint wallpaper or cloth: plain, striped, chequered, of bricks or dotted."""
    corners = rng.variants([rng.colour(50, 230)], 4, 20)
    _wash(canvas, [darker(corner, rng.between(0.0, 0.4)) for corner in corners])
    tile, row_height, shift = rng.pick((_STRIPE, _CHECK, _BRICK, _DOT))
    columns, rows = np.meshgrid(np.arange(-7.0, 8.0), np.arange(-7.0, 8.0))
    centres = np.stack([columns + shift * (rows % 2), rows * row_height], axis=-1)
    frame = canvas.frame(0.5, 0.5, rng.between(0.09, 0.2)).turned(rng.between(-40, 40))
    canvas.fill_each(frame, centres[..., None, :] + tile, [rng.colour()] * 225, rng.whole(0, 140))


def _room(rng: Sampler, canvas: Canvas) -> None:
    """Paint a wall with windows or paintings on it, a skirting board and a floor."""
    _wall(rng, canvas)
    for _ in range(rng.whole(0, 2)):
        left, top = rng.between(-0.1, 0.7), rng.between(-0.2, 0.3)
        right, bottom = left + rng.between(0.2, 0.4), top + rng.between(0.2, 0.4)
        for gap in (0.0, 0.02):
            outline = rectangle(left + gap, top + gap, right - gap, bottom - gap)
            canvas.fill(canvas.page, outline, rng.colour(60, 245))
    floor, ground = rng.between(0.5, 0.9), rng.near(rng.pick((*_WOODS, rng.colour())), 14)
    canvas.fill(canvas.page, rectangle(0, floor - 0.03, 1, floor), lighter(ground, 0.5))
    canvas.fill(canvas.page, rectangle(0, floor, 1, 1), ground)
    for line in range(1, rng.whole(2, 7)):
        y = floor + (1.0 - floor) * line * line / 49
        canvas.fill(canvas.page, rectangle(0, y, 1, y + 0.006), darker(ground, 0.35))


def _bars(rng: Sampler, canvas: Canvas) -> None:
    """Paint thin upright bars, of a fence or a cage."""
    colour, step, thick = rng.colour(), rng.between(0.25, 0.5), rng.between(0.01, 0.03)
    frame = canvas.frame(rng.between(0.0, 0.3), 0.5, 1.0).turned(rng.between(-8, 8))
    for left in (0.0, step, 2 * step, 3 * step):
        canvas.fill(frame, rectangle(left, -1, left + thick, 1), darker(colour, 0.3))
        canvas.fill(frame, rectangle(left, -1, left + thick * 0.5, 1), colour)


def _ledge(rng: Sampler, canvas: Canvas) -> None:
    """Paint the edge of a table, a box or a bed along the lower edge."""
    colour = rng.near(rng.pick((*_WOODS, rng.colour())), 14)
    frame = canvas.frame(0.5, rng.between(0.84, 0.94), 1.0).turned(rng.between(-5, 5))
    canvas.fill(frame, rectangle(-1, 0, 1, 1), colour)
    canvas.fill(frame, rectangle(-1, 0, 1, 0.02), lighter(colour, 0.35))


def _specks(rng: Sampler, canvas: Canvas) -> None:
    """Paint drifting specks: dust, snow or petals."""
    _scatter(rng, canvas, _DISC, [lighter(rng.colour(), 0.5)] * rng.whole(8, 40), 0.012, 150)


def _develop(rng: Sampler, canvas: Canvas) -> bytes:
    """Return the JPEG bytes of a canvas in its light, as an imperfect camera takes it."""
    image = canvas.image.reduce(_SUPERSAMPLING)
    falloff = Image.fromarray(rng.integers(130, 256, (2, 2), np.uint8))
    falloff = falloff.resize(canvas.light.size, Image.Resampling.BICUBIC)
    light = ImageChops.multiply(canvas.light, falloff).resize(image.size, Image.Resampling.BILINEAR)
    image = ImageChops.multiply(image, Image.merge("RGB", [light] * 3))
    if rng.happens(0.3):
        image = image.filter(ImageFilter.BoxBlur(rng.between(0.5, 1.5)))
    contrast, grey, strength = rng.whole(58, 80), 128 + rng.whole(-10, 45), rng.whole(1, 12)
    balance = rng.integers(-24, 25, 3, np.int16) + np.int16(grey)
    pixels = np.asarray(image).astype(np.int16)
    grain = rng.integers(-strength, strength + 1, pixels.shape, np.int16)
    pixels = ((pixels - np.int16(128)) * np.int16(contrast) >> 6) + balance + grain
    buffer = io.BytesIO()
    image = Image.fromarray(np.minimum(np.maximum(pixels, 0), 255).astype(np.uint8))
    image.save(buffer, "JPEG", quality=88, subsampling=_CHROMA_HALVED)
    return buffer.getvalue()
