"""Petals: their outlines, and how one is painted so that it looks curved and catches the light."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.sources.drawing.chance import between, happens
from pipeline.sources.drawing.colours import Colour, darker, lighter, mix, vary
from pipeline.sources.drawing.light import Light
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    Points,
    direction,
    mirrored,
    oval,
    smooth,
)

GOLDEN_ANGLE = 137.508  # degrees from one seed to the next

_NEAR = 60.0  # canvas pixels: shorter petals are painted with less detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Easel:
    """What a flower is painted with: the dice, the pen on the canvas, the light of the picture."""

    rng: Generator
    pen: Pen
    light: Light


@dataclass(frozen=True, slots=True, kw_only=True)
class Dye:
    """The colours of a flower: its petals, what they shade to at the base, and its heart."""

    petal: Colour
    base: Colour
    heart: Colour


def petal_outline(width: float, tip: str, steps: int = 4) -> Points:
    """Return a petal from its base at (0, 0) to its tip at (0, -1).

    Args:
        width: The greatest width, in petal lengths.
        tip: `round`, `pointed` or `notched`.
        steps: Corners from one control point to the next: more for petals seen from near.
    """
    half = width / 2
    right = {
        "round": [(half * 0.4, -0.1), (half * 0.92, -0.5), (half, -0.78), (half * 0.62, -0.97)],
        "pointed": [
            (half * 0.5, -0.08),
            (half * 1.0, -0.42),
            (half * 0.78, -0.72),
            (half * 0.2, -0.95),
        ],
        "notched": [(half * 0.4, -0.1), (half * 0.9, -0.5), (half, -0.82), (half * 0.5, -1.0)],
    }[tip]
    end = {"round": -1.0, "pointed": -1.04, "notched": -0.93}[tip]
    return smooth(mirrored([(0.0, 0.0), *right, (0.0, end)]), steps)


def paint_petal(easel: Easel, frame: Frame, outline: Points, colour: Colour, base: Colour) -> None:
    """Paint one petal: darker at its base and at its edge, brighter where it faces the lamp.

    Args:
        easel: What it is painted with.
        frame: The petal's own, base at the origin, tip towards -v.
        outline: From `petal_outline`.
        colour: Of the petal.
        base: What the petal shades to at its base.
    """
    tone = darker(colour, 0.14 * shade_of(frame, easel.light))
    pen = easel.pen
    pen.fill(frame, outline, tone)
    pen.fill(frame.moved(0, -0.02).scaled(0.7, 0.55), outline, base, 120)
    if frame.scale > _NEAR:
        pen.fill(frame.moved(0, -0.01).scaled(0.5, 0.34), outline, base, 120)
    pen.edge(frame, outline, darker(mix(tone, base, 0.4), 0.4), 120)


def shade_of(frame: Frame, light: Light) -> float:
    """Return how far a petal's frame points away from the lamp, times the depth of the shadows: 0..2."""
    return light.depth * (1.0 - (frame.xv * light.u + frame.yv * light.v) / max(frame.scale, 1e-9))


def paint_ring(
    easel: Easel, frame: Frame, petals: tuple[int, float, str], colour: Colour, base: Colour
) -> None:
    """Paint petals of length 1 all round the origin of the frame, each a little different.

    Args:
        easel: What they are painted with.
        frame: Of the flower's head.
        petals: How many, their width in petal lengths, their tip.
        colour: Of a petal.
        base: What a petal shades to at its base.
    """
    rng, (count, width, tip) = easel.rng, petals
    outline = petal_outline(width, tip, 4 if frame.scale > _NEAR else 2)
    start = between(rng, 0.0, 360.0)
    for number in rng.permutation(count).tolist():
        turned = frame.turned(start + 360.0 * number / count + between(rng, -5.0, 5.0))
        petal = turned.scaled(between(rng, 0.85, 1.15), between(rng, 0.88, 1.04))
        paint_petal(easel, petal, outline, vary(rng, colour, 6), base)


def paint_disc(easel: Easel, frame: Frame, seeds: int, outer: Colour, inner: Colour) -> None:
    """Paint a flower's domed heart of radius 1: at most `seeds` seeds in a spiral, darker in between."""
    rng, pen, light = easel.rng, easel.pen, easel.light
    seeds = min(seeds, 20 + round(frame.scale * 2))
    pen.fill(frame, oval(0, 0, 1), darker(outer, 0.45))
    pen.fill(frame.moved(-light.u * 0.08, -light.v * 0.08), oval(0, 0, 0.92), outer)
    places, grains = [], []
    for seed in range(seeds):
        radius = math.sqrt(seed / seeds) * 0.94
        u, v = direction(seed * GOLDEN_ANGLE)
        places.append((u * radius, v * radius))
        shade = mix(inner, outer, radius)
        grains.append(
            vary(rng, darker(shade, 0.35) if happens(rng, 0.4) else lighter(shade, 0.15), 8)
        )
    pen.dots(frame, np.array(places), 0.8 / math.sqrt(seeds), grains)
