"""The head of a cat: pointed ears, slit pupils, a small muzzle with a triangular nose, long whiskers."""

from pipeline.sources.drawing.chance import between, happens
from pipeline.sources.drawing.colours import BLACK, WHITE, Colour, darker, lighter, mix
from pipeline.sources.drawing.faces import (
    TONGUE,
    Sitter,
    any_eye_colour,
    ear_colour,
    paint_closed_eye,
    paint_ear,
    paint_glint,
    paint_skull,
    paint_tongue,
)
from pipeline.sources.drawing.pen import (
    Frame,
    Generator,
    Pen,
    Points,
    bend,
    mirrored,
    oval,
    smooth,
)

IRISES: tuple[Colour, ...] = (
    (150, 178, 70),
    (206, 178, 62),
    (110, 160, 200),
    (196, 130, 50),
    (120, 190, 150),
)
EAR_SKIN: Colour = (222, 164, 156)


def paint_cat_head(rng: Generator, sitter: Sitter) -> None:
    """Paint a cat's head where the sitter's head is."""
    paint_cat_ears(rng, sitter, ear_colour(rng, sitter.coat))
    paint_skull(rng, sitter, shape_cat_skull(rng))
    pen = Pen(sitter.canvas)
    _paint_muzzle(rng, pen, sitter)
    _paint_eyes(rng, pen, sitter)
    _paint_whiskers(rng, pen, sitter)


def shape_cat_skull(rng: Generator) -> Points:
    """Return the outline of a wide, short head, widest at the cheeks."""
    cheek = between(rng, 0.92, 1.06)
    chin = between(rng, 0.78, 0.9)
    right = [
        (0, -0.8),
        (0.4, -0.79),
        (0.78, -0.5),
        (cheek * 0.97, 0.0),
        (cheek, 0.34),
        (0.62, 0.68),
        (0.26, chin),
    ]
    return smooth(mirrored([*right, (0.0, chin + 0.04)]), 8)


def paint_cat_ears(
    rng: Generator, sitter: Sitter, fur: Colour, seen_from_behind: bool = False
) -> None:
    """Paint two pointed ears; from in front their pink insides show."""
    height, splay = between(rng, 1.3, 1.62), between(rng, 0.62, 0.92)
    for side in (-1.0, 1.0):
        twitch = between(rng, -0.08, 0.08)
        tip = (side * (splay + twitch), -height)
        outer = smooth(
            [
                (side * 0.14, -0.6),
                (side * 0.4, -1.02),
                tip,
                (side * 1.0, -0.85),
                (side * 0.97, -0.15),
            ],
            6,
        )
        paint_ear(rng, sitter, outer, fur)
        if not seen_from_behind:
            _paint_inner_ear(rng, sitter, side, tip, fur)


def _paint_inner_ear(
    rng: Generator, sitter: Sitter, side: float, tip: tuple[float, float], fur: Colour
) -> None:
    """Paint the skin inside an ear and the tuft in front of it."""
    pen, skin = Pen(sitter.canvas), mix(EAR_SKIN, fur, between(rng, 0.1, 0.6))
    frame = sitter.head.moved(sitter.yaw * 0.08, 0.0)
    inside = [(side * 0.34, -0.68), (side * 0.5, -0.98), (tip[0] * 0.99, tip[1] + 0.16)]
    inside += [(side * 0.88, -0.82), (side * 0.84, -0.42)]
    pen.fill(frame, smooth(inside), darker(skin, 0.12))
    pen.fill(frame.moved(side * 0.04, 0.05), smooth(inside), skin, 150)
    for hair in range(7):
        root = (side * (0.32 + hair * 0.06), -0.56)
        end = (side * (0.42 + hair * 0.06), -0.86 - 0.03 * (hair % 3))
        pen.stroke(frame, [root, end], mix(sitter.coat.pale, fur, 0.35), (0.06, 0.01), 200)


def _paint_muzzle(rng: Generator, pen: Pen, sitter: Sitter) -> None:
    """Two puffs, a chin, a small triangular nose, a mouth like a w."""
    frame = sitter.standing_out(0.34)
    pale = sitter.coat.pale
    pen.fill(sitter.standing_out(0.24), oval(0, 0.66, 0.2, 0.16), pale, 220)
    mouth = happens(rng, 0.22)
    if mouth:
        pen.fill(
            frame, smooth([(-0.2, 0.5), (0.2, 0.5), (0.12, 0.76), (-0.12, 0.76)]), (110, 40, 48)
        )
        pen.fill(frame, oval(0, 0.68, 0.1, 0.06), TONGUE)
    for side in (-1.0, 1.0):
        pen.fill(frame, oval(side * 0.18, 0.43, 0.24, 0.18), darker(pale, 0.2), 90)
        pen.fill(frame, oval(side * 0.17, 0.41, 0.22, 0.165), pale, 235)
    line = darker(sitter.coat.nose, 0.5)
    if not mouth and happens(rng, 0.1):
        paint_tongue(pen, frame.moved(0, 0.52), 0.17, 0.17)
    pen.stroke(frame, [(0, 0.28), (0.005, 0.4), (0, 0.46)], line, (0.03, 0.03))
    for side in (-1.0, 1.0):
        pen.stroke(
            frame, [(0, 0.45), (side * 0.1, 0.55), (side * 0.25, 0.52)], line, (0.035, 0.015)
        )
    nose = smooth(
        [(-0.13, 0.19), (0, 0.17), (0.13, 0.19), (0.09, 0.27), (0, 0.33), (-0.09, 0.27)], 4
    )
    pen.fill(frame, nose, sitter.coat.nose)
    pen.edge(frame, nose, darker(sitter.coat.nose, 0.5), 150)
    pen.fill(frame, oval(-0.04, 0.21, 0.045, 0.018, corners=10), WHITE, 120)


def _paint_eyes(rng: Generator, pen: Pen, sitter: Sitter) -> None:
    """Two large slanted almonds with upright pupils; now and then both closed."""
    frame = sitter.standing_out(0.18)
    iris = any_eye_colour(rng, IRISES)
    slit, size = between(rng, 0.025, 0.11), between(rng, 0.92, 1.12)
    slant, asleep = between(rng, -18.0, -6.0), happens(rng, 0.07)
    for side in (-1.0, 1.0):
        eye = frame.moved(side * 0.43, -0.1).scaled(side * size, size)
        if asleep:
            paint_closed_eye(pen, eye, 0.18)
        else:
            _paint_almond(pen, eye.turned(slant), iris, slit, side)


def _paint_almond(pen: Pen, eye: Frame, iris: Colour, slit: float, side: float) -> None:
    """Paint one eye at the origin of its frame, its inner corner at the left and low."""
    almond = smooth(
        [(-0.26, 0.08), (-0.12, -0.12), (0.08, -0.17), (0.24, -0.06), (0.12, 0.13), (-0.1, 0.15)]
    )
    pen.fill(eye.scaled(1.16), almond, BLACK)
    pen.fill(eye, almond, iris)
    pen.fill(eye.moved(0, 0.04).scaled(0.72), almond, lighter(iris, 0.4), 120)
    pen.fill(eye, smooth([(0, -0.155), (slit, 0), (0, 0.14), (-slit, 0)]), BLACK)
    pen.stroke(
        eye, bend([(-0.24, 0.02), (-0.1, -0.13), (0.08, -0.17), (0.25, -0.06)]), BLACK, (0.04, 0.05)
    )
    paint_glint(pen, eye.scaled(side, 1.0), 0.17)


def _paint_whiskers(rng: Generator, pen: Pen, sitter: Sitter) -> None:
    """Three or four long whiskers a side, and two over each eye."""
    frame = sitter.standing_out(0.34)
    colour = (250, 248, 240) if happens(rng, 0.75) else (60, 54, 54)
    reach = between(rng, 0.95, 1.35)
    for side in (-1.0, 1.0):
        for row in range(int(rng.integers(3, 5))):
            root = (side * 0.24, 0.37 + row * 0.05)
            end = (
                side * reach * between(rng, 0.9, 1.1),
                0.12 + row * 0.2 + between(rng, -0.06, 0.06),
            )
            middle = ((root[0] + end[0]) / 2, (root[1] + end[1]) / 2 - 0.09)
            pen.stroke(frame, [root, middle, end], colour, (0.034, 0.012), 235)
            pen.fill(frame, oval(*root, 0.018, corners=8), BLACK, 140)
        for root_u in (0.4, 0.5):
            brow = [
                (side * root_u, -0.32),
                (side * (root_u + 0.08), -0.6),
                (side * (root_u + 0.22), -0.85),
            ]
            pen.stroke(frame, brow, colour, (0.026, 0.01), 200)
