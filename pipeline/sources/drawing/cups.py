"""Flowers whose petals wrap round each other: rose and tulip.

Each is painted in a frame whose origin is the heart and whose unit is the radius.
"""

from dataclasses import replace

from pipeline.sources.drawing.chance import between
from pipeline.sources.drawing.colours import Colour, darker, lighter, mix, vary
from pipeline.sources.drawing.light import Light
from pipeline.sources.drawing.pen import (
    Frame,
    Pen,
    Points,
    direction,
    mirrored,
    oval,
    ruffle,
    smooth,
)
from pipeline.sources.drawing.petals import Dye, Easel, petal_outline, shade_of

SEPAL: Colour = (92, 136, 62)

_LOBE = mirrored(
    [(0.5, 0.1), (0.72, -0.35), (0.62, -0.8), (0.25, -1.0)]
)  # a petal, its foot at the origin


def paint_rose(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a rose from above: petals that wrap round each other, smaller and darker towards the heart."""
    rng = easel.rng
    start = between(rng, 0.0, 360.0)
    deep = darker(dye.petal, 0.5)
    for ring, (count, reach) in enumerate(((5, 1.0), (5, 0.85), (4, 0.66), (3, 0.5), (3, 0.38))):
        for number in range(count):
            angle = start + ring * 40 + 360.0 * number / count + between(rng, -12.0, 12.0)
            petal = frame.turned(angle).moved(0.0, between(rng, -0.05, 0.05))
            lobe = petal.scaled(reach * between(rng, 0.9, 1.1), reach)
            _rose_petal(easel, lobe, mix(dye.petal, deep, ring * 0.08), deep)
    _rose_heart(easel.pen, frame.turned(start).scaled(0.3), dye.petal, deep)


def paint_rose_from_the_side(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a half-open rose: the heart above, two petals that wrap the cup, sepals below."""
    rng, pen = easel.rng, easel.pen
    deep, rim = darker(dye.petal, 0.45), lighter(dye.petal, 0.3)
    for angle in (-38, 38, -12, 14):
        petal = frame.moved(0, 0.25).turned(angle + between(rng, -6, 6)).scaled(0.72, 1.15)
        _rose_petal(easel, petal, mix(dye.petal, deep, 0.25), deep)
    _rose_heart(pen, frame.moved(0, -0.42).scaled(0.5, 0.34), dye.petal, deep)
    for side in (1.0, -1.0):
        high = between(rng, -0.5, -0.25)
        wrap = [
            (0, 0.95),
            (side * 0.62, 0.7),
            (side * 0.92, 0.05),
            (side * 0.98, -0.5),
            (side * 0.55, high),
        ]
        wrap += [(0, -0.08), (-side * 0.42, 0.2), (-side * 0.42, 0.66)]
        outline = smooth(wrap)
        pen.fill(frame, outline, rim)
        pen.fill(
            frame.moved(0, 0.07).scaled(0.95, 0.93),
            outline,
            darker(dye.petal, _shade_on(side, easel.light)),
        )
        pen.fill(frame.moved(0, 0.4).scaled(0.7, 0.55), outline, deep, 70)
        pen.edge(frame, outline, deep, 190)
    sepal = petal_outline(0.34, "pointed")
    for lean in (-100, -55, 0, 55, 100):
        pen.fill(frame.moved(0, 0.97).turned(lean).scaled(0.42), sepal, vary(rng, SEPAL, 12))


def paint_tulip(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a tulip from the side: tips of the petals behind, two petals at the sides, one in front."""
    rng = easel.rng
    flare = between(rng, -0.08, 0.22)
    slim = frame.scaled(between(rng, 0.78, 0.95), 1.0)
    far = replace(dye, petal=darker(dye.petal, 0.3), base=darker(dye.base, 0.3))
    for side in (-1.0, 1.0):
        behind = [
            (0, 0.6),
            (side * 0.5, 0.2),
            (side * (0.5 + flare), -0.5),
            (side * (0.3 + flare), -0.98),
        ]
        _tulip_petal(easel, slim, smooth([*behind, (side * 0.02, -0.3)]), far)
    for side in (-1.0, 1.0):
        wing = [(0, 0.9), (side * 0.5, 0.72), (side * 0.74, 0.15), (side * (0.72 + flare), -0.4)]
        wing += [(side * (0.6 + flare * 1.6), -1.0), (side * 0.3, -0.5), (side * 0.04, 0.1)]
        shaded = darker(dye.petal, _shade_on(side, easel.light))
        _tulip_petal(easel, slim, smooth(wing), replace(dye, petal=shaded))
    right = [(0.4, 0.7), (0.5, 0.1), (0.3, -0.45)]
    tip = (between(rng, -0.06, 0.06), between(rng, -0.95, -0.7))
    front = smooth([(0, 0.92), *right, tip, *[(-u, v) for u, v in reversed(right)]])
    _tulip_petal(easel, slim, front, dye)


def _rose_heart(pen: Pen, frame: Frame, colour: Colour, deep: Colour) -> None:
    """Paint the furled petals in the middle, of radius 1: a bud with a spiral of lit rims."""
    pen.fill(frame, oval(0, 0, 1), mix(colour, deep, 0.55))
    spiral = [direction(step * 47.0) for step in range(16)]
    path = [(u * (1.0 - step / 17), v * (1.0 - step / 17)) for step, (u, v) in enumerate(spiral)]
    pen.stroke(frame, path, deep, (0.26, 0.12))
    pen.stroke(frame.scaled(0.94), path, lighter(colour, 0.25), (0.15, 0.05))


def _rose_petal(easel: Easel, frame: Frame, colour: Colour, deep: Colour) -> None:
    """Paint a petal of a rose: a broad lobe with a bright rolled rim, dark where it dives under the next."""
    pen = easel.pen
    outline = smooth(ruffle(easel.rng, _LOBE, 0.1), 4)
    tone = darker(vary(easel.rng, colour, 5), 0.2 * shade_of(frame, easel.light))
    pen.fill(frame.scaled(1.03), outline, deep, 110)
    pen.fill(frame, outline, lighter(tone, 0.28))
    pen.fill(frame.moved(0, 0.02).scaled(0.93, 0.9), outline, tone)
    pen.fill(frame.scaled(0.8, 0.74), outline, deep, 90)
    pen.fill(frame.scaled(0.7, 0.6), outline, deep, 110)


def _shade_on(side: float, light: Light) -> float:
    """Return how dark a cup's left (-1) or right (1) side is."""
    return 0.05 + (0.2 * light.depth if side * light.u > 0 else 0.0)


def _tulip_petal(easel: Easel, frame: Frame, outline: Points, dye: Dye) -> None:
    """Paint a petal of a tulip: smooth, with a thin bright rim and the base's colour in flames from below."""
    pen = easel.pen
    middle = outline.mean(axis=0)
    pen.fill(frame, outline, lighter(dye.petal, 0.32))
    pen.fill(frame, middle + (outline - middle) * 0.9, dye.petal)
    foot = outline[outline[:, 1].argmax()]
    for reach in (0.75, 0.55, 0.35):
        pen.fill(frame, foot + (outline - foot) * (reach * 0.85, reach), dye.base, 60)
    for _ in range(4):
        end = outline[int(easel.rng.integers(len(outline)))] * 0.75
        flame = [foot, (foot + end) / 2 + (end - foot)[::-1] * 0.08, end]
        pen.stroke(frame, flame, dye.base, (0.05, 0.01), 80)
    pen.edge(frame, outline, darker(dye.petal, 0.5), 130)
