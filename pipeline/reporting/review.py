"""Which images a person should look at again: those whose label seems wrong, and those unlike their class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.inspections import Inspections

SUSPECTS = 20
OUTLIERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Images to look at again, by their sha256.

    Attributes:
        suspects: At most twenty whose label seems wrong, the worst label first.
        suspect_count: How many there are in all.
        top: How many of all labels, the worst first, one must list to have seen them.
        outliers: At most ten others that are unlike their class, the farthest first.
        outlier_count: How many there are in all.
        n: Images that were inspected.
    """

    suspects: tuple[str, ...]
    suspect_count: int
    top: int
    outliers: tuple[str, ...]
    outlier_count: int
    n: int


def choose_review(table: Inspections) -> Review:
    """Choose the images to look at again; an outlier whose label is suspect counts as suspect."""
    suspects = order_suspects(table)
    by_quality = np.argsort(table.quality, kind="stable")  # as `bottleneck suspects` lists them
    outliers = np.flatnonzero(table.is_outlier & ~table.suspect)
    farthest = outliers[np.lexsort((_names(table, outliers), -table.outlier[outliers]))]
    return Review(
        suspects=tuple(_names(table, suspects[:SUSPECTS]).tolist()),
        suspect_count=len(suspects),
        top=1 + int(max(np.flatnonzero(table.suspect[by_quality]), default=-1)),
        outliers=tuple(_names(table, farthest[:OUTLIERS]).tolist()),
        outlier_count=len(outliers),
        n=len(table),
    )


def order_suspects(table: Inspections) -> NDArray[np.int64]:
    """Return the rows of suspect labels, the worst first; equals by sha256."""
    rows = np.flatnonzero(table.suspect)
    ordered: NDArray[np.int64] = rows[np.lexsort((_names(table, rows), table.quality[rows]))]
    return ordered


def suspects_by_class(table: Inspections, most: int) -> dict[str, tuple[str, ...]]:
    """Return, for classes that have some, the training images whose label seems wrong, the worst first."""
    found: dict[str, tuple[str, ...]] = {}
    for row in order_suspects(table).tolist():
        if table.split[row] == "train":
            label = table.label[row]
            found[label] = (*found.get(label, ()), table.sha256[row])[:most]
    return found


def _names(table: Inspections, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([table.sha256[row] for row in rows.tolist()], np.str_)
