"""The rows of a features file before they have features, streamed from a dataset's tables."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import ManifestError
from pipeline.manifest import read_copies, read_used
from pipeline.store.shards import Keys

ROWS_AT_ONCE = 4096


class Row(NamedTuple):
    """One row of a features file, before it has features; a tuple because there may be millions.

    Attributes:
        group: Of its original: the smallest sha256 of that image's near-duplicates.
        folder: Where `path` begins.
    """

    split: str
    label: str
    sha256: str
    parent: str
    group: str
    copy: int
    path: str
    folder: Path

    @property
    def file(self) -> Path:
        """The image's file."""
        return self.folder / self.path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The rows of a features file as columns, some 130 bytes a row, so that millions fit memory.

    Attributes:
        splits: Name to number of rows, in order.
        classes: In alphabetical order.
        keys: uint8 `(n, 32)`, sha256 of every row's file, in order.
        groups: uint8 `(n, 32)`, the group of every row's original.
        labels: int64 `(n,)`, indices into `classes`.
        copies: uint8 `(n,)`, number of the copy; 0 for an original.
        paths: S `(n,)`, in UTF-8; see `Row`.
    """

    splits: dict[str, int]
    classes: tuple[str, ...]
    keys: Keys
    groups: Keys
    labels: NDArray[np.int64]
    copies: NDArray[np.uint8]
    paths: NDArray[np.bytes_]

    @property
    def parents(self) -> NDArray[np.int64]:
        """int64 `(n,)`: the row of each row's original, which stands before its copies."""
        # The largest number of an original so far is that of the last one.
        numbers = np.arange(len(self.keys))
        originals: NDArray[np.int64] = np.maximum.accumulate(np.where(self.copies == 0, numbers, 0))
        return originals


def iterate_rows(dataset: str) -> Iterator[Row]:
    """Yield a dataset's rows in manifest order: each original, then its copies.

    Raises:
        ManifestError: The tables are missing, damaged, or do not fit one another.
    """
    copies = iter(read_copies(paths.copies_file(dataset)))
    split_folder, copies_folder = paths.split_folder(dataset), paths.augmented_folder(dataset)
    # Both tables have one order, so they are merged as they are read: one copy waits at a time.
    held = next(copies, None)
    for image in read_used(paths.manifest_file(dataset)):
        split, label, sha256, group = image.split, image.label, image.sha256, image.group
        yield Row(split, label, sha256, sha256, group, 0, image.path, split_folder)
        while held is not None and held.parent == sha256:
            yield Row(split, label, held.sha256, sha256, group, held.copy, held.path, copies_folder)
            held = next(copies, None)
    # A copy that found no original stops all behind it, so none can be lost in silence.
    if held is not None:
        raise ManifestError(
            f"{paths.copies_file(dataset)} has copies of {held.parent[:12]}, which is not where "
            f"{paths.manifest_file(dataset)} has it: run the stages split and augment again."
        )


def make_plan(rows: Iterable[Row]) -> Plan:
    """Gather rows into columns."""
    # Columns that grow in place: as Python objects, a row's two hashes alone would take 200 bytes.
    splits, numbers = Counter[str](), dict[str, int]()
    keys, groups, labels, copies = bytearray(), bytearray(), array("q"), bytearray()
    paths = [np.zeros(0, "S1")]  # so that there is something to concatenate
    rows = iter(rows)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        split, label, sha256, _, group, copy, path, _ = zip(*some, strict=True)
        splits.update(split)
        keys += bytes.fromhex("".join(sha256))
        groups += bytes.fromhex("".join(group))
        # Classes are numbered as they come; their alphabetical order is known in the end.
        labels.extend(numbers.setdefault(name, len(numbers)) for name in label)
        copies += bytes(copy)
        paths.append(np.array([name.encode() for name in path], np.bytes_))
    # Originals alone: two copies, as of a blank image, may well be equal.
    _check_once(np.frombuffer(keys, "V32")[np.frombuffer(copies, np.uint8) == 0])
    classes = sorted(numbers)
    ranks = np.array([classes.index(name) for name in numbers], np.int64)
    return Plan(
        splits=dict(splits),
        classes=tuple(classes),
        keys=np.frombuffer(keys, np.uint8).reshape(-1, 32),
        groups=np.frombuffer(groups, np.uint8).reshape(-1, 32),
        labels=ranks[np.frombuffer(labels, np.int64)],
        copies=np.frombuffer(copies, np.uint8),
        paths=np.concatenate(paths),
    )


def _check_once(originals: NDArray[np.void]) -> None:
    """Refuse a manifest in which an image is used twice: one more would count as two, one less as none."""
    ordered = np.sort(originals)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise ManifestError(
            f"the image {twice[0].tobytes().hex()[:12]} is used twice in the manifest: "
            "run the stage split again."
        )
