"""The head of a dog: ears that hang, fold or stand, round eyes, a long muzzle, a big nose, often a tongue."""

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.coats import weave
from pipeline.sources.drawing.colours import BLACK, WHITE, Colour, darker, lighter
from pipeline.sources.drawing.faces import (
    Sitter,
    any_eye_colour,
    ear_colour,
    paint_closed_eye,
    paint_ear,
    paint_round_eye,
    paint_skull,
    paint_tongue,
)
from pipeline.sources.drawing.light import paint_form, paint_shadow
from pipeline.sources.drawing.pen import (
    Generator,
    Pen,
    Points,
    mirrored,
    oval,
    ruffle,
    smooth,
)

IRISES: tuple[Colour, ...] = ((92, 56, 32), (64, 40, 28), (130, 84, 40), (120, 160, 200))


def paint_dog_head(rng: Generator, sitter: Sitter) -> None:
    """Paint a dog's head where the sitter's head is."""
    ears = pick(rng, ("hanging", "hanging", "folded", "tall"))
    fur = ear_colour(rng, sitter.coat)
    width = between(rng, 0.7, 0.84)
    if ears == "tall":
        _paint_tall_ears(rng, sitter, fur, width)
    paint_skull(rng, sitter, shape_dog_skull(rng, width))
    _paint_eyes(rng, Pen(sitter.canvas), sitter)
    _paint_muzzle(rng, sitter)
    if ears == "hanging":
        paint_hanging_ears(rng, sitter, fur, width)
    elif ears == "folded":
        _paint_folded_ears(rng, sitter, fur, width)


def shape_dog_skull(rng: Generator, width: float) -> Points:
    """Return the outline of a head longer than wide, that narrows below the eyes."""
    brow = between(rng, -0.9, -0.78)
    jaw = between(rng, 0.42, 0.56)
    right = [
        (0, brow),
        (width * 0.55, brow + 0.03),
        (width * 0.94, -0.5),
        (width, -0.08),
        (width * 0.86, 0.3),
    ]
    return smooth(mirrored([*right, (jaw, 0.66), (jaw * 0.6, 0.86), (0.0, 0.92)]), 8)


def paint_hanging_ears(rng: Generator, sitter: Sitter, fur: Colour, width: float) -> None:
    """Paint lobes that hang from the corners of the skull down the cheeks."""
    length, flare = between(rng, 0.2, 0.85), between(rng, 0.18, 0.42)
    for side in (-1.0, 1.0):
        out = width + flare + side * sitter.yaw * 0.08
        lobe = [(0.4, -0.84), (0.7, -0.86), (out, -0.5), (out + 0.06, length - 0.3)]
        lobe += [
            (out - 0.08, length),
            (out - 0.3, length - 0.05),
            (width - 0.08, 0.0),
            (width - 0.12, -0.42),
        ]
        outline = smooth([(side * u, v) for u, v in lobe])
        paint_shadow(
            sitter.canvas, sitter.head.place(outline), sitter.light, sitter.head.scale * 0.15, 90
        )
        paint_ear(rng, sitter, outline, fur)


def _paint_folded_ears(rng: Generator, sitter: Sitter, fur: Colour, width: float) -> None:
    """Ears that rise from the skull and fold over into a triangle."""
    rise, drop = between(rng, -1.12, -0.95), between(rng, -0.5, -0.15)
    for side in (-1.0, 1.0):
        base = [
            (0.26, -0.78),
            (0.46, rise),
            (0.78, rise + 0.06),
            (width + 0.06, -0.5),
            (0.6, -0.55),
        ]
        flap = [
            (0.36, rise + 0.06),
            (0.6, rise - 0.02),
            (0.86, rise + 0.1),
            (width + 0.28, drop),
            (0.62, -0.62),
        ]
        paint_ear(rng, sitter, smooth([(side * u, v) for u, v in base]), darker(fur, 0.3))
        outline = smooth([(side * u, v) for u, v in flap])
        paint_shadow(
            sitter.canvas, sitter.head.place(outline), sitter.light, sitter.head.scale * 0.12, 110
        )
        paint_ear(rng, sitter, outline, fur)


def _paint_tall_ears(rng: Generator, sitter: Sitter, fur: Colour, width: float) -> None:
    """A shepherd's ears: upright, long, close together."""
    height, splay = between(rng, 1.5, 1.75), between(rng, 0.5, 0.66)
    pen = Pen(sitter.canvas)
    for side in (-1.0, 1.0):
        ear = [(0.1, -0.72), (0.24, -1.2), (splay, -height), (0.74, -1.15), (width, -0.4)]
        paint_ear(rng, sitter, smooth([(side * u, v) for u, v in ear]), fur)
        inside = [
            (0.3, -0.8),
            (0.36, -1.16),
            (splay * 0.97, -height + 0.2),
            (0.64, -1.1),
            (0.62, -0.7),
        ]
        pen.fill(sitter.head, smooth([(side * u, v) for u, v in inside]), darker(fur, 0.45), 200)
        inner = [(u * 0.92 + 0.04, v + 0.06) for u, v in inside]
        pen.fill(sitter.head, smooth([(side * u, v) for u, v in inner]), (196, 140, 130), 90)


def _paint_eyes(rng: Generator, pen: Pen, sitter: Sitter) -> None:
    """Round dark eyes under brows."""
    frame = sitter.standing_out(0.16)
    iris = any_eye_colour(rng, IRISES)
    radius, apart = between(rng, 0.1, 0.135), between(rng, 0.31, 0.37)
    asleep, browed = happens(rng, 0.06), happens(rng, 0.5)
    for side in (-1.0, 1.0):
        eye = frame.moved(side * apart, -0.2)
        pen.fill(eye, oval(0, 0.02, radius * 1.9, radius * 1.6), darker(sitter.coat.base, 0.5), 60)
        if asleep:
            paint_closed_eye(pen, eye, radius)
        else:
            paint_round_eye(pen, eye, iris, radius)
        if browed:
            pen.fill(eye, oval(-side * 0.02, -0.27, 0.1, 0.065), sitter.coat.pale, 190)


def _paint_muzzle(rng: Generator, sitter: Sitter) -> None:
    """A long rounded muzzle in front of the face, the nose at its end, the jowls and the mouth below."""
    frame = sitter.standing_out(0.5)
    half, length = between(rng, 0.36, 0.5), between(rng, 0.42, 0.58)
    right = [
        (0, -0.1),
        (half * 0.55, 0.0),
        (half * 0.9, 0.3),
        (half, 0.55),
        (half * 0.66, 0.4 + length),
    ]
    outline = smooth(mirrored([*right, (0.0, 0.36 + length)]))
    grin = happens(rng, 0.55)
    if grin:
        _paint_open_mouth(rng, Pen(sitter.canvas), sitter, half, length)
    corners = frame.place(ruffle(rng, outline, sitter.coat.hair_length * 0.2))
    paint_shadow(sitter.canvas, corners, sitter.light, sitter.head.scale * 0.14, 90)
    cloth = weave(rng, sitter.canvas.size, frame, sitter.coat, "head")
    Pen(cloth).fill(frame, oval(0, 0.5, half * 0.95, length), sitter.coat.pale, 150)
    paint_form(sitter.canvas, corners, cloth, sitter.light)
    _paint_nose(rng, Pen(sitter.canvas), sitter, half, length)


def _paint_open_mouth(rng: Generator, pen: Pen, sitter: Sitter, half: float, length: float) -> None:
    """The lower jaw, dark inside, with the tongue out."""
    frame = sitter.standing_out(0.42).moved(0.0, 0.34 + length)
    jaw = smooth(
        [(-half * 0.72, -0.2), (half * 0.72, -0.2), (half * 0.5, 0.24), (-half * 0.5, 0.24)]
    )
    pen.fill(frame, jaw, darker(sitter.coat.pale, 0.15))
    pen.fill(frame.scaled(0.84), jaw, (96, 34, 42))
    paint_tongue(
        pen, frame.moved(between(rng, -0.06, 0.06), -0.02), half * 0.72, between(rng, 0.2, 0.5)
    )


def _paint_nose(rng: Generator, pen: Pen, sitter: Sitter, half: float, length: float) -> None:
    """A big wet nose, the line below it and the jowls."""
    frame = sitter.standing_out(0.62).moved(0.0, between(rng, 0.1, 0.2))
    size = between(rng, 0.9, 1.25)
    nose_colour = sitter.coat.nose if happens(rng, 0.3) else (36, 30, 32)
    lip = length * 0.62 + 0.12
    for side in (-1.0, 1.0):
        path = [(0, lip * 0.8), (side * half * 0.5, lip + 0.04), (side * half * 0.95, lip - 0.12)]
        pen.stroke(frame, path, darker(sitter.coat.nose, 0.6), (0.045, 0.02), 220)
        for dot in range(4):
            pen.fill(
                frame,
                oval(side * (0.18 + dot % 2 * 0.1), 0.24 + dot * 0.06, 0.016, corners=8),
                BLACK,
                130,
            )
    pen.stroke(frame, [(0, 0.1), (0.004, lip * 0.5), (0, lip * 0.8)], BLACK, (0.05, 0.035), 230)
    nose = smooth(mirrored([(0, -0.15), (0.15, -0.14), (0.22, -0.02), (0.12, 0.1), (0, 0.15)]))
    pen.fill(frame.scaled(size), nose, nose_colour)
    pen.fill(frame.scaled(size), oval(-0.02, -0.09, 0.11, 0.035), lighter(nose_colour, 0.5), 170)
    for side in (-1.0, 1.0):
        pen.fill(
            frame.scaled(size),
            oval(side * 0.1, 0.02, 0.05, 0.032, corners=12),
            darker(nose_colour, 0.75),
        )
    pen.fill(frame.scaled(size), oval(-0.06, -0.1, 0.035, 0.018, corners=8), WHITE, 200)
