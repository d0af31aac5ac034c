"""How unlike the rest of its class an image is."""

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.rows import Float, Rows
from pipeline.inspection.neighbours import MOST_KNOWN, find_nearest
from pipeline.inspection.sampling import draw_evenly

# The 20th: as many images that do not belong, but look alike, vouch for one another. By the distance
# from the class's mean, and by Mahalanobis', fewer of those mixed in are found (benchmarks/suspects.py).
NEIGHBOURS = 20
DEVIATIONS = 3.0
NORMAL = 1.4826  # the deviation of a normal distribution, in median absolute deviations


def measure_outliers(rows: Rows) -> Float:
    """Return each image's distance from its class, float64 `(n,)`, 0..2: 1 - cosine to the 20th nearest.

    Its own group does not count. In a class of fewer than 41 images it is the one in the middle;
    0 where all of a class is one group. In a class of more than 50,000 the neighbours are looked for
    among so many.

    Args:
        rows: Features of length 1.

    Reference:
        Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors" (arXiv:2204.06507).
    """
    distances = np.zeros(len(rows))
    for label in np.unique(rows.labels):
        own = rows.take(rows.labels == label)
        count = max(1, min(NEIGHBOURS, (len(own) - 1) // 2))
        is_large = len(own) > MOST_KNOWN
        known = own.take(draw_evenly(own.labels, MOST_KNOWN)) if is_large else own
        _, cosines = find_nearest(own, known, count)
        cosines = np.where(np.isfinite(cosines), cosines, np.inf).min(axis=1)
        distances[rows.labels == label] = np.where(np.isfinite(cosines), 1 - cosines, 0)
    return distances


def mark_outliers(distances: Float, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which distances `(n,)` stand out in their class: bool `(n,)`.

    Those more than three deviations above the median, both robust: outliers do not hide one another.
    """
    marks = np.zeros(len(distances), np.bool_)
    for label in np.unique(labels):
        own = labels == label
        above = distances[own] - np.median(distances[own])
        marks[own] = above > DEVIATIONS * NORMAL * np.median(np.abs(above)) + 1e-6
    return marks
