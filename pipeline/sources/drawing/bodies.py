"""What is below an animal's head: shoulders, a sitting or a lying body, legs, tail and collar."""

from pipeline.sources.drawing.chance import between, happens
from pipeline.sources.drawing.coats import weave
from pipeline.sources.drawing.colours import Colour, any_colour, darker, lighter, vary
from pipeline.sources.drawing.faces import Sitter
from pipeline.sources.drawing.light import paint_form, paint_shadow
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    Points,
    bend,
    mirrored,
    oval,
    ribbon,
    ruffle,
    smooth,
)


def paint_bust(rng: Generator, sitter: Sitter, upright: Frame, tail: str) -> None:
    """Paint neck and shoulders down to the picture's lower edge; a tail shows now and then.

    Args:
        rng: Decides the proportions.
        sitter: Who is painted.
        upright: The head's frame before the head was tilted: a body stands upright.
        tail: `long` or `short`.
    """
    neck, shoulder = between(rng, 0.5, 0.75), between(rng, 1.0, 1.4)
    if happens(rng, 0.3):
        _paint_tail(rng, sitter, upright.moved(0.9, 2.6), tail)
    right = [
        (neck * 0.8, 0.1),
        (neck, 0.7),
        (shoulder, 1.5),
        (shoulder * 1.12, 2.6),
        (shoulder, 5.0),
    ]
    _paint_part(rng, sitter, upright, _symmetric(right), (0.0, 2.0, 1.3))
    _paint_bib(rng, sitter, upright.moved(0, 1.5), 0.5)


def paint_sitting(rng: Generator, sitter: Sitter, upright: Frame, tail: str) -> None:
    """Paint an animal that sits and faces us; arguments as for a bust."""
    hip, side = between(rng, 1.0, 1.35), 1.0 if happens(rng, 0.5) else -1.0
    ground = upright.moved(0.0, 3.0)
    paint_shadow(
        sitter.canvas,
        ground.place(oval(0, 0.05, hip * 1.3, 0.3)),
        sitter.light,
        upright.scale * 0.3,
        150,
    )
    _paint_tail(rng, sitter, upright.moved(side * hip * 0.8, 2.7).scaled(side, 1.0), tail)
    right = [(0.5, 0.3), (0.62, 0.9), (0.8, 1.5), (hip, 2.3), (hip * 1.02, 2.85), (0.5, 3.05)]
    _paint_part(rng, sitter, upright, _symmetric(right), (0.0, 1.7, 1.4))
    _paint_bib(rng, sitter, upright.moved(0, 1.3), 0.36)
    leg = smooth(
        [(0.06, 1.4), (0.5, 1.5), (0.5, 2.4), (0.56, 3.0), (0.3, 3.14), (0.04, 3.0), (0.1, 2.3)]
    )
    for flip in (-1.0, 1.0):
        frame = upright.scaled(flip, 1.0)
        _paint_part(rng, sitter, frame, leg, (0.3, 2.2, 0.9))
        _paint_paw(sitter, frame.moved(0.3, 3.02), 0.28)
        _paint_paw(sitter, frame.moved(hip * 0.86, 2.98), 0.26)


def paint_lying(rng: Generator, sitter: Sitter, upright: Frame, tail: str) -> None:
    """Paint an animal that lies across the picture, front paws towards us; arguments as for a bust."""
    side = 1.0 if happens(rng, 0.5) else -1.0
    frame = upright.scaled(side, 1.0)
    paint_shadow(
        sitter.canvas,
        frame.place(oval(0.9, 1.75, 2.3, 0.3)),
        sitter.light,
        upright.scale * 0.3,
        150,
    )
    _paint_tail(rng, sitter, frame.moved(2.5, 1.4), tail)
    back = between(rng, -0.25, 0.15)
    trunk = [
        (-0.75, 0.7),
        (-0.3, 0.15),
        (0.8, back),
        (1.9, back - 0.05),
        (2.6, 0.5),
        (2.75, 1.3),
        (2.3, 1.75),
    ]
    _paint_part(
        rng,
        sitter,
        frame,
        smooth([*trunk, (0.8, 1.8), (-0.6, 1.75), (-0.95, 1.3)]),
        (0.9, 0.9, 1.7),
    )
    _paint_part(rng, sitter, frame, oval(2.0, 1.15, 0.72, 0.62), (2.0, 1.15, 0.9))
    _paint_paw(sitter, frame.moved(2.0, 1.72), 0.36)
    for u in (-0.5, 0.35):
        _paint_part(rng, sitter, frame, oval(u, 1.45, 0.33, 0.42), (u, 1.4, 0.6))
        _paint_paw(sitter, frame.moved(u - 0.06, 1.74), 0.33)


def paint_collar(rng: Generator, sitter: Sitter, upright: Frame) -> None:
    """Paint a collar with a tag below the chin."""
    colour = any_colour(rng, 20, 230)
    band = ribbon(
        bend([(-0.64, 0.62), (-0.4, 0.98), (0, 1.12), (0.4, 0.98), (0.64, 0.62)]), 0.17, 0.17
    )
    pen = Pen(sitter.canvas)
    pen.fill(upright, band, colour)
    pen.edge(upright, band, darker(colour, 0.4), 160)
    pen.fill(
        upright.moved(0, 1.28),
        oval(0, 0, 0.13),
        (218, 184, 84) if happens(rng, 0.5) else (190, 190, 196),
    )
    pen.edge(upright.moved(0, 1.28), oval(0, 0, 0.13), (90, 76, 50), 200)


def paint_mat(rng: Generator, sitter: Sitter, upright: Frame, posture: str) -> None:
    """Paint a rug or cushion for an animal to sit or lie on."""
    middle = upright.moved(between(rng, -0.4, 0.4), {"lying": 1.75, "sitting": 2.95}[posture])
    colour = any_colour(rng)
    shape = oval(0, 0, between(rng, 2.6, 4.0), between(rng, 0.6, 1.0), corners=40)
    paint_shadow(sitter.canvas, middle.place(shape), sitter.light, upright.scale * 0.2, 120)
    pen = Pen(sitter.canvas)
    pen.fill(middle.moved(0, 0.1), shape, darker(colour, 0.4))
    pen.fill(middle, shape, colour)
    pen.fill(middle.scaled(0.88), shape, vary(rng, lighter(colour, 0.12), 20))


def _symmetric(right: list[tuple[float, float]]) -> Points:
    """Close the right half of an outline with its mirror image."""
    return smooth(mirrored(right))


def _paint_part(
    rng: Generator,
    sitter: Sitter,
    frame: Frame,
    outline: Points,
    cloth_at: tuple[float, float, float],
) -> None:
    """Paint one furry part; `cloth_at` is the middle (u, v) and the reach of its piece of coat."""
    corners = frame.place(ruffle(rng, outline, sitter.coat.hair_length * 0.5))
    u, v, reach = cloth_at
    cloth = weave(rng, sitter.canvas.size, frame.moved(u, v).scaled(reach), sitter.coat, "body")
    paint_form(sitter.canvas, corners, cloth, sitter.light)


def _paint_bib(rng: Generator, sitter: Sitter, frame: Frame, reach: float) -> None:
    """Paint the long hairs of the chest, in the paler fur, denser towards the middle."""
    spread = rng.random((110, 2)) + rng.random((110, 2)) - 1.0
    roots = spread * (reach * 1.3, 0.55)
    tips = roots + (roots * (0.25, 0.0) + (0.0, 0.2)) * (0.6 + rng.random((110, 1)))
    Pen(sitter.canvas).hairs(frame, roots, tips, sitter.coat.pale, 130)


def _paint_paw(sitter: Sitter, frame: Frame, width: float) -> None:
    """Paint a paw with three toes at the origin of the frame."""
    fur: Colour = sitter.coat.pale if sitter.coat.pattern == "blaze" else sitter.coat.base
    pen = Pen(sitter.canvas)
    pen.fill(frame, oval(0, 0, width, width * 0.55), darker(fur, 0.3))
    pen.fill(frame, oval(0, -0.02, width * 0.95, width * 0.5), lighter(fur, 0.08))
    for toe in (-0.36, 0.0, 0.36):
        line = [(toe * width, 0.0), (toe * width * 1.15, width * 0.4)]
        pen.stroke(frame, line, darker(fur, 0.6), (0.035, 0.035), 190)


def _paint_tail(rng: Generator, sitter: Sitter, frame: Frame, kind: str) -> None:
    """Paint a tail that starts at the origin of the frame and goes off to its right."""
    if kind == "long":
        path = bend(
            [(-0.4, 0.1), (0.5, 0.15), (0.9, -0.5), (between(rng, 0.6, 1.0), -1.3), (1.1, -1.8)], 8
        )
        outline = ribbon(path, 0.34, 0.26)
    else:
        path = bend([(-0.4, 0.0), (0.3, -0.2), (0.6, -0.7), (0.6, between(rng, -1.3, -1.0))], 8)
        outline = ribbon(path, 0.42, 0.12)
    _paint_part(rng, sitter, frame, outline, (0.4, -0.6, 1.2))
