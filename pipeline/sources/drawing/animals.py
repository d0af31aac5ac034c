"""Cats and dogs: one scene, one pose and one coat for both, so that only the animal tells which."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipeline.sources.drawing.canvas import Canvas, Frame, copies, mirrored, oval, ribbon, smooth
from pipeline.sources.drawing.sampling import Colour, Palette, Points, Sampler, darker, lighter, mix
from pipeline.sources.drawing.scenery import photograph

_DARK_FURS: Palette = ((44, 40, 42), (112, 112, 118), (120, 80, 52), (84, 58, 46))
_PALE_FURS: Palette = ((170, 166, 160), (206, 128, 60), (226, 196, 150), (238, 234, 226))
_PATTERNS = ("plain", "stripes", "stripes", "patches", "patches", "spots", "mask", "blaze", "blaze")
_NOSES: Palette = ((40, 32, 34), (196, 120, 118), (120, 70, 66), (60, 46, 44))
_CAT_IRISES: Palette = ((150, 178, 70), (206, 178, 62), (110, 160, 200), (90, 170, 180))
_DOG_IRISES: Palette = ((92, 56, 32), (64, 40, 28), (130, 84, 40), (160, 110, 60))
_BLACK, _WHITE, _SKIN = (18, 16, 18), (250, 249, 246), (214, 156, 148)
_THROAT, _TONGUE = (100, 36, 44), (224, 116, 122)
_BRISTLES: Palette = ((250, 248, 240), (250, 248, 240), (60, 54, 54))
_SIDES = (-1.0, 1.0)

# The head is about 2 units wide; outlines that are not symmetric are those of its right half.
_CAT_SKULL = mirrored("0,-0.8 0.4,-0.79 0.78,-0.5 0.97,0 1,0.34 0.62,0.68 0.26,0.85 0,0.9")
_CAT_EAR = smooth("0.14,-0.6 0.4,-1.02 0.76,-1.46 1,-0.85 0.97,-0.15")
_CAT_EAR_INSIDE = smooth("0.34,-0.68 0.5,-0.98 0.75,-1.3 0.88,-0.82 0.84,-0.42")
_CAT_EYE = smooth("-0.26,0.08 -0.12,-0.12 0.08,-0.17 0.24,-0.06 0.12,0.13 -0.1,0.15")
_CAT_NOSE = mirrored("0,-0.06 0.13,-0.04 0.09,0.04 0,0.1")
_DOG_SKULL = mirrored("0,-0.84 0.42,-0.82 0.72,-0.5 0.77,-0.08 0.66,0.3 0.5,0.66 0.3,0.86 0,0.92")
_HANGING_EAR = smooth("0.4,-0.84 0.7,-0.86 1.05,-0.5 1.1,0.2 1,0.55 0.75,0.5 0.7,0 0.66,-0.42")
_FOLDED_EAR = smooth("0.3,-0.85 0.56,-1.08 0.86,-1 1.06,-0.35 0.62,-0.62")
_STANDING_EAR = smooth("0.1,-0.72 0.24,-1.2 0.58,-1.6 0.74,-1.15 0.77,-0.4")
_LOW_EARS = (_HANGING_EAR, _HANGING_EAR, _FOLDED_EAR)
_DOG_EARS = (*_LOW_EARS, _STANDING_EAR)
_MUZZLE = mirrored("0,-0.1 0.24,0 0.39,0.3 0.43,0.55 0.28,0.9 0,0.86")
_DOG_NOSE = mirrored("0,-0.15 0.15,-0.14 0.22,-0.02 0.12,0.1 0,0.15")
_TONGUE_OUTLINE = mirrored("0,-0.05 0.5,0 0.56,0.6 0.36,0.95 0,1.05")
_BLAZE = mirrored("0,-1.2 0.1,-0.9 0.1,-0.3 0.3,0.05 0.6,0.5 0.6,1.1 0,1.2")


class Posture(NamedTuple):
    """A body below a head: its trunk, its other parts, its paws, where its tail begins, its rug."""

    trunk: Points
    limbs: Sequence[Points]
    paws: Sequence[tuple[float, float]]
    tail: tuple[float, float]
    rug: Points


_LEG = smooth("0.06,1.4 0.5,1.5 0.5,2.4 0.56,3 0.3,3.14 0.04,3 0.1,2.3")
_BUST = mirrored("0,0 0.5,0.1 0.62,0.7 1.2,1.5 1.34,2.6 1.2,5 0,5")
_SITTING = mirrored("0,0.1 0.5,0.3 0.62,0.9 0.8,1.5 1.15,2.3 1.17,2.85 0.5,3.05 0,3")
_LYING = smooth("-0.75,0.7 -0.3,0.15 0.8,0 1.9,-0.05 2.6,0.5 2.75,1.3 2.3,1.75 -0.6,1.75 -0.95,1.3")
_PARTS = (oval(2, 1.15, 0.72, 0.62), oval(-0.5, 1.45, 0.33, 0.42), oval(0.35, 1.45, 0.33, 0.42))
_SITTING_PAWS = ((0.3, 3.02), (-0.3, 3.02), (1.0, 2.98), (-1.0, 2.98))
_LYING_PAWS = ((2.0, 1.72), (-0.56, 1.74), (0.29, 1.74))
_NEAR = Posture(_BUST, (), (), (0.9, 2.6), oval(0, 4.5, 2, 0.6))
_FAR = (
    Posture(_SITTING, (_LEG, _LEG * (-1, 1)), _SITTING_PAWS, (0.95, 2.7), oval(0, 3.05, 1.5, 0.4)),
    Posture(_LYING, _PARTS, _LYING_PAWS, (2.5, 1.4), oval(0.9, 1.75, 2.3, 0.4)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Animal:
    """An animal about to be painted: where its head is, how that is turned, what it wears."""

    rng: Sampler
    canvas: Canvas
    head: Frame
    turn: tuple[float, float]
    base: Colour
    marking: Colour
    pale: Colour
    nose: Colour
    pattern: str

    def standing_out(self, depth: float) -> Frame:
        """Return the frame of features that stand out of the face by `depth` units."""
        return self.head.moved(self.turn[0] * depth, self.turn[1] * depth)

    def paint_fur(self, frame: Frame, outline: Points, colour: Colour, shadow: float = 0) -> Points:
        """Paint a part in plain fur and the shadow that it throws; return its ruffled outline."""
        if shadow:
            self.canvas.shadow(frame, outline, shadow)
        ruffled = outline + self.rng.places(len(outline)) * 0.03
        self.canvas.fill(frame, ruffled, colour)
        self.canvas.shade(frame, ruffled)
        return ruffled


Species = tuple[Callable[[Animal], None], Points]  # what paints its head; the outline of its tail


def draw_animal(rng: Sampler, label: str) -> bytes:
    """Return the JPEG of an image of one animal, named as in `SPECIES`."""
    return photograph(rng, partial(_paint_animal, species=SPECIES[label]), outdoors=0.45)


def _paint_animal(rng: Sampler, canvas: Canvas, species: Species) -> None:
    """Paint an animal: near and now and then cut by the edge, or all of it from farther away."""
    paint_head, tail = species
    base, pattern = rng.near(rng.pick(_DARK_FURS + _PALE_FURS), 16), rng.pick(_PATTERNS)
    other = rng.near(rng.pick(_DARK_FURS + _PALE_FURS), 12)
    if rng.happens(0.5):
        posture, reach = _NEAR, rng.between(0.17, 0.36)
        upright = canvas.frame(rng.between(0.14, 0.86), rng.between(0.28, 0.7), reach)
    else:
        posture, reach = rng.pick(_FAR), rng.between(0.14, 0.21)
        upright = canvas.frame(rng.between(0.18, 0.82), rng.between(0.22, 0.52), reach)
    animal = Animal(
        rng=rng,
        canvas=canvas,
        head=upright.turned(rng.between(-26, 26)).scaled(rng.between(0.92, 1.06), 1.0),
        turn=(rng.between(-0.6, 0.6), rng.between(-0.25, 0.3)),
        base=base,
        marking=darker(base, rng.between(0.4, 0.7)) if pattern == "stripes" else other,
        pale=_WHITE if pattern == "blaze" else lighter(base, max(0.0, rng.between(-0.2, 0.8))),
        nose=rng.pick(_NOSES),
        pattern=pattern,
    )
    body = upright.scaled(rng.pick(_SIDES) * rng.between(0.9, 1.1), 1.0)
    _paint_body(animal, body, posture, tail)
    if rng.happens(0.3):
        band = "-0.64,0.62 -0.4,0.98 0,1.12 0.4,0.98 0.64,0.62"
        canvas.stroke(upright, band, rng.colour(20, 230), (0.17, 0.17))
        canvas.fill(upright, oval(0, 1.28, 0.13, 0.13), rng.pick(((218, 184, 84), (190, 190, 196))))
    paint_head(animal)


def _paint_body(animal: Animal, frame: Frame, posture: Posture, tail: Points) -> None:
    """Paint what is below the head: now and then a rug, the tail, the trunk, the limbs."""
    rng, canvas = animal.rng, animal.canvas
    if rng.happens(0.4):
        canvas.fill(frame, posture.rug * (rng.between(1.2, 1.8), 1.0), rng.colour())
    canvas.shadow(frame, posture.rug, 0.3, 150)
    root = frame.moved(*posture.tail).scaled(rng.between(0.8, 1.2), rng.between(0.7, 1.1))
    animal.paint_fur(root, tail, animal.base)
    _paint_coat(animal, frame, posture.trunk, is_head=False)
    for limb in posture.limbs:
        animal.paint_fur(frame, limb, animal.base)
    fur = animal.pale if animal.pattern == "blaze" else lighter(animal.base, 0.08)
    for u, v in posture.paws:
        animal.paint_fur(frame, oval(u, v, 0.32, 0.17), fur)
        for toe in (u - 0.11, u, u + 0.11):
            canvas.stroke(frame, [(toe, v), (toe, v + 0.13)], darker(fur, 0.6), (0.035, 0.035))


def _paint_coat(animal: Animal, frame: Frame, outline: Points, is_head: bool) -> None:
    """Paint a head or a trunk in the animal's coat: its fur, and on that its markings and hairs."""
    rng, canvas = animal.rng, animal.canvas
    ruffled = animal.paint_fur(frame, outline, animal.base, 0.35 if is_head else 0.0)
    low, high = outline.min(axis=0), outline.max(axis=0)
    place = frame.moved(*((low + high) / 2).tolist()).scaled(*((high - low) / 2).tolist())
    with canvas.inside(frame, ruffled):
        _paint_markings(animal, place, is_head)
        roots = rng.places(120)
        tips = roots + (roots * 0.8 + rng.places(120) * 0.4) * rng.between(0.1, 0.25)
        for part, shade in enumerate((lighter(animal.base, 0.45), darker(animal.base, 0.4))):
            canvas.hairs(place, roots[part::2], tips[part::2], shade, 90)


def _paint_markings(animal: Animal, frame: Frame, is_head: bool) -> None:
    """Paint the pattern of a coat over the part that lies in -1..1 of a frame."""
    rng, canvas, colour = animal.rng, animal.canvas, animal.marking
    if animal.pattern == "stripes":
        for brow in (-0.42, -0.21, 0.0, 0.21, 0.42) if is_head else ():
            path = [(brow * 1.3, -1.05), (brow, -0.75), (brow * 0.8, -0.45)]
            canvas.stroke(frame, path, colour, (rng.between(0.1, 0.16), 0.03))
        for rib in (-0.35, -0.08, 0.18, 0.44, 0.7):
            for side in _SIDES:
                path = [(side * 1.1, rib - 0.08), (side * 0.85, rib), (side * 0.55, rib + 0.05)]
                canvas.stroke(frame, path, colour, (rng.between(0.1, 0.18), 0.02))
    elif animal.pattern in ("patches", "spots"):
        count, size = (3, 0.45) if animal.pattern == "patches" else (20, 0.1)
        blot = smooth(oval(0, 0, 1, 1, 8) + rng.places(8) * 0.3, 3)
        sizes, places = size * (1.0 + rng.places(count) * 0.4), rng.places(count)[:, None, :]
        blots = copies(blot, rng.uniform(0, 360, count), sizes, places)
        canvas.fill_each(frame, blots, [colour] * count)
    elif animal.pattern == "mask" and is_head:
        for ring in (0.8, 0.7, 0.6, 0.5):
            canvas.fill(frame, oval(0, 0.3, ring, ring), colour, 80)
    elif animal.pattern == "blaze":
        canvas.fill(frame, _BLAZE if is_head else oval(0, -0.2, 0.4, 0.6), animal.pale)


def _paint_eye(canvas: Canvas, frame: Frame, eye: Points, pupil: Points, iris: Colour) -> None:
    """Paint a wet eye at the origin of a frame."""
    canvas.fill(frame.scaled(1.2, 1.2), eye, _BLACK)
    canvas.fill(frame, eye, iris)
    canvas.fill(frame.moved(0, 0.03).scaled(0.7, 0.7), eye, lighter(iris, 0.4), 120)
    canvas.fill(frame, pupil, _BLACK)
    canvas.fill(frame, oval(0.04, -0.06, 0.035, 0.035, 10), _WHITE)


def _paint_cat_head(animal: Animal) -> None:
    """Paint pointed ears, slanted eyes, a small muzzle with a triangular nose, whiskers."""
    rng, canvas, head, pale = animal.rng, animal.canvas, animal.head, animal.pale
    fur, height = darker(animal.base, rng.between(0.0, 0.3)), rng.between(0.9, 1.1)
    for side in _SIDES:
        ear = head.scaled(side * rng.between(0.9, 1.05), height)
        animal.paint_fur(ear, _CAT_EAR, fur, shadow=0.12)
        canvas.fill(ear, _CAT_EAR_INSIDE, mix(darker(fur, 0.2), _SKIN, rng.between(0.0, 0.3)))
    _paint_coat(animal, head, _CAT_SKULL, is_head=True)
    snout, line = animal.standing_out(0.34), darker(animal.nose, 0.5)
    canvas.fill(animal.standing_out(0.24), oval(0, 0.66, 0.2, 0.16), pale, 220)
    if rng.happens(0.22):
        canvas.fill(snout, oval(0, 0.62, 0.16, 0.16), _THROAT)
        canvas.fill(snout, oval(0, 0.7, 0.1, 0.06), _TONGUE)
    pupil, iris = oval(0, 0, rng.between(0.03, 0.1), 0.14), rng.near(rng.pick(_CAT_IRISES), 14)
    slant, reach, bristle = rng.between(-18, -6), rng.between(0.95, 1.35), rng.pick(_BRISTLES)
    for side in _SIDES:
        half = snout.scaled(side, 1.0)
        canvas.fill(half, oval(0.18, 0.43, 0.24, 0.18), darker(pale, 0.2), 90)
        canvas.fill(half, oval(0.17, 0.41, 0.22, 0.165), pale, 235)
        canvas.stroke(half, "0,0.28 0,0.45 0.1,0.55 0.25,0.52", line, (0.035, 0.015))
        eye = animal.standing_out(0.18).scaled(side, 1.0).moved(0.43, -0.1).turned(slant)
        _paint_eye(canvas, eye, _CAT_EYE, pupil, iris)
        for row in (0.0, 0.05, 0.1, 0.15):
            whisker = [(0.22, 0.37 + row), (reach * 0.6, 0.25 + row * 2), (reach, 0.17 + row * 4)]
            canvas.stroke(half, whisker, bristle, (0.034, 0.012))
    canvas.fill(snout.moved(0, 0.23).scaled(1.15, 1.15), _CAT_NOSE, line)
    canvas.fill(snout.moved(0, 0.23), _CAT_NOSE, animal.nose)


def _paint_dog_head(animal: Animal) -> None:
    """Paint ears that hang, fold or stand, round dark eyes and a long muzzle."""
    rng, canvas, head = animal.rng, animal.canvas, animal.head
    ears = _LOW_EARS if animal.pattern == "stripes" else _DOG_EARS  # else it passes for a cat
    ear, height = rng.pick(ears), rng.between(0.8, 1.15)
    fur = darker(rng.pick((animal.base, animal.marking)), rng.between(0.0, 0.3))
    _paint_coat(animal, head, _DOG_SKULL, is_head=True)
    for side in _SIDES:
        animal.paint_fur(head.scaled(side, height), ear, fur, shadow=0.12)
    radius, iris = rng.between(0.1, 0.135), rng.near(rng.pick(_DOG_IRISES), 14)
    eye, pupil, apart = oval(0, 0, radius, radius), oval(0, 0, 0.07, 0.07), rng.between(0.31, 0.37)
    for side in _SIDES:
        place = animal.standing_out(0.16).scaled(side, 1.0).moved(apart, -0.2)
        _paint_eye(canvas, place, eye, pupil, iris)
    _paint_dog_muzzle(animal)


def _paint_dog_muzzle(animal: Animal) -> None:
    """Paint a muzzle that stands out of the face, a big nose on it, mouth and tongue below."""
    rng, canvas, nose, pale = animal.rng, animal.canvas, animal.nose, animal.pale
    frame = animal.standing_out(0.5).scaled(rng.between(0.95, 1.2), rng.between(0.95, 1.15))
    if rng.happens(0.55):
        jaw = frame.moved(0, 0.8)
        canvas.fill(jaw, oval(0, 0, 0.31, 0.3), darker(pale, 0.15))
        canvas.fill(jaw, oval(0, 0, 0.26, 0.25), _THROAT)
        tongue = jaw.scaled(0.3, rng.between(0.2, 0.5))
        canvas.fill(tongue, _TONGUE_OUTLINE, _TONGUE)
        canvas.stroke(tongue, "0,0 0.02,0.4 0,0.8", darker(_TONGUE, 0.35), (0.1, 0.03))
    animal.paint_fur(frame, _MUZZLE, lighter(pale, 0.05), shadow=0.1)
    for side in _SIDES:
        half = frame.scaled(side, 1.0)
        canvas.stroke(half, "0,0.2 0,0.48 0.22,0.62 0.4,0.46", darker(nose, 0.6), (0.045, 0.02))
    tip = animal.standing_out(0.62).moved(0, 0.15)
    colour = nose if rng.happens(0.15) else (36, 30, 32)
    canvas.fill(tip, _DOG_NOSE, colour)
    canvas.fill(tip, oval(-0.02, -0.08, 0.1, 0.035), lighter(colour, 0.5))
    for side in _SIDES:
        canvas.fill(tip, oval(side * 0.1, 0.03, 0.05, 0.032), darker(colour, 0.75))


_LONG_TAIL = ribbon("-0.4,0.1 0.5,0.15 0.9,-0.5 0.8,-1.3 1.1,-1.8", (0.34, 0.26))
_SHORT_TAIL = ribbon("-0.4,0 0.3,-0.2 0.6,-0.7 0.6,-1.1", (0.42, 0.12))
SPECIES: Mapping[str, Species] = {
    "cat": (_paint_cat_head, _LONG_TAIL),
    "dog": (_paint_dog_head, _SHORT_TAIL),
}
