"""Flowers whose heads are discs of many rays: daisy, dandelion and its seed head, sunflower.

Each is painted in a frame whose origin is the heart and whose unit is the radius.
"""

import numpy as np

from pipeline.sources.drawing.chance import between, pick
from pipeline.sources.drawing.colours import darker, lighter, mix, vary
from pipeline.sources.drawing.pen import Frame, direction, oval
from pipeline.sources.drawing.petals import (
    GOLDEN_ANGLE,
    Dye,
    Easel,
    paint_disc,
    paint_ring,
    petal_outline,
)

_FULL = 8  # eighths of a dandelion's rays that a near one shows


def paint_daisy(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a daisy: many narrow petals round a small golden heart."""
    rng = easel.rng
    count = int(rng.integers(12, 26))
    tip = pick(rng, ("round", "round", "notched"))
    pale = mix(dye.petal, dye.base, 0.35)
    paint_ring(easel, frame.scaled(0.97), (count, 4.6 / count, tip), darker(pale, 0.12), dye.base)
    paint_ring(easel, frame, (count, 4.6 / count, tip), dye.petal, pale)
    paint_disc(easel, frame.scaled(between(rng, 0.2, 0.36)), 60, dye.heart, lighter(dye.heart, 0.2))


def paint_dandelion(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a dandelion: a dense cushion of narrow rays."""
    rng, pen = easel.rng, easel.pen
    ray = petal_outline(0.11, "notched", 1)
    edge = darker(dye.petal, 0.32)
    detail = min(_FULL, 4 + round(frame.scale / 16))
    for ring, reach in enumerate((1.0, 0.9, 0.78, 0.64, 0.5, 0.36, 0.22)):
        rays = (46 - ring * 4) * detail // _FULL
        for number in range(rays):
            turned = frame.turned(360.0 * number / rays + between(rng, -6.0, 6.0) + ring * 5)
            length = reach * between(rng, 0.85, 1.08)
            shade = vary(rng, mix(dye.petal, dye.heart, ring / 9), 9)
            pen.fill(
                turned.scaled(1.0, length), ray, shade if number % 3 else mix(edge, shade, 0.4)
            )
            if number % 4 == 0 and detail == _FULL:
                pen.edge(turned.scaled(1.0, length), ray, edge, 70)


def paint_clock(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a dandelion's seed head: a globe of parachutes round a dark heart."""
    rng, pen, silver = easel.rng, easel.pen, dye.petal
    for step in range(6):
        pen.fill(frame.scaled(1.0 - step * 0.1), oval(0, 0, 1), lighter(silver, 0.3), 26)
    pen.fill(frame, oval(0, 0, 0.13), (110, 92, 60))
    seeds = min(90, 24 + round(frame.scale * 0.7))
    ways = np.array([direction(seed * GOLDEN_ANGLE) for seed in range(seeds)])
    reach = np.sqrt((np.arange(seeds) + 4.0) / (seeds + 4.0))[:, None] * 0.9
    crowns = ways * reach
    pen.hairs(frame, ways * 0.12, crowns, darker(silver, 0.25), 100)
    pen.hairs(frame, ways * 0.1, ways * 0.2, (110, 84, 52), 220)
    start = between(rng, 0.0, 60.0)
    for spoke in range(7):
        lean = np.array(direction(start + spoke * 360.0 / 7))
        tips = crowns + (lean + ways * 0.5) * (0.12 + rng.random((seeds, 1)) * 0.05)
        pen.hairs(frame, crowns, tips, silver, 200)


def paint_sunflower(easel: Easel, frame: Frame, dye: Dye) -> None:
    """Paint a sunflower: pointed petals in two ranks round a broad dark disc of seeds."""
    rng = easel.rng
    count = int(rng.integers(18, 28))
    paint_ring(easel, frame, (count, 0.32, "pointed"), darker(dye.petal, 0.22), dye.base)
    paint_ring(easel, frame.scaled(0.95), (count, 0.3, "pointed"), dye.petal, dye.base)
    disc = between(rng, 0.36, 0.58)
    middle = pick(rng, (darker(dye.heart, 0.4), (126, 116, 52), lighter(dye.heart, 0.25)))
    paint_disc(easel, frame.scaled(disc), 170, dye.heart, middle)
