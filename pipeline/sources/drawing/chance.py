"""The few ways in which drawings throw dice, each from the generator it is given and from nothing else."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """Return one of the items, each as likely as the others."""
    return items[int(rng.random() * len(items))]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number drawn evenly from `low..high`."""
    return low + (high - low) * float(rng.random())


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Return true with the given probability."""
    return float(rng.random()) < probability
