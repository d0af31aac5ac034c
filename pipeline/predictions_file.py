"""The table of predictions as a file: CSV, written and read in blocks of rows."""

import csv
import sys
from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.csv_rows import split_rows
from pipeline.errors import PredictionsError
from pipeline.files import atomic_write
from pipeline.predictions import (
    BLOCK_CELLS,
    Predictions,
    check_classes,
    join_predictions,
    without_repeats,
)

FIXED_COLUMNS = ("split", "sha256", "path", "label")
JSON_BESIDE_NUMBERS = '"[{tl'  # texts, lists, objects; true; false and null
SHA256 = FIXED_COLUMNS.index("sha256")


def write_predictions(path: Path, blocks: Iterable[Predictions]) -> None:
    """Write a table as CSV: split, sha256, path, label (its name), one column a class.

    Seven significant digits and LF ends, so equal predictions give equal bytes.

    Args:
        path: Of the file.
        blocks: The table's rows, one block or more.

    Raises:
        PredictionsError: An image is in two blocks.
    """
    blocks = without_repeats(blocks)
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
        yield from without_repeats(_parse(classes, lines, wanted))
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
    check_classes(classes)
    return classes


def _parse(
    classes: tuple[str, ...], lines: Iterator[str], wanted: Container[str] | None
) -> Iterator[Predictions]:
    """Turn lines of text into blocks; only the first may have no rows."""
    rows = (
        (row, cells)
        for row, cells in enumerate(split_rows(lines, len(FIXED_COLUMNS)))
        if wanted is None or len(cells) <= SHA256 or cells[SHA256] in wanted
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
    numbers: list[str] = []
    for row, cells in rows:
        found = len(cells) + cells[-1].count(",") * (len(cells) > len(FIXED_COLUMNS))
        if found != (expected := len(FIXED_COLUMNS) + len(classes)):
            raise PredictionsError(f"row {row} has {found} cells, expected {expected}.")
        split, sha256, path, label, probabilities = cells
        if label not in number:
            raise PredictionsError(
                f"row {row}, column label: no class is called {label!r}. Known: {', '.join(classes)}."
            )
        places.append(row)
        facts.append((sys.intern(split), sha256, path))  # a few splits, not one an image
        labels.append(number[label])
        numbers.append(probabilities)
    try:
        table = _read_numbers(",".join(numbers))
    except ValueError:
        raise _no_number(numbers, places, classes) from None
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


def _read_numbers(cells: str) -> NDArray[np.float64]:
    """Turn numbers as JSON writes them into float64 `(n,)`; NumPy's own readers take twice as long."""
    if any(sign in cells for sign in JSON_BESIDE_NUMBERS):
        raise ValueError
    return np.array(orjson.loads(f"[{cells}]"), np.float64)


def _no_number(
    rows: Sequence[str], places: Sequence[int], classes: Sequence[str]
) -> PredictionsError:
    row, column, cell = next(
        (row, column, cell)
        for row, cells in zip(places, rows, strict=True)
        for column, cell in zip(classes, cells.split(","), strict=True)
        if not _is_number(cell)
    )
    return PredictionsError(f"row {row}, column {column}: {cell!r} is not a number.")


def _is_number(cell: str) -> bool:
    try:
        return _read_numbers(cell).shape == (1,)
    except ValueError:
        return False
