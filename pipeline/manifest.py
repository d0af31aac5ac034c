"""The tables of a dataset's images and of their augmented copies, as CSV files.

Both are read as streams, in the order in which they were written: sorted, so that equal data
give equal bytes, whoever found them in whatever order.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import ManifestError
from pipeline.files import replace_text

USED, DUPLICATE, QUARANTINED = "used", "duplicate", "quarantined"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image of a dataset.

    Attributes:
        split: `train`, `val` or `test`; empty if the image is not used.
        label: Its class.
        path: Where it lies under the split folder, as `val/cat/cat.5.jpg`; empty if not used.
        sha256: Hash of the file's bytes, hexadecimal.
        fate: `used`; `duplicate` (another file with the same bytes is used); `quarantined`.
        reason: Why it is not used.
        note: What is odd about it: `animated`, `format unlike its name`, ...
        member: Its name in the archive.
        width, height: Pixels, upright; 0 if it cannot be decoded.
        format, mode: As Pillow names them, of the file in the archive.
        bytes: Size of the file.
        brightness: Mean of its pixels, 0 (black) to 255 (white); 0 if it cannot be decoded.
        hash: Perceptual hash, hexadecimal; empty if it cannot be decoded.
        group: The smallest sha256 of its near-duplicates, itself if it has none.
        dealt: How it came to its split: method, seed and fractions, or the archive's folders.
    """

    split: str = ""
    label: str
    path: str = ""
    sha256: str
    fate: str = USED
    reason: str = ""
    note: str = ""
    member: str
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    bytes: int
    brightness: int = 0
    hash: str = ""
    group: str = ""
    dealt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
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
    return _read(path, ImageRow, "split")


def read_used(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield split, label, path and sha256 of each image that is used, in the manifest's order.

    Four times as fast as `read_manifest`, for datasets of millions.

    Raises:
        ManifestError: As `read_manifest`.
    """
    columns = [field.name for field in fields(ImageRow)]
    pick = itemgetter(*map(columns.index, ("split", "label", "path", "sha256")))
    with _opened(path, ImageRow, "split") as table:
        for cells in table:
            if len(cells) != len(columns):
                raise ValueError(f"a line of {len(cells)} cells")
            used: tuple[str, str, str, str] = pick(cells)
            if used[0]:
                yield used


def write_copies(path: Path, rows: Iterable[CopyRow]) -> None:
    """Write the copies in the given order, which is that of their parents in the manifest."""
    _write(path, CopyRow, rows)


def read_copies(path: Path) -> Iterator[CopyRow]:
    """Yield the copies in the order of their parents in the manifest.

    Raises:
        ManifestError: The file is missing or not a table of copies.
    """
    with _opened(path, CopyRow, "augment") as table:
        for parent, copy, sha256, name in table:
            yield CopyRow(parent=parent, copy=int(copy), sha256=sha256, path=name)


def _write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    columns = [field.name for field in fields(kind)]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    table.writerows([getattr(row, name) for name in columns] for row in rows)
    replace_text(path, stream.getvalue())


def _read(path: Path, kind: type[Row], stage: str) -> Iterator[Row]:
    columns = [field.name for field in fields(kind)]
    numbers = [index for index, field in enumerate(fields(kind)) if field.type is int]
    with _opened(path, kind, stage) as table:
        for line in table:
            cells: list[Any] = list(line)
            for index in numbers:
                cells[index] = int(line[index])
            yield kind(**dict(zip(columns, cells, strict=True)))


@contextmanager
def _opened(path: Path, kind: type[Row], stage: str) -> Iterator[Iterator[list[str]]]:
    """Open a table behind its line of column names; whatever is wrong with it becomes a ManifestError."""
    columns = [field.name for field in fields(kind)]
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.reader(stream)
            if (found := next(table, [])) != columns:
                raise ManifestError(
                    f"{path} has the columns {found}, not {columns}: run the stage {stage} again."
                )
            yield table
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing: run the stage {stage} first.") from None
    except (ValueError, IndexError, csv.Error) as error:
        raise ManifestError(f"{path} is damaged ({error}): run the stage {stage} again.") from None
