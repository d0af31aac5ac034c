"""The table of predictions: what a head says of every original image, and what is true.

With a thousand classes an image takes 8 KB, so it is made, kept in a file and measured in blocks of rows.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PredictionsError

SMALLEST_PROBABILITY = 1e-7
SUM_TOLERANCE = 1e-3  # float16 features and seven printed digits stay far inside
BLOCK_CELLS = 1 << 18  # of a block: 2 MB in float64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Probabilities for `n` images and `k` classes, row for row with what they are about.

    The whole table, or a block of it.

    Attributes:
        splits: `train`, `val` or `test`, one an image.
        sha256: Hash of the image file's bytes, one an image; unique within a split.
        path: Where the image lies under the dataset's split folder, as `val/cat/cat.5.jpg`.
        labels: int64 `(n,)`, the true class, `0 <= label < k`.
        classes: The `k` class names in alphabetical order, `k >= 2`.
        probabilities: float32 or float64 `(n, k)`, not negative; each row sums to 1
            within 1e-3.
        rows: Which rows of the whole table they are, counted from 0; None for all of it.

    Raises:
        PredictionsError: Names the first thing that is not so, and its row (counted from 0).
    """

    splits: tuple[str, ...]
    sha256: tuple[str, ...]
    path: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    probabilities: NDArray[np.floating[Any]]
    rows: Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_classes(self.classes)
        _check_shapes(self)
        _check_rows(self)

    def __len__(self) -> int:
        return len(self.splits)

    def take(self, rows: Sequence[int]) -> "Predictions":
        """Return some rows, in the order asked for."""
        return Predictions(
            splits=tuple(self.splits[row] for row in rows),
            sha256=tuple(self.sha256[row] for row in rows),
            path=tuple(self.path[row] for row in rows),
            labels=self.labels[rows],
            classes=self.classes,
            probabilities=self.probabilities[rows],
            rows=[_row_of(self, row) for row in rows],
        )

    def of_split(self, split: str) -> "Predictions":
        """Return the rows of one split, in their order; none when there is no such split."""
        rows = [row for row, name in enumerate(self.splits) if name == split]
        return self if len(rows) == len(self) else self.take(rows)

    def answers(self) -> "Answers":
        """Return what each image is called, and how good that is, without the other classes."""
        return Answers(
            splits=self.splits,
            sha256=self.sha256,
            path=self.path,
            labels=self.labels,
            classes=self.classes,
            predicted=self.predicted_labels(),
            confidence=self.probabilities.max(axis=1, initial=0).astype(np.float64),
            losses=log_losses(self.probabilities, self.labels),
        )

    def predicted_labels(self) -> NDArray[np.int64]:
        """Return the most probable class of each image, int64 `(n,)`; of equals, the first."""
        labels: NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What a head calls `n` images: of predictions, all but the probabilities of the other classes.

    Attributes:
        splits, sha256, path, labels, classes: As of `Predictions`.
        predicted: int64 `(n,)`, the most probable class of each image; of equals, the first.
        confidence: float64 `(n,)`, its probability, 0..1.
        losses: float64 `(n,)`, the log loss of each image, nats.
    """

    splits: tuple[str, ...]
    sha256: tuple[str, ...]
    path: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    losses: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.splits)

    def of_split(self, split: str) -> "Answers":
        """Return the rows of one split, in their order."""
        rows = [row for row, name in enumerate(self.splits) if name == split]
        return Answers(
            splits=tuple(self.splits[row] for row in rows),
            sha256=tuple(self.sha256[row] for row in rows),
            path=tuple(self.path[row] for row in rows),
            labels=self.labels[rows],
            classes=self.classes,
            predicted=self.predicted[rows],
            confidence=self.confidence[rows],
            losses=self.losses[rows],
        )


def join_answers(parts: Sequence[Answers]) -> Answers:
    """Return the rows of all parts, one or more, of the same classes."""
    return Answers(
        splits=tuple(chain.from_iterable(one.splits for one in parts)),
        sha256=tuple(chain.from_iterable(one.sha256 for one in parts)),
        path=tuple(chain.from_iterable(one.path for one in parts)),
        labels=np.concatenate([one.labels for one in parts]),
        classes=parts[0].classes,
        predicted=np.concatenate([one.predicted for one in parts]),
        confidence=np.concatenate([one.confidence for one in parts]),
        losses=np.concatenate([one.losses for one in parts]),
    )


class PredictionsBuilder:
    """Puts blocks together; its memory grows in place, so that no block need be there twice."""

    def __init__(self) -> None:
        self._facts: list[tuple[str, str, str]] = []
        self._labels, self._cells = array("q"), array("d")
        self._classes: tuple[str, ...] = ()

    def add(self, block: Predictions) -> None:
        """Append the rows of a block, of the same classes as the others."""
        self._classes = block.classes
        self._facts += zip(block.splits, block.sha256, block.path, strict=True)
        self._labels.frombytes(block.labels.tobytes())
        self._cells.frombytes(block.probabilities.astype(np.float64, copy=False).tobytes())

    def table(self) -> Predictions:
        """Return all rows, with probabilities as float64; nothing can be added afterwards."""
        splits, keys, paths = zip(*self._facts, strict=True) if self._facts else ((), (), ())
        return Predictions(
            splits=splits,
            sha256=keys,
            path=paths,
            labels=np.frombuffer(self._labels, np.int64),
            classes=self._classes,
            probabilities=np.frombuffer(self._cells, np.float64).reshape(-1, len(self._classes)),
        )


def join_predictions(blocks: Iterable[Predictions]) -> Predictions:
    """Return the rows of all blocks, one or more, with probabilities as float64."""
    builder = PredictionsBuilder()
    for block in blocks:
        builder.add(block)
    return builder.table()


def row_blocks(probabilities: NDArray[np.floating[Any]]) -> Iterator[slice]:
    """Yield slices of rows `(n, k)`, so that what is computed of each stays small."""
    n, k = probabilities.shape
    step = max(1, BLOCK_CELLS // k)
    for start in range(0, n, step):
        yield slice(start, start + step)


def log_losses(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return -ln(probability of the true class) of each image, nats: the project's only log loss.

    No probability is below 1e-7, float32's resolution near 1: one sure mistake costs 16 nats, not
    infinity; each row is made to sum to 1 again.

    Args:
        probabilities: `(n, k)`, not negative.
        labels: int64 `(n,)`, `0 <= label < k`.

    Returns:
        float64 `(n,)`, >= 0.
    """
    losses = np.empty(len(labels))
    for rows in row_blocks(probabilities):
        p = np.maximum(probabilities[rows].astype(np.float64), SMALLEST_PROBABILITY)
        losses[rows] = -np.log(p[np.arange(len(p)), labels[rows]] / p.sum(axis=1))
    return np.maximum(losses, 0)  # of a sure and right row -0.0, or a rounding below


def check_classes(classes: tuple[str, ...]) -> None:
    """Raise unless the class names can name columns, in the one order that labels count by."""
    if len(classes) < 2 or list(classes) != sorted(set(classes)):
        raise PredictionsError(
            "classes should be two or more different names in alphabetical order; "
            f"found {', '.join(classes) or 'none'}."
        )


def _check_shapes(table: Predictions) -> None:
    """Raise unless every column has a row an image."""
    n, k = len(table.splits), len(table.classes)
    lengths = {
        "sha256": len(table.sha256),
        "path": len(table.path),
        "labels": table.labels.shape,
        "probabilities": table.probabilities.shape,
    }
    expected = {"sha256": n, "path": n, "labels": (n,), "probabilities": (n, k)}
    for column, found in lengths.items():
        if found != expected[column]:
            raise PredictionsError(
                f"column {column} has shape {found}, expected {expected[column]}."
            )


def _check_rows(table: Predictions) -> None:
    """Raise for the first row that breaks an invariant."""
    p, k = table.probabilities, len(table.classes)
    in_range = (table.labels >= 0) & (table.labels < k)
    _demand(table, in_range, "labels", f"the label is not in 0..{k - 1}")
    with np.errstate(invalid="ignore", over="ignore"):
        sums = p.sum(axis=1, dtype=np.float64)  # finite where all of a row is
    _demand(table, np.isfinite(sums), "probabilities", "a probability is not finite")
    _demand(table, p.min(axis=1) >= 0, "probabilities", "a probability is negative")
    is_one = np.abs(sums - 1) <= SUM_TOLERANCE
    _demand(table, is_one, "probabilities", "the probabilities do not sum to 1")
    _add_keys(table, {})


def _demand(table: Predictions, holds: NDArray[np.bool_], column: str, fault: str) -> None:
    if not holds.all():
        row = _row_of(table, int(np.argmin(holds)))
        raise PredictionsError(f"row {row}, column {column}: {fault}.")


def _row_of(table: Predictions, place: int) -> int:
    return place if table.rows is None else table.rows[place]


def without_repeats(blocks: Iterable[Predictions]) -> Iterator[Predictions]:
    """Yield the blocks of a table; raise where one has an image that an earlier one has."""
    seen: dict[str, set[str]] = {}
    for block in blocks:
        _add_keys(block, seen)
        yield block


def _add_keys(table: Predictions, seen: dict[str, set[str]]) -> None:
    """Add the images of a table to those seen, by split; raise for the first that is among them."""
    for place, (split, key) in enumerate(zip(table.splits, table.sha256, strict=True)):
        known = seen.setdefault(split, set())
        if key in known:
            row = _row_of(table, place)
            raise PredictionsError(
                f"row {row}, column sha256: {key} is there twice in split {split}."
            )
        known.add(key)
