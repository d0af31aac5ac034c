"""Pictures of cats and of dogs: one scene for both, so that only the animal itself tells which it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image

from pipeline.sources.drawing.backdrops import paint_backdrop
from pipeline.sources.drawing.bodies import (
    paint_bust,
    paint_collar,
    paint_lying,
    paint_mat,
    paint_sitting,
)
from pipeline.sources.drawing.camera import canvas_size, take_photo
from pipeline.sources.drawing.cats import paint_cat_head
from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.clutter import paint_clutter
from pipeline.sources.drawing.coats import any_coat
from pipeline.sources.drawing.dogs import paint_dog_head
from pipeline.sources.drawing.faces import Sitter
from pipeline.sources.drawing.light import any_light
from pipeline.sources.drawing.pen import Frame, Generator
from pipeline.sources.drawing.profiles import (
    paint_cat_from_behind,
    paint_cat_profile,
    paint_dog_from_behind,
    paint_dog_profile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """What tells one animal from the other: how its head is painted from each side, and its tail."""

    front: Callable[[Generator, Sitter], None]
    profile: Callable[[Generator, Sitter], None]
    behind: Callable[[Generator, Sitter], None]
    tail: str


SPECIES: Mapping[str, Species] = MappingProxyType(
    {
        "cat": Species(
            front=paint_cat_head,
            profile=paint_cat_profile,
            behind=paint_cat_from_behind,
            tail="long",
        ),
        "dog": Species(
            front=paint_dog_head,
            profile=paint_dog_profile,
            behind=paint_dog_from_behind,
            tail="short",
        ),
    }
)
_VIEWS = ("front",) * 14 + ("profile",) * 5 + ("behind",)
_BODIES: Mapping[str, Callable[[Generator, Sitter, Frame, str], None]] = MappingProxyType(
    {"bust": paint_bust, "sitting": paint_sitting, "lying": paint_lying}
)


def draw_pet(rng: Generator, label: str) -> bytes:
    """Return the JPEG of a picture of an animal, named as in `SPECIES`."""
    size = canvas_size(rng)
    canvas = paint_backdrop(rng, size, outdoors=0.45)
    view = pick(rng, _VIEWS)
    posture = pick(
        rng, ("bust", "bust", "sitting", "lying") if view != "behind" else ("bust", "sitting")
    )
    upright = _place_head(rng, size, posture)
    sitter = _seat(rng, canvas, upright, view)
    if posture != "bust" and happens(rng, 0.5):
        paint_mat(rng, sitter, upright, posture)
    _BODIES[posture](rng, sitter, upright, SPECIES[label].tail)
    if view == "front" and happens(rng, 0.3):
        paint_collar(rng, sitter, upright)
    paint_head: Callable[[Generator, Sitter], None] = getattr(SPECIES[label], view)
    paint_head(rng, sitter)
    if happens(rng, 0.4):
        paint_clutter(rng, canvas)
    return take_photo(rng, canvas)


def _place_head(rng: Generator, size: tuple[int, int], posture: str) -> Frame:
    """Return an upright frame for the head: near for a bust, now and then cut by the picture's edge."""
    width, height = size
    near = posture == "bust"
    reach = min(size) * (between(rng, 0.18, 0.38) if near else between(rng, 0.12, 0.19))
    spread = 0.42 if near and happens(rng, 0.3) else 0.2
    x = width * between(rng, 0.5 - spread, 0.5 + spread)
    y = height * (between(rng, 0.34, 0.62) if near else between(rng, 0.25, 0.44))
    return Frame.at(x, y, reach)


def _seat(rng: Generator, canvas: Image.Image, upright: Frame, view: str) -> Sitter:
    """Return an animal with a coat of its own, its head tilted, seen from the given side."""
    side = -1.0 if happens(rng, 0.5) else 1.0
    turned = upright.turned(between(rng, -26.0, 26.0)).scaled(between(rng, 0.92, 1.06), 1.0)
    return Sitter(
        canvas=canvas,
        head=turned.scaled(side, 1.0) if view == "profile" else turned,
        coat=any_coat(rng, has_bib=view != "behind"),
        light=any_light(rng),
        yaw=between(rng, -0.5, 0.5),
        pitch=between(rng, -0.2, 0.25),
    )
