"""Random choices, all from one generator: numbers, items, places, and the colours of things."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Palette = tuple[Colour, ...]
Points = NDArray[np.float64]
Item = TypeVar("Item")


class Sampler(np.random.Generator):
    """A generator that knows the few ways in which drawings vary at random."""

    def between(self, low: float, high: float) -> float:
        """Return a number drawn evenly from `low..high`."""
        return low + (high - low) * float(self.random())

    def whole(self, low: int, high: int) -> int:
        """Return a whole number drawn evenly from `low..high`, both included."""
        return int(self.integers(low, high + 1))

    def happens(self, probability: float) -> bool:
        """Return true with the given probability."""
        return float(self.random()) < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items, each as likely as the others."""
        return items[int(self.random() * len(items))]

    def places(self, count: int) -> Points:
        """Return points `(count, 2)` drawn evenly from the square -1..1."""
        return 2.0 * self.random((count, 2)) - 1.0

    def colour(self, low: int = 30, high: int = 235) -> Colour:
        """Return a colour whose channels are drawn from `low..high`, then more or less dulled."""
        red, green, blue = self.integers(low, high + 1, size=3).tolist()
        grey = (red + green + blue) // 3
        return mix((red, green, blue), (grey, grey, grey), self.between(0.0, 0.75))

    def near(self, colour: Colour, amount: int) -> Colour:
        """Return a colour whose brightness and channels each differ by at most `amount`."""
        return self.variants([colour], 1, amount)[0]

    def variants(self, colours: Sequence[Colour], count: int, amount: int) -> list[Colour]:
        """Return the colours in turn, `count` times over, each changed as by `near`."""
        shifts = (2.0 * self.random((count * len(colours), 4)) - 1.0) * amount
        levels = np.array([*colours] * count) + shifts[:, :1] + shifts[:, 1:]
        whole = np.rint(np.minimum(np.maximum(levels, 0), 255)).astype(int)
        return [(red, green, blue) for red, green, blue in whole.tolist()]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour a `share` (0..1) of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighter(colour: Colour, share: float) -> Colour:
    """Return a colour a `share` (0..1) of the way to white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float) -> Colour:
    """Return a colour a `share` (0..1) of the way to a warm black."""
    return mix(colour, (12, 8, 10), share)
