"""The table of inspections: what the features say of every original image and its label."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InspectionError
from pipeline.files import atomic_write_text


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
        suspect: bool `(n,)`, is the label probably wrong?
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
        if len(set(self.sha256)) < len(self):
            raise InspectionError("column sha256: an image is there twice.")

    def __len__(self) -> int:
        return len(self.sha256)


COLUMNS = tuple(field.name for field in fields(Inspections))
TEXTS = ("sha256", "path", "split", "label", "suggested")
FLAGS = ("suspect", "is_outlier")
NUMBERS = ("quality", "outlier", "x", "y")


def write_inspections(path: Path, table: Inspections) -> None:
    """Write the table as CSV; six significant digits and LF ends, so equal tables give equal bytes."""
    columns: dict[str, Sequence[str]] = {name: getattr(table, name) for name in TEXTS}
    columns |= {name: [f"{flag:d}" for flag in getattr(table, name)] for name in FLAGS}
    columns |= {name: _write_numbers(getattr(table, name)) for name in NUMBERS}
    columns["neighbours"] = [" ".join(keys) for keys in table.neighbours]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(zip(*(columns[name] for name in COLUMNS), strict=True))
    atomic_write_text(path, stream.getvalue())


def _write_numbers(values: NDArray[np.float64]) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.6g}" for value in values.tolist()]


def read_inspections(path: Path) -> Inspections:
    """Read and check what `write_inspections` wrote.

    Raises:
        InspectionError: The file is missing, or not such a table; names file, column and row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return _parse(csv.reader(stream, strict=True))
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
    rows = list(lines)
    for number, row in enumerate(rows):
        if len(row) != len(COLUMNS):
            raise InspectionError(f"row {number} has {len(row)} cells, expected {len(COLUMNS)}.")
    cells = {name: tuple(row[place] for row in rows) for place, name in enumerate(COLUMNS)}
    values: dict[str, Any] = {name: cells[name] for name in TEXTS}
    values |= {name: _read_flags(name, cells[name]) for name in FLAGS}
    values |= {name: _read_numbers(name, cells[name]) for name in NUMBERS}
    neighbours = tuple(tuple(cell.split()) for cell in cells["neighbours"])
    return Inspections(**values, neighbours=neighbours)


def _read_flags(column: str, cells: Sequence[str]) -> NDArray[np.bool_]:
    for row, cell in enumerate(cells):
        if cell not in ("0", "1"):
            raise InspectionError(f"row {row}, column {column}: {cell!r} is neither 0 nor 1.")
    return np.array([cell == "1" for cell in cells], np.bool_)


def _read_numbers(column: str, cells: Sequence[str]) -> NDArray[np.float64]:
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell) if cell else np.nan
        except ValueError:
            raise InspectionError(
                f"row {row}, column {column}: {cell!r} is not a number."
            ) from None
    return values


def _demand(holds: NDArray[np.bool_], column: str, expected: str) -> None:
    if not holds.all():
        raise InspectionError(f"row {int(np.argmin(holds))}, column {column}: expected {expected}.")
