"""The rows of a features file before they have features, streamed from a dataset's tables."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import layout
from pipeline.errors import ManifestError
from pipeline.manifest import read_copies, read_used
from pipeline.shards import Keys


class Row(NamedTuple):
    """One row of a features file, before it has features; a tuple because there may be millions.

    Attributes:
        folder: Where `path` begins.
    """

    split: str
    label: str
    sha256: str
    parent: str
    copy: int
    path: str
    folder: Path

    @property
    def file(self) -> Path:
        """The picture's file."""
        return self.folder / self.path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What a features file will hold, in numbers only, so that it fits memory at any size.

    Attributes:
        keys: uint8 `(n, 32)`, sha256 of every row's file, in order.
        splits: Name to number of rows, in order.
        classes: In alphabetical order.
        path_bytes: Length of the longest path in UTF-8.
    """

    keys: Keys
    splits: dict[str, int]
    classes: tuple[str, ...]
    path_bytes: int


def iterate_rows(dataset: str) -> Iterator[Row]:
    """Yield a dataset's rows in manifest order: each original, then its copies.

    Raises:
        ManifestError: The tables are missing, damaged, or do not fit one another.
    """
    copies = iter(read_copies(layout.copies_file(dataset)))
    split_folder, copies_folder = layout.split_folder(dataset), layout.augmented_folder(dataset)
    held = next(copies, None)
    for split, label, path, sha256 in read_used(layout.manifest_file(dataset)):
        yield Row(split, label, sha256, sha256, 0, path, split_folder)
        while held is not None and held.parent == sha256:
            yield Row(split, label, held.sha256, sha256, held.copy, held.path, copies_folder)
            held = next(copies, None)
    if held is not None:
        raise ManifestError(
            f"{layout.copies_file(dataset)} has copies of {held.parent[:12]}, which is not where "
            f"{layout.manifest_file(dataset)} has it: run the stages split and augment again."
        )


def make_plan(rows: Iterable[Row]) -> Plan:
    """Count the rows and note their keys."""
    keys, splits, classes, longest = bytearray(), dict[str, int](), set[str](), 1
    for row in rows:
        keys += bytes.fromhex(row.sha256)
        splits[row.split] = splits.get(row.split, 0) + 1
        classes.add(row.label)
        longest = max(longest, len(row.path.encode()))
    return Plan(
        keys=np.frombuffer(bytes(keys), np.uint8).reshape(-1, 32),
        splits=splits,
        classes=tuple(sorted(classes)),
        path_bytes=longest,
    )
