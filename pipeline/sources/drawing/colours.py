"""Colours as triples of whole numbers, and the few things that drawings do with them."""

import numpy as np

Colour = tuple[int, int, int]

BLACK: Colour = (18, 16, 18)
WHITE: Colour = (250, 249, 246)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour a `share` (0..1) of the way from the first to the second."""
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


def lighter(colour: Colour, share: float) -> Colour:
    """Return a colour a `share` (0..1) of the way to white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float) -> Colour:
    """Return a colour a `share` (0..1) of the way to a warm black."""
    return mix(colour, (12, 8, 10), share)


def vary(rng: np.random.Generator, colour: Colour, amount: int) -> Colour:
    """Return a colour near another: each channel moved by at most `amount`, brightness by as much again."""
    dice, reach = rng.random, 2 * amount
    shift = (dice() - 0.5) * reach
    return (
        min(255, max(0, round(colour[0] + shift + (dice() - 0.5) * reach))),
        min(255, max(0, round(colour[1] + shift + (dice() - 0.5) * reach))),
        min(255, max(0, round(colour[2] + shift + (dice() - 0.5) * reach))),
    )


def any_colour(rng: np.random.Generator, low: int = 30, high: int = 235) -> Colour:
    """Return a colour whose channels are drawn evenly from `low..high`, then more or less dulled."""
    red, green, blue = rng.integers(low, high + 1, size=3).tolist()
    grey = (red + green + blue) // 3
    return mix((red, green, blue), (grey, grey, grey), 0.75 * float(rng.random()))
