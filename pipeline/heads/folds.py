"""Which training images are held out, to decide something without looking at val: the same each time."""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.rows import Rows

TRAINED_ON = -1  # the fold of rows that are never held out


def assign_holdout(rows: Rows, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Hold out about a fraction of the groups.

    Each group draws by its own hash, so another image changes no other's side, near-duplicates
    stay together and copies follow their parent.

    Returns:
        bool `(n,)`: is this row held out? None of a class all of whose groups were drawn.
    """
    return _spare_classes(rows, _draws(rows.groups, seed) < fraction)


def assign_folds(rows: Rows, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups into folds.

    Returns:
        int64 `(n,)`, `0 <= fold < folds`, or -1 for a class with all its groups in one fold: left
        out, nothing would be there to learn it from.
    """
    fold = (_draws(rows.groups, seed) * folds).astype(np.int64)
    for number in range(folds):
        drawn = fold == number
        fold[drawn & ~_spare_classes(rows, drawn)] = TRAINED_ON
    return fold


def _draws(groups: NDArray[np.bytes_], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each group, independent of the one that the split draws."""
    names, where = np.unique(groups, return_inverse=True)
    salt = f"fold {seed} ".encode()
    draws = [int.from_bytes(sha256(salt + name).digest()[:6]) / 2**48 for name in names.tolist()]
    return np.array(draws, np.float64)[where]


def _spare_classes(rows: Rows, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without the groups of classes that would have no row left."""
    left = np.bincount(rows.labels[~held_out], minlength=rows.classes)
    spared = np.unique(rows.groups[left[rows.labels] == 0])
    return held_out & ~np.isin(rows.groups, spared)
