"""The table of predictions: what a head says of every original image, and what is true."""

import csv
import warnings
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PredictionsError
from pipeline.files import atomic_write

FIXED_COLUMNS = ("split", "sha256", "path", "label")
SMALLEST_PROBABILITY = 1e-7
SUM_TOLERANCE = 1e-3  # float16 features and seven printed digits stay far inside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Probabilities for `n` images and `k` classes, row for row with what they are about.

    Attributes:
        splits: `train`, `val` or `test`, one an image.
        sha256: Hash of the image file's bytes, one an image; unique within a split.
        path: Where the image lies under the dataset's split folder, as `val/cat/cat.5.jpg`.
        labels: int64 `(n,)`, the true class, `0 <= label < k`.
        classes: The `k` class names in alphabetical order, `k >= 2`.
        probabilities: float32 or float64 `(n, k)`, not negative; each row sums to 1
            within 1e-3.

    Raises:
        PredictionsError: Names the first thing that is not so, and its row (counted from 0).
    """

    splits: tuple[str, ...]
    sha256: tuple[str, ...]
    path: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    probabilities: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        _check_classes(self.classes)
        _check_shapes(self)
        _check_rows(self)

    def __len__(self) -> int:
        return len(self.splits)

    def of_split(self, split: str) -> "Predictions":
        """Return the rows of one split, in their order; none when there is no such split."""
        rows = [row for row, name in enumerate(self.splits) if name == split]
        return Predictions(
            splits=tuple(self.splits[row] for row in rows),
            sha256=tuple(self.sha256[row] for row in rows),
            path=tuple(self.path[row] for row in rows),
            labels=self.labels[rows],
            classes=self.classes,
            probabilities=self.probabilities[rows],
        )

    def predicted_labels(self) -> NDArray[np.int64]:
        """Return the most probable class of each image, int64 `(n,)`; of equals, the first."""
        labels: NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return labels


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
    p = np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY)
    losses: NDArray[np.float64] = -np.log(p[np.arange(len(p)), labels] / p.sum(axis=1))
    return np.maximum(losses, 0)  # of a sure and right row -0.0, or a rounding below


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the table as CSV: split, sha256, path, label (its name), one column a class.

    Seven significant digits and LF ends, so equal predictions give equal bytes.
    """
    names = (predictions.classes[label] for label in predictions.labels)
    facts = zip(predictions.splits, predictions.sha256, predictions.path, names, strict=True)
    # Row by row: a thousand classes make ten thousand bytes of each image.
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([*FIXED_COLUMNS, *predictions.classes])
        for fact, row in zip(facts, predictions.probabilities, strict=True):
            table.writerow([*fact, *(f"{value:.7g}" for value in row.tolist())])


def read_predictions(path: Path) -> Predictions:
    """Read and check what `write_predictions` wrote.

    Returns:
        The table, with probabilities as float64.

    Raises:
        PredictionsError: The file is missing, or not such a table; names file, column and row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return parse_predictions(stream, str(path))
    except FileNotFoundError:
        raise PredictionsError(
            f"there are no predictions at {path}. The train stage writes them."
        ) from None
    except OSError as error:
        raise _no_table(str(path), error) from None


def parse_predictions(lines: Iterable[str], name: str) -> Predictions:
    """Turn the lines of a table, wherever they are kept, into the record.

    Args:
        lines: As from a file opened with `newline=""`.
        name: What messages call the table.

    Raises:
        PredictionsError: They are no such table.
    """
    try:
        lines = iter(lines)
        return _parse(_classes_of(next(csv.reader(lines, strict=True), [])), lines)
    except (PredictionsError, csv.Error, UnicodeDecodeError) as error:
        raise _no_table(name, error) from None


def _no_table(name: str, error: Exception) -> PredictionsError:
    fault = str(error).removesuffix(".")
    return PredictionsError(f"{name} is not a table of predictions: {fault}. Run the train stage.")


def _classes_of(header: Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a header; the fixed columns go by place, so a class may be called 'label'."""
    if tuple(header[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS:
        found = ", ".join(header) or "nothing"
        raise PredictionsError(
            f"its columns should begin {', '.join(FIXED_COLUMNS)}; found {found}."
        )
    classes = tuple(header[len(FIXED_COLUMNS) :])
    _check_classes(classes)
    return classes


def _parse(classes: tuple[str, ...], lines: Iterator[str]) -> Predictions:
    """Turn lines of text into the record, one after the other: 100 classes make millions of cells."""
    number = {name: index for index, name in enumerate(classes)}
    facts: list[list[str]] = []
    labels = array("q")
    latest = ""

    def probabilities() -> Iterator[str]:
        nonlocal latest
        for row, (*fact, label, latest) in enumerate(_split(lines, len(classes))):
            if label not in number:
                raise PredictionsError(
                    f"row {row}, column label: no class is called {label!r}. Known: {', '.join(classes)}."
                )
            facts.append(fact)
            labels.append(number[label])
            yield latest

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.loadtxt(probabilities(), delimiter=",", comments=None)
    except ValueError:
        raise _no_number(latest, len(facts) - 1, classes) from None
    splits, keys, paths = zip(*facts, strict=True) if facts else ((), (), ())
    return Predictions(
        splits=splits,
        sha256=keys,
        path=paths,
        labels=np.array(labels, np.int64),
        classes=classes,
        probabilities=table.reshape(-1, len(classes)),
    )


def _split(lines: Iterator[str], classes: int) -> Iterator[list[str]]:
    """Yield the fixed cells of each row, and all probabilities in one more, for NumPy to read."""
    fixed = len(FIXED_COLUMNS)
    for row, line in enumerate(lines):
        cells = line.rstrip("\r\n").split(",", fixed)
        if '"' in line:  # a name with a comma, or that goes on in the next line
            cells = next(csv.reader(chain([line], lines), strict=True))
            cells = [*cells[:fixed], ",".join(cells[fixed:])]
        found = len(cells) + cells[-1].count(",") * (len(cells) > fixed)
        if found != fixed + classes:
            raise PredictionsError(f"row {row} has {found} cells, expected {fixed + classes}.")
        yield cells


def _no_number(cells: str, row: int, columns: Sequence[str]) -> PredictionsError:
    column, cell = next(
        (column, cell)
        for column, cell in zip(columns, cells.split(","), strict=True)
        if not _is_number(cell)
    )
    return PredictionsError(f"row {row}, column {column}: {cell!r} is not a number.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_classes(classes: tuple[str, ...]) -> None:
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
    _demand(in_range, "labels", f"the label is not in 0..{k - 1}")
    _demand(np.isfinite(p).all(axis=1), "probabilities", "a probability is not finite")
    _demand((p >= 0).all(axis=1), "probabilities", "a probability is negative")
    sums = p.sum(axis=1, dtype=np.float64)
    _demand(np.abs(sums - 1) <= SUM_TOLERANCE, "probabilities", "the probabilities do not sum to 1")
    seen: set[tuple[str, str]] = set()
    for row, key in enumerate(zip(table.splits, table.sha256, strict=True)):
        if key in seen:
            raise PredictionsError(
                f"row {row}, column sha256: {key[1]} is there twice in split {key[0]}."
            )
        seen.add(key)


def _demand(holds: NDArray[np.bool_] | np.bool_, column: str, fault: str) -> None:
    if not holds.all():
        raise PredictionsError(f"row {int(np.argmin(holds))}, column {column}: {fault}.")
