"""The tables of a dataset's images and of their augmented copies, as CSV files.

Both are read as streams, in the order in which they were written: sorted, so that equal data
give equal bytes, whoever found them in whatever order. pandas would read a million rows in 6.8 s
and 950 MiB, where Python's own csv takes 3.5 s and 17 MiB.
"""

import csv
import io
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pipeline.errors import ManifestError
from pipeline.files import atomic_write_text

USED, DUPLICATE, QUARANTINED = "used", "duplicate", "quarantined"
CONFLICTING = "conflicting labels: "  # begins the reason of what the archive labels twice
SPLITS = ("train", "val", "test")


class ImageRow(NamedTuple):
    """One image of a dataset; a tuple because there may be millions.

    Attributes:
        split: `train`, `val` or `test`; empty if the image is not used.
        label: Its class.
        path: Where it lies under the split folder, as `val/cat/cat.5.jpg`; empty if not used.
        sha256: Hash of the file's bytes, hexadecimal.
        status: `used`; `duplicate` (another file with the same bytes is used); `quarantined`.
        reason: Why it is not used.
        note: What is odd about it: `animated`, `format unlike its name`, ...
        member: Its name in the archive.
        width, height: Pixels, upright; 0 if it cannot be decoded.
        format, mode: As Pillow names them, of the file in the archive.
        bytes: Size of the file.
        brightness: Mean of its pixels, 0 (black) to 255 (white); 0 if it cannot be decoded.
        hash: Perceptual hash, hexadecimal; empty if it cannot be decoded.
        group: The smallest sha256 of its near-duplicates, itself if it has none.
        split_rule: How it came to its split: method, seed and fractions, or the archive's folders.
    """

    split: str = ""
    label: str = ""
    path: str = ""
    sha256: str = ""
    status: str = USED
    reason: str = ""
    note: str = ""
    member: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    bytes: int = 0
    brightness: int = 0
    hash: str = ""
    group: str = ""
    split_rule: str = ""


class CopyRow(NamedTuple):
    """One augmented copy of a training image.

    Attributes:
        parent: The original's sha256.
        copy: Number of the copy, from 1.
        sha256: Hash of the copy's file.
        path: Where it lies under the augmented folder, as `train/cat/cat.5__copy1.jpg`.
    """

    parent: str
    copy: int
    sha256: str
    path: str


Row = TypeVar("Row", ImageRow, CopyRow)


def write_manifest(path: Path, rows: Iterable[ImageRow]) -> None:
    """Write the images sorted by split (train, val, test, none), label, path and member."""
    order = {name: number for number, name in enumerate((*SPLITS, ""))}
    _write(path, ImageRow, sorted(rows, key=lambda r: (order[r.split], r.label, r.path, r.member)))


def read_manifest(path: Path) -> Iterator[ImageRow]:
    """Yield the images in the manifest's order.

    Raises:
        ManifestError: The file is missing or not a manifest.
    """
    with _opened(path, ImageRow, "split") as lines:
        yield from _parse(lines, ImageRow)


def read_used(path: Path) -> Iterator[ImageRow]:
    """Yield the images that are used, in the manifest's order.

    Raises:
        ManifestError: As `read_manifest`; or an image does not lie in its class's folder.
    """
    with _opened(path, ImageRow, "split") as lines:
        for row in _parse(lines, ImageRow):
            if row.split:
                if not row.path.startswith(f"{row.split}/{row.label}/"):
                    split, label, file = map(reprlib.repr, (row.split, row.label, row.path))
                    raise ValueError(f"{file} is no path of an image of {label} in {split}")
                yield row


def write_copies(path: Path, rows: Iterable[CopyRow]) -> None:
    """Write the copies in the given order, which is that of their parents in the manifest."""
    _write(path, CopyRow, rows)


def read_copies(path: Path) -> Iterator[CopyRow]:
    """Yield the copies in the order of their parents in the manifest.

    Raises:
        ManifestError: The file is missing or not a table of copies.
    """
    with _opened(path, CopyRow, "augment") as lines:
        yield from _parse(lines, CopyRow)


def _write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(kind._fields)
    table.writerows(rows)
    atomic_write_text(path, stream.getvalue())


def _parse(lines: Iterable[list[str]], kind: type[Row]) -> Iterator[Row]:
    numbers = [
        index for index, name in enumerate(kind._fields) if kind.__annotations__[name] is int
    ]
    for cells in lines:
        values: list[Any] = cells
        for index in numbers:
            values[index] = int(cells[index])
        yield kind._make(values)


@contextmanager
def _opened(path: Path, kind: type[Row], stage: str) -> Iterator[Iterator[list[str]]]:
    """Open a table behind its line of column names; whatever is wrong with it becomes a ManifestError."""
    columns = list(kind._fields)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.reader(stream)
            if (found := next(table, [])) != columns:
                raise ManifestError(
                    f"{path} has the columns {reprlib.repr(found)}, not {columns}: "
                    f"run the stage {stage} again."
                )
            yield _of_width(len(columns), table)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing: run the stage {stage} first.") from None
    except (ValueError, csv.Error) as error:
        raise ManifestError(f"{path} is damaged ({error}): run the stage {stage} again.") from None


def _of_width(width: int, table: Iterator[list[str]]) -> Iterator[list[str]]:
    for cells in table:
        if len(cells) != width:
            raise ValueError(f"a line of {len(cells)} cells, not {width}")
        yield cells
