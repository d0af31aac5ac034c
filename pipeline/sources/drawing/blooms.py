"""The five flowers: in which forms and colours each blooms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.sources.drawing.chance import between, happens, pick
from pipeline.sources.drawing.colours import Colour, darker, lighter, vary
from pipeline.sources.drawing.cups import (
    paint_rose,
    paint_rose_from_the_side,
    paint_tulip,
)
from pipeline.sources.drawing.discs import (
    paint_clock,
    paint_daisy,
    paint_dandelion,
    paint_sunflower,
)
from pipeline.sources.drawing.pen import Frame, Generator
from pipeline.sources.drawing.petals import Dye, Easel

Palette = tuple[Colour, ...]

WHITES: Palette = ((250, 248, 242), (244, 240, 226))
YELLOWS: Palette = ((250, 206, 36), (248, 186, 24), (252, 226, 92), (240, 168, 30))
PINKS: Palette = ((240, 150, 178), (226, 92, 138), (248, 196, 204), (200, 70, 120))
REDS: Palette = ((204, 34, 44), (164, 22, 40), (222, 70, 52))
ORANGES: Palette = ((240, 128, 44), (246, 160, 96))
PURPLES: Palette = ((140, 80, 160), (190, 150, 210), (92, 40, 84))
SILVERS: Palette = ((232, 232, 228), (222, 218, 206))

_GOLD: Colour = (242, 182, 32)
_BROWN: Colour = (84, 52, 28)
_ANY = (REDS, PINKS, YELLOWS, WHITES, ORANGES, PURPLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bloom:
    """One form in which a flower is seen.

    Attributes:
        paint: Paints its head in a frame whose origin is the heart and whose unit is the radius.
        is_upright: Whether it is seen from the side, so that it must stay above its stem.
        palettes: The colours it grows in; one that stands twice is twice as frequent.
        heart: The colour of its middle.
        least_squash: How slanted a disc is seen at most: its short by its long axis.
    """

    paint: Callable[[Easel, Frame, Dye], None]
    is_upright: bool
    palettes: tuple[Palette, ...]
    heart: Colour = _GOLD
    least_squash: float = 0.5

    def choose_dye(self, rng: Generator) -> Dye:
        """Return the colours of one flower, or of all in a bed."""
        petal = vary(rng, pick(rng, pick(rng, self.palettes)), 12)
        deepens = happens(rng, 0.7)
        base = (
            darker(petal, between(rng, 0.15, 0.4))
            if deepens
            else lighter(petal, between(rng, 0.3, 0.6))
        )
        return Dye(petal=petal, base=base, heart=vary(rng, self.heart, 12))


_DAISY = Bloom(
    paint=paint_daisy,
    is_upright=False,
    palettes=(WHITES, WHITES, WHITES, PINKS, YELLOWS, PURPLES, ORANGES),
)
_DANDELION = Bloom(
    paint=paint_dandelion, is_upright=False, palettes=(YELLOWS,), heart=(236, 160, 20)
)
_CLOCK = Bloom(paint=paint_clock, is_upright=False, palettes=(SILVERS,), least_squash=0.9)
_ROSE = Bloom(paint=paint_rose, is_upright=False, palettes=_ANY, least_squash=0.75)
_ROSE_CUP = Bloom(paint=paint_rose_from_the_side, is_upright=True, palettes=_ANY)
_SUNFLOWER = Bloom(
    paint=paint_sunflower,
    is_upright=False,
    palettes=(YELLOWS, YELLOWS, YELLOWS, YELLOWS, ORANGES, ORANGES, REDS),
    heart=_BROWN,
)
_TULIP = Bloom(paint=paint_tulip, is_upright=True, palettes=_ANY)

BLOOMS: Mapping[str, tuple[Bloom, ...]] = MappingProxyType(
    {
        "daisy": (_DAISY,),
        "dandelion": (_DANDELION, _DANDELION, _DANDELION, _CLOCK),
        "rose": (_ROSE, _ROSE_CUP),
        "sunflower": (_SUNFLOWER,),
        "tulip": (_TULIP,),
    }
)
