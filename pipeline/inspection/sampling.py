"""Some of many images, of each class its share."""

import numpy as np
from numpy.typing import NDArray

SEED = 7


def draw_evenly(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Draw at most so many images, of each class its share; return their rows in order."""
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    in_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    place = np.arange(len(labels)) - starts[labels[in_class]]
    share = (place + 0.5) / counts[labels[in_class]]  # how far through its class
    drawn: NDArray[np.int64] = np.sort(in_class[np.argsort(share, kind="stable")[:most]])
    return drawn
