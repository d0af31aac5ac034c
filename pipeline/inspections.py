"""The table of inspections: what the features say of every original image and its label."""

import csv
import math
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.csv_rows import split_rows
from pipeline.errors import InspectionError
from pipeline.files import atomic_write


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspections:
    """What is thought of `n` images, row for row, in the manifest's order.

    Attributes:
        sha256: Of each image file, hexadecimal; unique.
        path: Under the dataset's split folder, as `val/cat/cat.5.jpg`.
        split: `train`, `val` or `test`.
        label: Its class.
        suggested: The class that a head which has not seen the image finds likeliest.
        quality: float64 `(n,)`, 0..1, of the label: low where it seems wrong.
        suspect: bool `(n,)`, did the heads mark the label?
        outlier: float64 `(n,)`, >= 0, how unlike its class the image is.
        is_outlier: bool `(n,)`, does that stand out in its class?
        x: float64 `(n,)`, position on the map; NaN where it is not mapped.
        y: Likewise.
        neighbours: The sha256 of up to three training images that are nearest, nearest first; none
            of the image's own group of near-duplicates.

    Raises:
        InspectionError: Names the first thing that is not so, and its row (counted from 0).
    """

    sha256: tuple[str, ...]
    path: tuple[str, ...]
    split: tuple[str, ...]
    label: tuple[str, ...]
    suggested: tuple[str, ...]
    quality: NDArray[np.float64]
    suspect: NDArray[np.bool_]
    outlier: NDArray[np.float64]
    is_outlier: NDArray[np.bool_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    neighbours: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise InspectionError(f"its columns have different lengths: {lengths}.")
        _demand((self.quality >= 0) & (self.quality <= 1), "quality", "a number in 0..1")
        _demand((self.outlier >= 0) & (self.outlier < np.inf), "outlier", "a finite number >= 0")
        mapped = np.isfinite(self.x)
        _demand((mapped | np.isnan(self.x)) & (mapped == np.isfinite(self.y)), "x", "finite with y")
        known: set[str] = set()
        for row, name in enumerate(self.sha256):
            if name in known:
                raise InspectionError(f"row {row}, column sha256: an image is there twice.")
            known.add(name)
        for row, names in enumerate(self.neighbours):
            if not known.issuperset(names):
                raise InspectionError(f"row {row}, column neighbours: no image of this table.")

    def __len__(self) -> int:
        return len(self.sha256)


COLUMNS = tuple(field.name for field in fields(Inspections))
TEXTS = ("sha256", "path", "split", "label", "suggested")
FLAGS = ("suspect", "is_outlier")
NUMBERS = ("quality", "outlier", "x", "y")
BLOCK = 1000  # rows that are read at once


def write_inspections(path: Path, table: Inspections) -> None:
    """Write the table as CSV; six significant digits and LF ends, so equal tables give equal bytes."""
    columns: dict[str, Iterable[str]] = {name: getattr(table, name) for name in TEXTS}
    columns |= {name: (f"{flag:d}" for flag in getattr(table, name)) for name in FLAGS}
    columns |= {name: _write_numbers(getattr(table, name)) for name in NUMBERS}
    columns["neighbours"] = (" ".join(keys) for keys in table.neighbours)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(zip(*(columns[name] for name in COLUMNS), strict=True))


def _write_numbers(values: NDArray[np.float64]) -> Iterator[str]:
    return ("" if np.isnan(value) else f"{value:.6g}" for value in values)


def read_inspections(path: Path) -> Inspections:
    """Read and check what `write_inspections` wrote.

    Raises:
        InspectionError: The file is missing, or not such a table; names file, column and row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return _parse(split_rows(stream))
    except FileNotFoundError:
        raise InspectionError(
            f"there are no inspections at {path}. The stage inspect writes them: run `dvc repro`."
        ) from None
    except (InspectionError, OSError, ValueError, csv.Error) as error:
        fault = str(error).removesuffix(".")
        raise InspectionError(
            f"{path} is not a table of inspections: {fault}. Run the stage inspect."
        ) from None


def _parse(lines: Iterator[list[str]]) -> Inspections:
    """Turn rows of text into the record."""
    header = tuple(next(lines, []))
    if header != COLUMNS:
        found = ", ".join(header) or "nothing"
        raise InspectionError(f"its columns should be {', '.join(COLUMNS)}; found {found}.")
    columns: dict[str, Any] = {name: [] for name in COLUMNS}
    columns |= {name: array("d") for name in NUMBERS}
    while rows := list(islice(lines, BLOCK)):
        for number, row in enumerate(rows, len(columns["sha256"])):
            if len(row) != len(COLUMNS):
                raise InspectionError(
                    f"row {number} has {len(row)} cells, expected {len(COLUMNS)}."
                )
        for name, cells in zip(COLUMNS, zip(*rows, strict=True), strict=True):
            _read_cells(name, cells, columns[name])
    columns |= {name: tuple(columns[name]) for name in (*TEXTS, "neighbours")}
    columns |= {name: np.array(columns[name], np.bool_) for name in FLAGS}
    return Inspections(**columns | {name: np.frombuffer(columns[name]) for name in NUMBERS})


def _read_cells(name: str, cells: Sequence[str], column: Any) -> None:
    """Add what some cells of a column say to those before."""
    before = len(column)
    try:
        column.extend(map(READERS[name], cells))
    except ValueError as fault:
        cell = cells[len(column) - before]
        raise InspectionError(f"row {len(column)}, column {name}: {cell!r} {fault}.") from None


def _read_flag(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise ValueError("is neither 0 nor 1")
    return cell == "1"


def _read_number(cell: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        raise ValueError("is not a number") from None


def _read_names(cell: str) -> tuple[str, ...]:
    return tuple(map(sys.intern, cell.split()))


# Equal texts are one object: classes, and neighbours, which are images of the table too.
READERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(TEXTS, sys.intern),
    "path": str,
    **dict.fromkeys(FLAGS, _read_flag),
    **dict.fromkeys(NUMBERS, _read_number),
    "neighbours": _read_names,
}


def _demand(holds: NDArray[np.bool_], column: str, expected: str) -> None:
    if not holds.all():
        raise InspectionError(f"row {int(np.argmin(holds))}, column {column}: expected {expected}.")
