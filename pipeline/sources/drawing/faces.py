"""What the faces of cats and dogs have in common: eyes, ears, and how features move when a head turns."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.coats import Coat, weave
from pipeline.sources.drawing.colours import BLACK, WHITE, Colour, darker, lighter, vary
from pipeline.sources.drawing.light import Light, paint_form, paint_shadow
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    Points,
    oval,
    ruffle,
    smooth,
)

TONGUE: Colour = (224, 116, 122)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitter:
    """An animal about to be painted: where its head is, what it wears, how it looks.

    `head` maps a head that reaches from about -1 to 1; `yaw` and `pitch` in -1..1 turn it to its
    left or right and up or down by moving features in proportion to how far they stand out.
    """

    canvas: Image.Image
    head: Frame
    coat: Coat
    light: Light
    yaw: float
    pitch: float

    def standing_out(self, depth: float) -> Frame:
        """Return the head's frame for features that stand out of the face by `depth` units."""
        return self.head.moved(self.yaw * depth, self.pitch * depth)


def paint_skull(rng: Generator, sitter: Sitter, outline: Points) -> None:
    """Paint the furry head itself, its shadow on what is behind it included."""
    corners = sitter.head.place(ruffle(rng, outline, sitter.coat.hair_length * 0.45))
    paint_shadow(sitter.canvas, corners, sitter.light, sitter.head.scale * 0.35, 110)
    cloth = weave(rng, sitter.canvas.size, sitter.standing_out(0.25), sitter.coat, "head")
    paint_form(sitter.canvas, corners, cloth, sitter.light)


def paint_ear(rng: Generator, sitter: Sitter, outline: Points, fur: Colour) -> None:
    """Paint one ear, given by its outline in the head's coordinates."""
    corners = sitter.head.place(ruffle(rng, outline, sitter.coat.hair_length * 0.3))
    cloth = Image.new("RGB", sitter.canvas.size, fur)
    middle = outline.mean(axis=0)
    roots = middle + (rng.random((60, 2)) - 0.5) * 1.1
    tips = roots + np.array([0.0, sitter.coat.hair_length]) + (rng.random((60, 2)) - 0.5) * 0.08
    Pen(cloth).hairs(sitter.head, roots[:30], tips[:30], lighter(fur, 0.4), 90)
    Pen(cloth).hairs(sitter.head, roots[30:], tips[30:], darker(fur, 0.5), 90)
    paint_form(sitter.canvas, corners, cloth, sitter.light)


def ear_colour(rng: Generator, coat: Coat) -> Colour:
    """Return the fur of an animal's ears: marked where its coat has markings."""
    if coat.pattern == "mask" or (
        coat.pattern in ("patches", "spots", "blaze") and happens(rng, 0.5)
    ):
        return vary(rng, coat.marking if coat.pattern != "blaze" else coat.base, 8)
    return darker(coat.base, between(rng, 0.0, 0.3))


def paint_round_eye(pen: Pen, frame: Frame, iris: Colour, radius: float) -> None:
    """Paint a round eye with a round pupil, as dogs have, at the origin of the frame."""
    pen.fill(frame, oval(0, 0, radius * 1.25, radius * 1.12), BLACK)
    pen.fill(frame.moved(0, radius * 0.05), oval(0, 0, radius * 1.02, radius * 0.95), iris)
    pen.fill(frame, oval(0, 0, radius * 0.6), BLACK)
    paint_glint(pen, frame, radius)


def paint_glint(pen: Pen, frame: Frame, radius: float) -> None:
    """Paint the reflections that make an eye wet."""
    pen.fill(frame, oval(-radius * 0.3, -radius * 0.38, radius * 0.24, corners=14), WHITE)
    pen.fill(frame, oval(radius * 0.35, radius * 0.4, radius * 0.12, corners=10), WHITE, 150)


def paint_closed_eye(pen: Pen, frame: Frame, radius: float) -> None:
    """Paint a contented, closed eye."""
    path = [(-radius * 1.3, -radius * 0.2), (0, radius * 0.55), (radius * 1.3, -radius * 0.2)]
    pen.stroke(frame, path, BLACK, (0.05, 0.05))


def paint_tongue(pen: Pen, frame: Frame, width: float, length: float) -> None:
    """Paint a tongue that hangs down from the origin of the frame."""
    right = [(width * 0.5, 0.0), (width * 0.56, length * 0.6), (width * 0.36, length * 0.95)]
    outline = smooth(
        [(0, -0.03), *right, (0, length * 1.05), *[(-u, v) for u, v in reversed(right)]]
    )
    pen.fill(frame, outline, TONGUE)
    pen.edge(frame, outline, darker(TONGUE, 0.45), 160)
    pen.stroke(
        frame,
        [(0, 0), (0.01, length * 0.4), (0, length * 0.8)],
        darker(TONGUE, 0.35),
        (0.035, 0.01),
        200,
    )


def any_eye_colour(rng: Generator, choices: tuple[Colour, ...]) -> Colour:
    """Return the colour of an iris."""
    return vary(rng, pick(rng, choices), 14)
