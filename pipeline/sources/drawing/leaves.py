"""What carries a flower: its stem, and the leaves by which a gardener would know it."""

from collections.abc import Callable

import numpy as np

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.colours import Colour, darker, lighter, mix, vary
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    Points,
    bend,
    mirrored,
    ribbon,
    smooth,
)

GREENS: tuple[Colour, ...] = (
    (92, 140, 60),
    (70, 120, 62),
    (120, 156, 84),
    (104, 138, 96),
    (60, 100, 50),
)

_NEAR = 80.0  # canvas pixels: shorter leaves show no veins
_VEIN_FEET = np.array([(0.0, -0.2), (0.0, -0.4), (0.0, -0.6)] * 2)
_VEINS = np.array(
    [(0.7, -0.16)] * 3 + [(-0.7, -0.16)] * 3
)  # from foot to tip, in half widths and lengths
_THICKNESS = {
    "daisy": 0.09,
    "dandelion": 0.12,
    "rose": 0.1,
    "sunflower": 0.17,
    "tulip": 0.14,
}  # bloom radii


def any_green(rng: Generator) -> Colour:
    """Return the green of a plant."""
    return vary(rng, pick(rng, GREENS), 16)


def paint_plant(rng: Generator, pen: Pen, bloom: Frame, label: str, green: Colour) -> None:
    """Paint the stem from a bloom down past the lower edge, and the flower's leaves.

    Args:
        rng: Decides the bend of the stem and the places of the leaves.
        pen: On the canvas.
        bloom: Upright frame at the bloom: origin its heart, unit its radius.
        label: Which flower.
        green: Of stem and leaves.
    """
    lean = between(rng, -0.9, 0.9)
    length = between(rng, 3.2, 5.0)
    path = bend(
        [(0, 0), (lean * 0.15, length * 0.3), (lean * 0.5, length * 0.65), (lean, length)], 8
    )
    _LEAVES[label](rng, pen, bloom, path, green)
    thick = _THICKNESS[label]
    stem = mix(green, (170, 130, 110), 0.4) if label == "dandelion" else green
    pen.fill(bloom, ribbon(path, thick, thick * 1.25), darker(stem, 0.3))
    pen.fill(
        bloom, ribbon(path - (thick * 0.18, 0.0), thick * 0.5, thick * 0.65), lighter(stem, 0.12)
    )
    if label == "rose":
        _paint_thorns(rng, pen, bloom, path, stem)


def paint_leaf(pen: Pen, frame: Frame, outline: Points, green: Colour) -> None:
    """Paint a leaf from its foot at the origin to its tip at (0, -1): two halves, a midrib and veins."""
    pen.fill(frame, outline, darker(green, 0.12))
    half = outline[: len(outline) // 2 + 1]
    pen.fill(frame, half, lighter(green, 0.12))
    pen.edge(frame, outline, darker(green, 0.5), 130)
    pen.stroke(frame, [(0, 0), (0, -0.5), (0, -0.94)], lighter(green, 0.4), (0.03, 0.008), 200)
    if frame.scale < _NEAR:
        return
    width = float(abs(outline[:, 0]).max())
    pen.hairs(frame, _VEIN_FEET, _VEIN_FEET + _VEINS * (width, 1.0), lighter(green, 0.3), 130)


def _oval_leaf(width: float) -> Points:
    """A plain leaf, widest below its middle."""
    half = width / 2
    right = [(half * 0.7, -0.14), (half, -0.4), (half * 0.66, -0.75)]
    return smooth(mirrored([(0, 0), *right, (0, -1)]))


def _toothed_leaf(width: float) -> Points:
    """A dandelion's leaf: teeth that point back to the root."""
    right = []
    for tooth in range(5):
        v, reach = -0.12 - tooth * 0.17, width * (0.26 + 0.05 * tooth)
        right += [(width * 0.1, v), (reach, v + 0.03), (width * 0.2, v - 0.11)]
    return smooth(mirrored([(0, 0), *right, (0, -1)]), 2)


def _spoon_leaf(width: float) -> Points:
    """A daisy's leaf: a narrow stalk that widens to a round end."""
    half = width / 2
    right = [(half * 0.25, -0.3), (half * 0.5, -0.5), (half, -0.78), (half * 0.6, -0.96)]
    return smooth(mirrored([(0, 0), *right, (0, -1)]))


def _daisy_leaves(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """A few spoons near the ground."""
    foot = _along(bloom, path, between(rng, 0.6, 0.85))
    _paint_rosette(rng, pen, foot.scaled(between(rng, 1.0, 1.5)), _spoon_leaf(0.4), green)


def _dandelion_leaves(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """A rosette of toothed leaves."""
    foot = _along(bloom, path, between(rng, 0.6, 0.85))
    _paint_rosette(rng, pen, foot.scaled(between(rng, 1.6, 2.4)), _toothed_leaf(0.8), green)


def _along(bloom: Frame, path: Points, share: float) -> Frame:
    """Return the bloom's frame moved down its stem by a share, 0..1, of the stem's length."""
    u, v = path[int(len(path) * share)].tolist()
    return bloom.moved(u, v)


def _paint_rosette(rng: Generator, pen: Pen, foot: Frame, outline: Points, green: Colour) -> None:
    """Paint leaves of length 1 that fan out from a point."""
    for angle in (-80, -50, -24, 22, 48, 78):
        paint_leaf(pen, foot.turned(angle + between(rng, -12, 12)), outline, vary(rng, green, 12))


def _rose_leaves(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """Twigs of three oval leaflets."""
    outline = _oval_leaf(0.62)
    for share in (0.3, 0.5, 0.7):
        side = 1.0 if happens(rng, 0.5) else -1.0
        twig = _along(bloom, path, share).turned(side * between(rng, 40, 80))
        pen.stroke(twig, [(0, 0), (0, -0.8)], darker(green, 0.2), (0.06, 0.04))
        for angle, reach in ((0, 0.75), (-62, 0.5), (62, 0.5)):
            leaflet = twig.moved(0, -reach).turned(angle).scaled(between(rng, 0.75, 0.95))
            paint_leaf(pen, leaflet, outline, vary(rng, darker(green, 0.1), 8))


def _sunflower_leaves(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """Large hearts on stalks, left and right in turn."""
    right = [(0.3, 0.1), (0.5, -0.18), (0.36, -0.6)]
    heart = smooth(mirrored([(0, 0), *right, (0, -1)]))
    for number, share in enumerate((0.36, 0.5, 0.66)):
        side = 1.0 if number % 2 else -1.0
        stalk = _along(bloom, path, share).turned(side * between(rng, 50, 85))
        pen.stroke(stalk, [(0, 0), (0, -0.5)], green, (0.08, 0.06))
        paint_leaf(
            pen, stalk.moved(0, -0.45).scaled(between(rng, 1.0, 1.5)), heart, vary(rng, green, 10)
        )


def _tulip_leaves(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """Two or three long lances that rise beside the stem."""
    right = [(0.1, -0.15), (0.14, -0.45), (0.07, -0.8)]
    lance = smooth(mirrored([(0, 0), *right, (0, -1)]))
    blue = mix(green, (120, 160, 150), 0.3)
    for side in (-1.0, 1.0, -1.0)[: int(rng.integers(2, 4))]:
        frame = _along(bloom, path, between(rng, 0.8, 0.95)).turned(side * between(rng, 8, 34))
        paint_leaf(pen, frame.scaled(between(rng, 2.0, 3.4)), lance, vary(rng, blue, 10))


def _paint_thorns(rng: Generator, pen: Pen, bloom: Frame, path: Points, green: Colour) -> None:
    """Paint a few thorns along the stem."""
    for share in (0.25, 0.4, 0.55, 0.72):
        side = 1.0 if happens(rng, 0.5) else -1.0
        frame = _along(bloom, path, share)
        pen.fill(
            frame, [(0, -0.1), (side * 0.17, -0.06), (0, 0.08)], mix(green, (120, 60, 50), 0.5)
        )


_LEAVES: dict[str, Callable[[Generator, Pen, Frame, Points, Colour], None]] = {
    "daisy": _daisy_leaves,
    "dandelion": _dandelion_leaves,
    "rose": _rose_leaves,
    "sunflower": _sunflower_leaves,
    "tulip": _tulip_leaves,
}
