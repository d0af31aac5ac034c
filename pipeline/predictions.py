"""The table of predictions: what a head says of every original image, and what is true.

With a thousand classes an image takes 8 KB, so the table is written and read in blocks of rows.
"""

import csv
import sys
import warnings
from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PredictionsError
from pipeline.files import atomic_write

FIXED_COLUMNS = ("split", "sha256", "path", "label")
SHA256 = FIXED_COLUMNS.index("sha256")
SMALLEST_PROBABILITY = 1e-7
SUM_TOLERANCE = 1e-3  # float16 features and seven printed digits stay far inside
BLOCK_CELLS = 1 << 18  # of a block that is read: 2 MB in float64


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
        _check_classes(self.classes)
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


def write_predictions(path: Path, blocks: Iterable[Predictions]) -> None:
    """Write a table as CSV: split, sha256, path, label (its name), one column a class.

    Seven significant digits and LF ends, so equal predictions give equal bytes.

    Args:
        path: Of the file.
        blocks: The table's rows, one block or more.

    Raises:
        PredictionsError: An image is in two blocks.
    """
    blocks = _without_repeats(blocks)
    first = next(blocks)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        csv.writer(stream, lineterminator="\n").writerow([*FIXED_COLUMNS, *first.classes])
        facts = csv.writer(stream, lineterminator="")
        numbers = f"{',%.7g' * len(first.classes)}\n"
        for block in chain([first], blocks):
            labels = (block.classes[label] for label in block.labels)
            columns = (block.splits, block.sha256, block.path, labels, block.probabilities)
            for *fact, row in zip(*columns, strict=True):
                facts.writerow(fact)
                stream.write(numbers % tuple(row.tolist()))


def read_predictions(path: Path) -> Predictions:
    """Read and check what `write_predictions` wrote, all at once.

    Returns:
        The table, with probabilities as float64.

    Raises:
        PredictionsError: As `read_blocks`.
    """
    return join_predictions(read_blocks(path))


def read_blocks(path: Path, wanted: Container[str] | None = None) -> Iterator[Predictions]:
    """Read and check what `write_predictions` wrote, some rows at a time.

    Args:
        path: Of the file.
        wanted: The sha256 of the images whose rows are asked for; None for all.

    Yields:
        Blocks in the order of the rows, one or more, with probabilities as float64.

    Raises:
        PredictionsError: The file is missing, or not such a table; names file, column and row.
            What was yielded before is not to be relied on.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield from parse_blocks(stream, str(path), wanted)
    except FileNotFoundError:
        raise PredictionsError(
            f"there are no predictions at {path}. The train stage writes them."
        ) from None
    except OSError as error:
        raise _no_table(str(path), error) from None


def parse_blocks(
    lines: Iterable[str], name: str, wanted: Container[str] | None = None
) -> Iterator[Predictions]:
    """Turn the lines of a table, wherever they are kept, into blocks of it.

    Args:
        lines: As from a file opened with `newline=""`.
        name: What messages call the table.
        wanted: As of `read_blocks`.

    Raises:
        PredictionsError: They are no such table.
    """
    try:
        lines = iter(lines)
        classes = _classes_of(next(csv.reader(lines, strict=True), []))
        yield from _without_repeats(_parse(classes, lines, wanted))
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


def _parse(
    classes: tuple[str, ...], lines: Iterator[str], wanted: Container[str] | None
) -> Iterator[Predictions]:
    """Turn lines of text into blocks; only the first may have no rows."""
    rows = (
        (row, cells)
        for row, cells in enumerate(_split(lines, len(classes)))
        if wanted is None or cells[SHA256] in wanted
    )
    most = max(1, BLOCK_CELLS // (len(FIXED_COLUMNS) + len(classes)))
    yield _parse_block(classes, islice(rows, most))
    while len(block := _parse_block(classes, islice(rows, most))):
        yield block


def _parse_block(classes: tuple[str, ...], rows: Iterator[tuple[int, list[str]]]) -> Predictions:
    """Turn some rows into a block, one after the other: 100 classes make millions of cells."""
    number = {name: index for index, name in enumerate(classes)}
    facts: list[tuple[str, str, str]] = []
    labels, places = array("q"), array("q")
    latest = ""

    def probabilities() -> Iterator[str]:
        nonlocal latest
        for row, (split, sha256, path, label, latest) in rows:
            if label not in number:
                raise PredictionsError(
                    f"row {row}, column label: no class is called {label!r}. Known: {', '.join(classes)}."
                )
            places.append(row)
            facts.append((sys.intern(split), sha256, path))  # a few splits, not one an image
            labels.append(number[label])
            yield latest

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.loadtxt(probabilities(), delimiter=",", comments=None)
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise _no_number(latest, places[-1], classes) from None
    splits, keys, paths = zip(*facts, strict=True) if facts else ((), (), ())
    return Predictions(
        splits=splits,
        sha256=keys,
        path=paths,
        labels=np.array(labels, np.int64),
        classes=classes,
        probabilities=table.reshape(-1, len(classes)),
        rows=places,
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
    """Does NumPy read a number there? Python also takes 0_1."""
    try:
        np.loadtxt([cell], comments=None)
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


def _without_repeats(blocks: Iterable[Predictions]) -> Iterator[Predictions]:
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
