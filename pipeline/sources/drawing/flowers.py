"""Pictures of flowers: how many, where, how near, and seen from the side or from above."""

from pipeline.sources.drawing.backdrops import paint_backdrop
from pipeline.sources.drawing.blooms import BLOOMS, Bloom
from pipeline.sources.drawing.camera import canvas_size, take_photo
from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.clutter import paint_clutter
from pipeline.sources.drawing.leaves import any_green, paint_plant
from pipeline.sources.drawing.light import any_light, paint_shadow
from pipeline.sources.drawing.pen import Frame, Generator, Pen, oval
from pipeline.sources.drawing.petals import Easel

_COUNTS = (1, 1, 1, 2, 3, 4, 5, 7)  # how many blooms a picture may hold


def draw_flower(rng: Generator, label: str) -> bytes:
    """Return the JPEG of a picture of one kind of flower, named as in `BLOOMS`."""
    size = canvas_size(rng)
    canvas = paint_backdrop(rng, size, outdoors=0.7)
    easel = Easel(rng=rng, pen=Pen(canvas), light=any_light(rng))
    bloom, green = pick(rng, BLOOMS[label]), any_green(rng)
    dye, is_mixed = bloom.choose_dye(rng), happens(rng, 0.3)
    has_stems = bloom.is_upright or happens(rng, 0.7)
    for upright in _arrange(rng, size, (0.48, 0.86) if bloom.is_upright else (0.22, 0.66)):
        if has_stems:
            paint_plant(rng, easel.pen, upright, label, green)
        head = _tilt(rng, upright, bloom)
        paint_shadow(canvas, head.place(oval(0, 0, 0.85)), easel.light, head.scale * 0.3, 90)
        bloom.paint(easel, head, bloom.choose_dye(rng) if is_mixed else dye)
    if happens(rng, 0.35):
        paint_clutter(rng, canvas)
    return take_photo(rng, canvas)


def _arrange(rng: Generator, size: tuple[int, int], heights: tuple[float, float]) -> list[Frame]:
    """Return upright frames for the blooms of a picture, the farther (higher) ones first.

    `heights` is the range, as shares of the picture's height, in which their origins lie.
    """
    width, height = size
    count = pick(rng, _COUNTS)
    reach = min(size) * between(rng, 0.22, 0.42) / min(1.0 + 0.25 * (count - 1), 2.6)
    frames = []
    for number in range(count):
        x = width * (number + between(rng, 0.1, 0.9)) / count
        frames.append(Frame.at(x, height * between(rng, *heights), reach * between(rng, 0.8, 1.15)))
    return sorted(frames, key=lambda frame: frame.y)


def _tilt(rng: Generator, upright: Frame, bloom: Bloom) -> Frame:
    """Return a bloom's own frame: a cup leans a little, a disc is also seen at a slant."""
    if bloom.is_upright:
        return upright.turned(between(rng, -28.0, 28.0)).moved(0.0, -0.85)
    slanted = upright.turned(between(rng, -50.0, 50.0)).scaled(
        1.0, between(rng, bloom.least_squash, 1.0)
    )
    return slanted.turned(between(rng, 0.0, 360.0))
