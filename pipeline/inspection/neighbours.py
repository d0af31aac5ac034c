"""The nearest images in features, by cosine, those of an image's own group left out."""

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.cores import on_all_cores
from pipeline.heads.rows import Rows

NONE = -1
# Images that others are compared with: of more, each class has its share. So the time grows with the
# images, not with their square; the nearest of those is then taken for the nearest of all.
MOST_KNOWN = 50_000
CELLS = 1 << 22  # cosines that a core holds at once: 16 MB in float32


def find_nearest(
    asked: Rows, known: Rows, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find for each image asked about the nearest known ones of other groups.

    Some images at a time are compared with all known ones, so memory stays bounded; the time
    grows with both numbers, so that there should be `MOST_KNOWN` known ones at most.

    Args:
        asked: Features of length 1.
        known: Likewise.
        count: How many, 1 or more.

    Returns:
        int64 `(n, count)`, rows of `known`, nearest first, of equals the first; and their cosines,
        float32. Where there are fewer, the rest is `NONE`, with a cosine of -inf.
    """
    _, codes = np.unique(np.concatenate([asked.groups, known.groups]), return_inverse=True)
    own, others = codes[: len(asked)], codes[len(asked) :]
    step = max(1, CELLS // max(1, len(known)))

    def find(start: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        part = slice(start, start + step)
        cosines = asked.features[part] @ known.features.T
        cosines[own[part, None] == others] = -np.inf
        return _largest(cosines, count)

    found = list(on_all_cores(find, range(0, len(asked), step)))
    return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])


def _largest(
    cosines: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return columns and values of the largest of each row, in order; padded to `count`."""
    most = min(count, cosines.shape[1])
    columns = np.sort(np.argpartition(-cosines, most - 1, axis=1)[:, :most], axis=1)
    values = np.take_along_axis(cosines, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    places = np.full((len(cosines), count), NONE)
    found = np.full((len(cosines), count), -np.inf, np.float32)
    places[:, :most] = np.take_along_axis(columns, order, axis=1)
    found[:, :most] = np.take_along_axis(values, order, axis=1)
    places[np.isneginf(found)] = NONE
    return places, found
