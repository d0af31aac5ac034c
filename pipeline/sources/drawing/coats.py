"""Fur: the colours and patterns that cats and dogs share, painted as cloth to be cut to an outline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.colours import Colour, darker, lighter, mix, vary
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    mirrored,
    oval,
    ruffle,
    smooth,
)

FURS: tuple[Colour, ...] = (
    (44, 40, 42),  # black
    (112, 112, 118),  # blue-grey
    (170, 166, 160),  # silver
    (206, 128, 60),  # ginger
    (226, 196, 150),  # cream
    (238, 234, 226),  # white
    (120, 80, 52),  # brown
    (84, 58, 46),  # chocolate
    (188, 148, 104),  # fawn
)
PATTERNS = ("plain", "stripes", "patches", "spots", "mask", "blaze", "blaze", "stripes", "patches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coat:
    """An animal's fur: its main colour, its markings, the paler fur of muzzle and chest, and the nose."""

    base: Colour
    marking: Colour
    pale: Colour
    pattern: str
    nose: Colour
    hair_length: float


def any_coat(rng: Generator, has_bib: bool) -> Coat:
    """Return a random coat; without white face and chest where those would be out of sight."""
    base = vary(rng, pick(rng, FURS), 16)
    other = vary(rng, pick(rng, FURS), 12)
    pattern = pick(rng, PATTERNS)
    if pattern == "blaze" and not has_bib:
        pattern = "plain"
    marking = darker(base, between(rng, 0.4, 0.7)) if pattern == "stripes" else other
    pale = lighter(base, between(rng, 0.15, 0.8)) if has_bib and happens(rng, 0.75) else base
    return Coat(
        base=base,
        marking=marking,
        pale=(244, 240, 232) if pattern == "blaze" else pale,
        pattern=pattern,
        nose=pick(rng, ((40, 32, 34), (196, 120, 118), (120, 70, 66), (60, 46, 44))),
        hair_length=between(rng, 0.07, 0.2),
    )


def weave(
    rng: Generator, size: tuple[int, int], frame: Frame, coat: Coat, part: str
) -> Image.Image:
    """Return a canvas covered with a coat: markings and hairs for the part that lies in the frame.

    Args:
        rng: Decides where markings and hairs fall.
        size: Canvas pixels, (width, height).
        frame: Of the part; its outline reaches from about -1 to 1 each way.
        coat: What to paint.
        part: `head` or `body`: stripes and blazes differ between them.
    """
    cloth = Image.new("RGB", size, coat.base)
    pen = Pen(cloth)
    if coat.pattern == "stripes":
        _stripes(rng, pen, frame, coat, part)
    elif coat.pattern == "patches":
        _blots(rng, pen, frame, coat.marking, 0.3 + 0.3 * rng.random(int(rng.integers(2, 5))))
    elif coat.pattern == "spots":
        _blots(rng, pen, frame, coat.marking, 0.05 + 0.1 * rng.random(int(rng.integers(14, 30))))
    elif coat.pattern == "mask" and part == "head":
        for ring in range(5):
            pen.fill(frame.scaled(1.0 - ring * 0.13), oval(0, 0.3, 0.8, 0.75), coat.marking, 70)
    elif coat.pattern == "blaze":
        _blaze(rng, pen, frame, coat, part)
    _hairs(rng, pen, frame, coat)
    return cloth


def _stripes(rng: Generator, pen: Pen, frame: Frame, coat: Coat, part: str) -> None:
    """Tabby stripes: an M on the brow and bars on the cheeks, or ribs round a body."""
    alpha = int(rng.integers(120, 230))
    if part == "head":
        for u in (-0.42, -0.21, 0.0, 0.21, 0.42):
            brow = [(u * 1.3, -1.0), (u * 1.0, -0.7), (u * 0.8, -0.38)]
            pen.stroke(frame, brow, coat.marking, (between(rng, 0.1, 0.16), 0.03), alpha)
    for v in (-0.15, 0.12, 0.38, 0.64):
        for side in (-1.0, 1.0):
            start = v + between(rng, -0.05, 0.05)
            bar = [(side * 1.15, start - 0.08), (side * 0.85, start), (side * 0.55, start + 0.05)]
            pen.stroke(frame, bar, coat.marking, (between(rng, 0.1, 0.18), 0.02), alpha)


def _blots(
    rng: Generator, pen: Pen, frame: Frame, colour: Colour, radii: NDArray[np.float64]
) -> None:
    """Irregular patches or spots of the given radii `(n,)`."""
    for radius in radii.tolist():
        around = oval(between(rng, -0.95, 0.95), between(rng, -0.95, 0.95), radius, corners=9)
        pen.fill(frame, smooth(ruffle(rng, around, radius * 0.5), 4), colour)


def _blaze(rng: Generator, pen: Pen, frame: Frame, coat: Coat, part: str) -> None:
    """A white stripe down the face that widens at the muzzle; a white bib on a body."""
    if part == "body":
        pen.fill(frame, smooth(ruffle(rng, oval(0, -0.25, 0.5, 0.7, corners=14), 0.1)), coat.pale)
        return
    narrow, wide = between(rng, 0.04, 0.16), between(rng, 0.4, 0.75)
    right = [(narrow, -0.9), (narrow, -0.3), (wide * 0.5, 0.05), (wide, 0.5), (wide, 1.1)]
    pen.fill(frame, smooth(mirrored(right), 4), coat.pale)


def _hairs(rng: Generator, pen: Pen, frame: Frame, coat: Coat) -> None:
    """Hairs that grow away from the middle of the face, some lighter and some darker than the coat."""
    count = min(240, int(frame.scale * 1.8))
    roots = (rng.random((count, 2)) - 0.5) * 2.4
    away = roots - np.array([0.0, 0.2])
    length = np.sqrt(away[:, :1] * away[:, :1] + away[:, 1:] * away[:, 1:])
    lean = (rng.random((count, 2)) - 0.5) * 0.7
    tips = roots + (away / np.maximum(length, 0.05) + lean) * coat.hair_length
    shades = (lighter(coat.base, 0.45), darker(coat.base, 0.4), mix(coat.base, coat.marking, 0.6))
    for part, shade in enumerate(shades):
        pen.hairs(frame, roots[part::3], tips[part::3], shade, 70)
