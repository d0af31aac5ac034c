"""Which images are held out or left out, group by group: the same each time."""

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
    return _spare_classes(rows, _draws(rows.groups, f"fold {seed}") < fraction)


def assign_folds(rows: Rows, folds: int, seed: int, salt: str = "fold") -> NDArray[np.int64]:
    """Assign groups to folds.

    Args:
        rows: Whose groups.
        folds: How many.
        seed: Another assigns them anew.
        salt: Folds around fits that hold out images themselves, by the same seed, need another:
            else a fit might find all the images that it would hold out held out already.

    Returns:
        int64 `(n,)`, `0 <= fold < folds`, or -1 for a class with all its groups in one fold: left
        out, nothing would be there to learn it from.
    """
    fold = (_draws(rows.groups, f"{salt} {seed}") * folds).astype(np.int64)
    for number in range(folds):
        drawn = fold == number
        fold[drawn & ~_spare_classes(rows, drawn)] = TRAINED_ON
    return fold


def draw_share(rows: Rows, fraction: float) -> NDArray[np.bool_]:
    """Draw about a fraction of the groups, at least one of each class.

    A larger fraction has all of a smaller one.

    Returns:
        bool `(n,)`: is this row drawn?
    """
    draws = _draws(rows.groups, "share")
    drawn = draws < fraction
    for label in np.unique(rows.labels):
        drawn |= draws == draws[rows.labels == label].min()
    return drawn


def _draws(groups: NDArray[np.bytes_], salt: str) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each group, independent of those with another salt."""
    names, where = np.unique(groups, return_inverse=True)
    start = f"{salt} ".encode()
    draws = [int.from_bytes(sha256(start + name).digest()[:6]) / 2**48 for name in names.tolist()]
    return np.array(draws, np.float64)[where]


def _spare_classes(rows: Rows, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without the groups of classes that would have no row left."""
    left = np.bincount(rows.labels[~held_out], minlength=rows.classes)
    spared = np.unique(rows.groups[left[rows.labels] == 0])
    return held_out & ~np.isin(rows.groups, spared)
