"""Heads that do not look at us: cats and dogs from the side and from behind."""

from pipeline.sources.drawing.cats import IRISES as CAT_IRISES
from pipeline.sources.drawing.cats import paint_cat_ears, shape_cat_skull
from pipeline.sources.drawing.chance import between, happens
from pipeline.sources.drawing.colours import BLACK, WHITE, darker, lighter
from pipeline.sources.drawing.dogs import IRISES as DOG_IRISES
from pipeline.sources.drawing.dogs import paint_hanging_ears, shape_dog_skull
from pipeline.sources.drawing.faces import (
    Sitter,
    any_eye_colour,
    ear_colour,
    paint_ear,
    paint_round_eye,
    paint_skull,
    paint_tongue,
)
from pipeline.sources.drawing.light import paint_shadow
from pipeline.sources.drawing.pen import Generator, Pen, oval, smooth

_CAT_PROFILE = [
    (-0.85, 0.1),
    (-0.74, -0.5),
    (-0.3, -0.82),
    (0.24, -0.76),
    (0.56, -0.42),
    (0.74, -0.12),
]
_CAT_PROFILE += [(0.99, 0.1), (0.97, 0.3), (0.8, 0.52), (0.4, 0.7), (-0.3, 0.82), (-0.76, 0.6)]
_DOG_PROFILE = [
    (-0.85, 0.0),
    (-0.7, -0.5),
    (-0.25, -0.76),
    (0.2, -0.7),
    (0.42, -0.42),
    (0.62, -0.2),
]
_DOG_PROFILE += [
    (1.05, -0.13),
    (1.38, -0.1),
    (1.43, 0.14),
    (1.3, 0.4),
    (0.9, 0.52),
    (0.45, 0.64),
    (0.0, 0.84),
]
_DOG_PROFILE += [(-0.6, 0.7)]


def paint_cat_profile(rng: Generator, sitter: Sitter) -> None:
    """Paint a cat's head that looks to the right of its frame: round skull, short snout, one eye."""
    fur, height = ear_colour(rng, sitter.coat), between(rng, 1.3, 1.5)
    far = [(0.0, -0.7), (0.14, -1.1), (0.26, -height + 0.04), (0.42, -1.0), (0.4, -0.6)]
    paint_ear(rng, sitter, smooth(far), darker(fur, 0.3))
    paint_skull(rng, sitter, smooth(_CAT_PROFILE, 8))
    near = [(-0.62, -0.5), (-0.52, -1.0), (-0.34, -height), (-0.06, -1.0), (0.12, -0.62)]
    paint_ear(rng, sitter, smooth(near), fur)
    pen, head = Pen(sitter.canvas), sitter.head
    pen.fill(
        head,
        smooth(
            [(-0.34, -0.66), (-0.36, -1.0), (-0.32, -height + 0.18), (-0.12, -0.94), (0, -0.68)]
        ),
        darker(fur, 0.4),
        150,
    )
    pen.fill(head, oval(0.82, 0.32, 0.2, 0.16), sitter.coat.pale, 200)
    eye = head.moved(0.45, -0.16)
    almond = smooth([(-0.2, 0.06), (-0.04, -0.13), (0.12, -0.12), (0.15, 0.03), (0.05, 0.12)])
    pen.fill(eye.scaled(1.2), almond, BLACK)
    pen.fill(eye, almond, any_eye_colour(rng, CAT_IRISES))
    pen.fill(eye, oval(0.07, -0.01, between(rng, 0.025, 0.05), 0.11), BLACK)
    pen.fill(eye, oval(0.02, -0.06, 0.026, corners=8), WHITE)
    pen.fill(head, smooth([(0.9, 0.05), (1.0, 0.08), (1.0, 0.17), (0.93, 0.17)]), sitter.coat.nose)
    pen.stroke(
        head, [(0.97, 0.3), (0.84, 0.38), (0.66, 0.36)], darker(sitter.coat.nose, 0.5), (0.03, 0.02)
    )
    for row in range(4):
        root = (0.76, 0.24 + row * 0.05)
        backward = [root, (0.5, 0.32 + row * 0.11), (0.1, 0.3 + row * 0.19)]
        forward = [root, (1.1, 0.2 + row * 0.1), (1.5, 0.16 + row * 0.17)]
        for whisker in (backward, forward):
            pen.stroke(head, whisker, (248, 246, 240), (0.03, 0.01), 220)


def paint_dog_profile(rng: Generator, sitter: Sitter) -> None:
    """Paint a dog's head that looks to the right of its frame: long snout, big nose, an ear that hangs."""
    fur = ear_colour(rng, sitter.coat)
    pen, head = Pen(sitter.canvas), sitter.head
    if happens(rng, 0.5):
        jaw = smooth([(0.5, 0.4), (1.16, 0.4), (1.14, 0.66), (0.6, 0.74)])
        pen.fill(head, jaw, darker(sitter.coat.base, 0.2))
        pen.fill(head.moved(0, -0.06), jaw, (104, 38, 46))
        paint_tongue(pen, head.moved(1.02, 0.42), 0.26, between(rng, 0.3, 0.6))
    paint_skull(rng, sitter, smooth(_DOG_PROFILE, 8))
    pen.fill(head, oval(1.08, 0.22, 0.3, 0.2), sitter.coat.pale, 110)
    eye = head.moved(0.36, -0.22)
    paint_round_eye(pen, eye, any_eye_colour(rng, DOG_IRISES), 0.105)
    pen.stroke(head, [(1.36, 0.22), (1.05, 0.38), (0.66, 0.36)], BLACK, (0.05, 0.025), 220)
    nose = smooth([(1.2, -0.14), (1.4, -0.17), (1.5, -0.04), (1.43, 0.1), (1.28, 0.06)])
    pen.fill(head, nose, (36, 30, 32))
    pen.fill(head, oval(1.36, -0.1, 0.06, 0.03, corners=10), WHITE, 150)
    length = between(rng, 0.35, 0.85)
    lobe = [
        (-0.3, -0.66),
        (0.0, -0.55),
        (0.06, 0.0),
        (-0.04, length),
        (-0.36, length),
        (-0.6, 0.1),
        (-0.56, -0.45),
    ]
    outline = smooth(lobe)
    paint_shadow(sitter.canvas, head.place(outline), sitter.light, head.scale * 0.12, 110)
    paint_ear(rng, sitter, outline, fur)


def paint_cat_from_behind(rng: Generator, sitter: Sitter) -> None:
    """Paint the back of a cat's head: two pointed ears, the tips of its whiskers."""
    pen = Pen(sitter.canvas)
    for side in (-1.0, 1.0):
        for row in range(3):
            whisker = [
                (side * 0.7, 0.36),
                (side * 1.1, 0.3 + row * 0.1),
                (side * 1.4, 0.2 + row * 0.2),
            ]
            pen.stroke(sitter.head, whisker, (248, 246, 240), (0.03, 0.01), 220)
    paint_cat_ears(rng, sitter, ear_colour(rng, sitter.coat), seen_from_behind=True)
    paint_skull(rng, sitter, shape_cat_skull(rng))


def paint_dog_from_behind(rng: Generator, sitter: Sitter) -> None:
    """Paint the back of a dog's head: two ears that hang down its sides."""
    width = between(rng, 0.74, 0.86)
    paint_skull(rng, sitter, shape_dog_skull(rng, width))
    paint_hanging_ears(rng, sitter, ear_colour(rng, sitter.coat), width)
    line = [(0, -0.4), (0.02, 0.1), (0, 0.5)]
    Pen(sitter.canvas).stroke(sitter.head, line, lighter(sitter.coat.base, 0.2), (0.05, 0.02), 60)
