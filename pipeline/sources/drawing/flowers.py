"""The five flowers: how their heads are built of petals, and the leaves they grow among."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.sources.drawing.canvas import Canvas, Frame, copies, headings, mirrored, oval, smooth
from pipeline.sources.drawing.sampling import Colour, Palette, Points, Sampler, darker, lighter, mix
from pipeline.sources.drawing.scenery import GREENS, photograph

Disc = tuple[float, Colour]  # the heart of a flower: its radius and its colour

_WHITES: Palette = ((250, 248, 242), (244, 240, 226), (236, 234, 230))
_YELLOWS: Palette = ((250, 206, 36), (248, 186, 24), (252, 226, 92), (240, 168, 30))
_PINKS: Palette = ((240, 150, 178), (226, 92, 138), (248, 196, 204))
_REDS: Palette = ((204, 34, 44), (164, 22, 40), (222, 70, 52))
_ORANGES: Palette = ((240, 128, 44), (246, 160, 96))
_PURPLES: Palette = ((140, 80, 160), (190, 150, 210), (92, 40, 84))
_ANY = (*_WHITES, *_YELLOWS, *_PINKS, *_REDS, *_ORANGES, *_PURPLES)
_GOLD, _BROWN, _SEPAL = (242, 182, 32), (124, 84, 48), (92, 136, 62)

# Petals and leaves have their foot at the origin and their tip at about (0, -1).
_ROUND = mirrored("0,0 0.2,-0.1 0.46,-0.5 0.5,-0.78 0.31,-0.97 0,-1", 3)
_POINTED = mirrored("0,0 0.25,-0.08 0.5,-0.42 0.4,-0.72 0.1,-0.95 0,-1.04", 3)
_RAY = mirrored("0,0 0.4,-0.5 0.5,-0.95 0,-1", 1)
_LOBE = mirrored("0,0.3 0.5,0.1 0.72,-0.35 0.62,-0.8 0.25,-1 0,-0.98", 4)
_SPOON = mirrored("0,0 0.05,-0.3 0.1,-0.5 0.2,-0.78 0.12,-0.96 0,-1", 3)
_TOOTHED = mirrored("0,0 0.08,-0.12 0.2,-0.1 0.15,-0.3 0.3,-0.32 0.18,-0.58 0.36,-0.6 0,-1", 2)
_LANCE = mirrored("0,0 0.1,-0.15 0.14,-0.45 0.07,-0.8 0,-1", 3)
_OVAL = mirrored("0,0 0.22,-0.14 0.31,-0.4 0.2,-0.75 0,-1", 3)
_HEART = mirrored("0,0 0.3,0.1 0.5,-0.18 0.36,-0.6 0,-1", 3)
_FAN = (-80.0, -50.0, -24.0, 22.0, 48.0, 78.0)  # degrees

# The petals of a cup seen from the side, whose middle is the origin.
_BEHIND = smooth("0,0.6 0.5,0.2 0.54,-0.5 0.34,-0.98 0,-0.3")
_WING = smooth("0,0.9 0.5,0.72 0.74,0.15 0.74,-0.4 0.66,-1 0.3,-0.5 0.04,0.1")
_FRONT = mirrored("0,0.92 0.4,0.7 0.5,0.1 0.3,-0.45 0,-0.85")
_WRAP = smooth("0,0.95 0.62,0.7 0.92,0.05 0.98,-0.5 0.55,-0.38 0,-0.08 -0.42,0.2 -0.42,0.66")
_FLIP = (-1.0, 1.0)
_GOLDEN_ANGLE = 137.5  # degrees from one seed to the next


class Bloom(NamedTuple):
    """One form in which a flower is seen, and what it grows on; lengths are in radii of it.

    Attributes:
        paint: Paints it in a frame whose origin is its heart, given the colour of its petals.
        colours: Those it grows in; one that stands twice is twice as frequent.
        leaf: The outline of a leaf.
        turns: How far each leaf leans from the stem, in degrees.
        shares: Where the first and the last leaf grow, in shares of the stem from the bloom down.
        leaf_size: How long a leaf is.
        is_upright: Whether it is seen from the side, so that it must stay above its stem.
    """

    paint: Callable[[Sampler, Canvas, Frame, Colour], None]
    colours: Palette
    leaf: Points
    turns: tuple[float, ...]
    shares: tuple[float, float]
    leaf_size: float
    is_upright: bool = False


def draw_flower(rng: Sampler, label: str) -> bytes:
    """Return the JPEG of an image of one kind of flower, named as in `BLOOMS`."""
    return photograph(rng, partial(_paint_bed, bloom=rng.pick(BLOOMS[label])), outdoors=0.7)


def _paint_bed(rng: Sampler, canvas: Canvas, bloom: Bloom) -> None:
    """Paint one to seven blooms, the farther (higher) ones first."""
    count = rng.pick((1, 1, 1, 2, 3, 4, 5, 7))
    reach = rng.between(0.22, 0.42) / min(1.0 + 0.25 * (count - 1), 2.6)
    lowest, has_stems = 0.7 if bloom.is_upright else 0.64, bloom.is_upright or rng.happens(0.7)
    green, colour, is_mixed = rng.pick(GREENS), rng.pick(bloom.colours), rng.happens(0.3)
    heights = np.sort(rng.uniform(0.24, lowest, count)).tolist()
    for column, y in zip(rng.permutation(count).tolist(), heights, strict=True):
        x = (column + rng.between(0.1, 0.9)) / count
        upright = canvas.frame(x, y, reach * rng.between(0.8, 1.15))
        if has_stems:
            _paint_plant(rng, canvas, upright, bloom, green)
        head = upright.turned(rng.between(-25, 25))
        if not bloom.is_upright:
            head = head.scaled(1.0, rng.between(0.55, 1.0)).turned(rng.between(0, 360))
        canvas.shadow(head, oval(0, 0, 0.85, 0.85), 0.3)
        colour = rng.pick(bloom.colours) if is_mixed else colour
        bloom.paint(rng, canvas, head, rng.near(colour, 12))


def _paint_plant(rng: Sampler, canvas: Canvas, frame: Frame, bloom: Bloom, green: Colour) -> None:
    """Paint the stem from a bloom down past the lower edge, and the leaves."""
    lean, length = rng.between(-0.9, 0.9), rng.between(3.2, 5.0)
    path = [(0, 0), (0.15 * lean, 0.3 * length), (0.5 * lean, 0.65 * length), (lean, length)]
    canvas.stroke(frame, path, darker(green, 0.35), (0.12, 0.15))
    canvas.stroke(frame, path, green, (0.06, 0.09))
    count, stem = len(bloom.turns), smooth(path, 8, closed=False)
    shares = bloom.shares[0] + (bloom.shares[1] - bloom.shares[0]) * np.arange(count) / (count - 1)
    feet = stem[(shares * len(stem)).astype(int)][:, None, :]
    turns = np.array(bloom.turns) + rng.uniform(-12, 12, count)
    sizes = np.full(2, bloom.leaf_size) * rng.uniform(0.8, 1.2, (count, 1))
    halves = (bloom.leaf, np.minimum(bloom.leaf, (0.0, 1.0)))  # all of it, then its lit half
    leaves = np.stack([copies(half, turns, sizes, feet) for half in halves], axis=1)
    shades = rng.variants([darker(green, 0.2), lighter(green, 0.1)], count, 7)
    canvas.fill_each(frame, leaves, shades)


def _paint_ring(
    rng: Sampler, canvas: Canvas, frame: Frame, petal: Points, count: int, shades: Sequence[Colour]
) -> Points:
    """Paint petals all round a heart, shaded from the edge to the base; return their outlines."""
    turns = rng.permutation(count) * (360 / count) + rng.uniform(-5, 5, count) + rng.between(0, 99)
    sizes = rng.uniform(0.86, 1.08, (count, 2))
    layers = (petal, petal * (0.86, 0.95), petal * (0.6, 0.52))[: len(shades)]
    petals = [copies(layer, turns, sizes) for layer in layers]
    canvas.fill_each(frame, np.stack(petals, axis=1), rng.variants(shades, count, 6))
    return petals[0]


def _paint_rays(
    rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour, petal: Points, disc: Disc
) -> None:
    """Paint two ranks of petals, each wider the fewer they are, round a disc of seeds."""
    count, heart, size = rng.whole(14, 26), disc[1], disc[0] * rng.between(0.8, 1.25)
    for shade in (darker(colour, 0.15), colour):
        shades = [darker(shade, 0.3), shade, darker(shade, rng.between(0.05, 0.25))]
        ring = _paint_ring(rng, canvas, frame, petal / (count, 1.0), count, shades)
    canvas.shade(frame, ring)
    canvas.fill(frame, oval(0, 0, size, size), darker(heart, 0.4))
    canvas.shade(frame, oval(0, 0, size, size))
    seeds, middle = min(150, 20 + round(frame.scale * size * 2)), rng.near(heart, 40)
    radii = np.sqrt(np.arange(seeds) / seeds)
    places = headings(np.arange(seeds) * _GOLDEN_ANGLE) * (radii * size * 0.94)[:, None]
    shades = [darker(mix(middle, heart, share), rng.between(-0.2, 0.4)) for share in radii.tolist()]
    grain = oval(0, 0, size, size, 6) / math.sqrt(seeds)
    canvas.fill_each(frame, places[:, None, :] + grain, shades)


def _paint_dandelion(rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint a dense cushion of narrow rays."""
    detail = min(1.0, 0.5 + frame.scale / 160)
    for ring, reach in enumerate((1.0, 0.88, 0.74, 0.6, 0.44, 0.28)):
        for dark in (0.32, 0.0):
            shade = darker(mix(colour, _GOLD, ring / 8), dark)
            ray, count = _RAY * (0.11, reach), int((24 - ring * 2) * detail)
            _paint_ring(rng, canvas, frame, ray, count, [shade])
    canvas.shade(frame, oval(0, 0, 0.95, 0.95))


def _paint_seed_head(rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint a dandelion's globe of parachutes round a dark heart."""
    for size in (1.0, 0.88, 0.76, 0.64):
        canvas.fill(frame, oval(0, 0, size, size), lighter(colour, 0.3), 30)
    canvas.fill(frame, oval(0, 0, 0.13, 0.13), _BROWN)
    seeds = min(90, 24 + round(frame.scale * 0.7))
    ways = headings(np.arange(seeds) * _GOLDEN_ANGLE)
    crowns = ways * np.sqrt((np.arange(seeds) + 4.0) / (seeds + 4.0))[:, None] * 0.9
    canvas.hairs(frame, ways * 0.12, crowns, darker(colour, 0.25), 100)
    for spoke in range(7):
        hairs = (headings(spoke * 360 / 7) + ways * 0.5) * rng.uniform(0.12, 0.17, (seeds, 1))
        canvas.hairs(frame, crowns, crowns + hairs, colour, 200)


def _paint_rose(rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint a rose from above: lobes that wrap round each other, darker towards the heart."""
    for ring, (count, reach) in enumerate(((6, 1.0), (5, 0.84), (5, 0.66), (4, 0.5), (3, 0.38))):
        tone = darker(colour, ring * 0.05)
        lobe = (_LOBE + rng.places(len(_LOBE)) * 0.03) * reach
        shades = [lighter(tone, 0.28), tone, darker(tone, 0.25)]
        petals = _paint_ring(rng, canvas, frame, lobe, count, shades)
        if ring == 0:
            canvas.shade(frame, petals)
    _paint_spiral(canvas, frame.turned(rng.between(0, 360)).scaled(0.3, 0.3), colour)


def _paint_spiral(canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint the furled petals in the middle of a rose, of radius 1: a bud, a spiral of lit rims."""
    canvas.fill(frame, oval(0, 0, 1, 1), darker(colour, 0.3))
    path = headings(np.arange(16) * 47.0) * (1.0 - np.arange(16) / 17)[:, None]
    canvas.stroke(frame, path, darker(colour, 0.5), (0.26, 0.12))
    canvas.stroke(frame.scaled(0.94, 0.94), path, lighter(colour, 0.25), (0.15, 0.05))


def _paint_cup(canvas: Canvas, frame: Frame, petals: Sequence[Points], colour: Colour) -> None:
    """Paint petals seen from the side, the far ones first and darker, each with a bright rim."""
    for number, outline in enumerate(petals):
        tone = darker(colour, 0.25 * (1 - number / len(petals)))
        middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
        foot = outline[outline[:, 1].argmax()]
        canvas.fill(frame, outline, darker(tone, 0.45))
        canvas.fill(frame, middle + (outline - middle) * 0.96, lighter(tone, 0.3))
        canvas.fill(frame, middle + (outline - middle) * 0.89, tone)
        for reach in (0.8, 0.5):
            glow = foot + (outline - foot) * (reach * 0.8, reach)
            canvas.fill(frame, glow, darker(tone, 0.3), 80)


def _paint_tulip(rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint a tulip from the side: two tips behind, two petals at the sides, one in front."""
    behind, wing, front = (
        outline * (1.0 - outline[:, 1:] * (rng.between(-0.1, 0.25), 0.0))
        for outline in (_BEHIND, _WING, _FRONT)
    )
    slim = frame.scaled(rng.between(0.78, 0.95), 1.0)
    _paint_cup(canvas, slim, [behind, behind * _FLIP, wing, wing * _FLIP, front], colour)
    canvas.shade(slim, np.stack([wing, wing * _FLIP]))


def _paint_rose_cup(rng: Sampler, canvas: Canvas, frame: Frame, colour: Colour) -> None:
    """Paint a half-open rose from the side: lobes and heart, two lobes round them, sepals."""
    for turn in (-38, 38, -12, 14):
        lobe = frame.moved(0, 0.25).turned(turn + rng.between(-6, 6)).scaled(0.72, 1.15)
        _paint_cup(canvas, lobe, [_LOBE], colour)
    _paint_spiral(canvas, frame.moved(0, -0.42).scaled(0.5, 0.34), colour)
    wraps = [_WRAP, _WRAP * _FLIP]
    _paint_cup(canvas, frame, wraps if rng.happens(0.5) else wraps[::-1], colour)
    canvas.shade(frame, np.stack(wraps))
    turns, sizes = np.arange(-100.0, 101.0, 50.0), np.full((5, 2), (0.2, 0.42))
    sepals = copies(_POINTED, turns, sizes, np.array((0.0, 0.97)))
    canvas.fill_each(frame, sepals, rng.variants([_SEPAL], 5, 12))


_DAISY = partial(_paint_rays, petal=_ROUND * (4.6, 1.0), disc=(0.3, _GOLD))
_SUNFLOWER = partial(_paint_rays, petal=_POINTED * (6.5, 1.0), disc=(0.4, _BROWN))
_DAISY_DYES = (*_WHITES * 2, *_PINKS, *_YELLOWS, *_REDS, *_PURPLES, *_ORANGES)
_SUNFLOWER_DYES = (*_YELLOWS, *_ORANGES * 2, *_REDS)
_TWIGS, _STALKS = (60.0, -60.0, 40.0, -70.0, 70.0), (-65.0, 65.0, -75.0)  # degrees

BLOOMS: Mapping[str, Sequence[Bloom]] = {
    "daisy": [Bloom(_DAISY, _DAISY_DYES, _SPOON, _FAN, (0.8, 0.8), 1.3)],
    "dandelion": [
        *[Bloom(_paint_dandelion, _YELLOWS, _TOOTHED, _FAN, (0.75, 0.75), 2.0)] * 2,
        Bloom(_paint_seed_head, _WHITES, _TOOTHED, _FAN, (0.75, 0.75), 2.0),
    ],
    "rose": [
        Bloom(_paint_rose, _ANY, _OVAL, _TWIGS, (0.3, 0.7), 1.0),
        Bloom(_paint_rose_cup, _ANY, _OVAL, _TWIGS, (0.3, 0.7), 1.0, is_upright=True),
    ],
    "sunflower": [Bloom(_SUNFLOWER, _SUNFLOWER_DYES, _HEART, _STALKS, (0.36, 0.7), 1.3)],
    "tulip": [Bloom(_paint_tulip, _ANY, _LANCE, (-26, 14, 30), (0.85, 0.9), 2.8, is_upright=True)],
}
