"""The features file: bottleneck features of a dataset, row by row with what they belong to.

docs/feature-file.md specifies it. It is plain HDF5: h5py and h5dump read it without this module.
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FeaturesError, advice_for, first_line
from pipeline.files import DeferredErrorFile, atomic_write, deferred_errors, remove_left_overs
from pipeline.manifest import SPLITS

SCHEMA = "bottleneck-features"
SCHEMA_VERSION = 2
LIBVER = ("v110", "v110")  # one format, so one result, whatever HDF5 writes
# Below HDF5's cache of chunks (1 MiB, 8 from 2.0 on): a chunk that two appends fill is written once.
CHUNK_BYTES = 1 << 19
COLUMNS = ("features", "labels", "sha256", "parent", "group", "copy", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a features file is about.

    Attributes:
        dataset: Name.
        classes: The `k` class names in alphabetical order; a label is an index into them.
        backbone: Name.
        fingerprint: Key of the fingerprint.
        fingerprint_parts: What the fingerprint is made of, as JSON.
        widths: How many numbers of a feature are each layer's, in order; empty for one layer.
    """

    dataset: str
    classes: tuple[str, ...]
    backbone: str
    fingerprint: str
    fingerprint_parts: str
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Some rows of one split.

    Attributes:
        features: float16 or float32 `(n, d)` or `(n, h, w, d)`.
        labels: int64 `(n,)`, `0 <= label < k`.
        sha256: S64 `(n,)`, of the image file's bytes.
        parent: S64 `(n,)`, of the original's bytes; equal to `sha256` for copy 0.
        group: S64 `(n,)`, the smallest sha256 of the original's near-duplicates; copies have it too.
        copy: uint8 `(n,)`.
        path: S `(n,)`, in UTF-8, under the split or the augmented folder.
    """

    features: NDArray[Any]
    labels: NDArray[np.int64]
    sha256: NDArray[np.bytes_]
    parent: NDArray[np.bytes_]
    group: NDArray[np.bytes_]
    copy: NDArray[np.uint8]
    path: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureSet:
    """A whole features file in memory: its header and a block a split."""

    header: Header
    splits: Mapping[str, Block]


class FeaturesWriter:
    """Writes the rows of a features file in order; made by `create_features`."""

    def __init__(self, file: h5py.File, stream: DeferredErrorFile) -> None:
        self._file = file
        self._stream = stream
        self._next: dict[str, int] = {}
        self._sums: dict[tuple[str, str], int] = {}

    def add_split(
        self,
        name: str,
        rows: int,
        shape: tuple[int, ...],
        dtype: str | np.dtype[Any],
        path_bytes: int,
    ) -> None:
        """Make room for a split.

        Args:
            name: train, val or test.
            rows: How many rows it will have.
            shape: Of one feature.
            dtype: float16 or float32.
            path_bytes: Length of the longest path in UTF-8.
        """
        group = self._file.create_group(name)
        kinds: dict[str, tuple[tuple[int, ...], Any]] = {
            "features": (shape, np.dtype(dtype)),
            "labels": ((), np.dtype(np.int64)),
            "sha256": ((), np.dtype("S64")),
            "parent": ((), np.dtype("S64")),
            "group": ((), np.dtype("S64")),
            "copy": ((), np.dtype(np.uint8)),
            "path": ((), h5py.string_dtype("utf-8", max(1, path_bytes))),  # 0 is no length to HDF5
        }
        for column, (item, kind) in kinds.items():
            # Chunks of whole rows: reading some rows reads, and checks, those chunks alone.
            width = int(np.prod(item, initial=1)) * kind.itemsize
            chunk = max(1, min(rows, CHUNK_BYTES // width))
            group.create_dataset(
                column,
                (rows, *item),
                kind,
                chunks=(chunk, *item) if rows else None,  # HDF5 has no chunk of no rows
                fletcher32=rows > 0,
            )
        self._next[name] = 0

    def append(self, name: str, block: Block) -> None:
        """Write the next rows of a split; stop when an earlier write has failed."""
        self._stream.check()
        start = self._next[name]
        for column in COLUMNS:
            values = getattr(block, column)
            if column == "path":  # HDF5 turns no ASCII, as NumPy's text is to it, into UTF-8
                values = values.astype(self._file[name]["path"].dtype)
            self._file[name][column][start : start + len(block)] = values
            self._sums[name, column] = _add_to_sum(self._sums.get((name, column), 0), values)
        self._next[name] = start + len(block)

    def finish(self) -> None:
        """Check that every split got all its rows, and note each column's checksum."""
        for name, count in self._next.items():
            # A row that was never written would read as zeros.
            assert count == len(self._file[name]["labels"]), f"{name} is not full"
            for column in COLUMNS:
                self._file[name][column].attrs["crc32"] = np.uint32(
                    self._sums.get((name, column), 0)
                )


@contextmanager
def create_features(path: Path, header: Header) -> Iterator[FeaturesWriter]:
    """Open a features file for writing; it appears under its name when the block ends well.

    Equal rows and headers give equal bytes.

    Raises:
        FeaturesError: The disk is full or cannot be written.
        OSError: What the block raises of another file, as of a shard that cannot be read.
    """
    try:
        with _create(path) as (file, stream):
            _write_header(file, header)
            writer = FeaturesWriter(file, stream)
            yield writer
            writer.finish()
    except OSError as error:
        if error.filename not in (None, str(path), *map(str, path.parents)):
            raise
        raise FeaturesError(
            f"cannot write the features file {path}: {error.strerror or error}. "
            f"What was there stays; {advice_for(error) or 'make room'}. {_AGAIN}"
        ) from None


@contextmanager
def _create(path: Path) -> Iterator[tuple[h5py.File, DeferredErrorFile]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_overs(path.parent)
    # They end from the last to the first: HDF5 closes its file, then the fault of a write is
    # raised, and only without one the file gets its name.
    with (
        atomic_write(path) as temporary,
        deferred_errors(temporary) as stream,
        h5py.File(stream, "w", libver=LIBVER) as file,
    ):
        yield file, stream


def _write_header(file: h5py.File, header: Header) -> None:
    file.attrs["schema_version"] = SCHEMA_VERSION
    _write_text(file, "schema", SCHEMA)
    _write_text(file, "dataset", header.dataset)
    _write_text(file, "classes", header.classes)
    _write_text(file, "backbone", header.backbone)
    _write_text(file, "fingerprint", header.fingerprint)
    _write_text(file, "fingerprint_parts", header.fingerprint_parts)
    if header.widths:
        file.attrs["widths"] = np.array(header.widths, np.int64)


def _write_text(file: h5py.File, name: str, value: str | tuple[str, ...]) -> None:
    """Write text of a fixed length: HDF5 keeps text of variable length in its heap, without checksums."""
    data = np.char.encode(np.array(value, str), "utf-8")
    file.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(1, data.itemsize)))


def read_features(path: Path) -> FeatureSet:
    """Read a whole features file, and compare every checksum.

    Raises:
        FeaturesError: The file is missing, damaged, of another schema or version, or its
            columns do not fit one another.
    """
    with _opened(path) as file:
        header = _read_header(path, file)
        splits = {
            name: _read_block(path, file[name], len(header.classes))
            for name in SPLITS
            if name in file
        }
    if "train" not in splits or "val" not in splits:
        raise FeaturesError(
            f"{path} has the groups {sorted(splits)}; train and val are needed. {_AGAIN}"
        )
    return FeatureSet(header=header, splits=splits)


def read_header(path: Path) -> Header:
    """Read only what a features file is about.

    Raises:
        FeaturesError: As `read_features`.
    """
    with _opened(path) as file:
        return _read_header(path, file)


def read_keys(path: Path) -> NDArray[np.uint8]:
    """Read the sha256 of all rows, uint8 `(n, 32)`, in the order of `stream_features`.

    Raises:
        FeaturesError: As `read_features`.
    """
    with _opened(path) as file:
        _read_header(path, file)
        keys = b"".join(
            _read_column(path, file[name], "sha256").tobytes() for name in SPLITS if name in file
        )
        return np.frombuffer(bytes.fromhex(keys.decode()), np.uint8).reshape(-1, 32)


def stream_features(path: Path, block_bytes: int) -> Iterator[NDArray[Any]]:
    """Yield `features` `(b, ...)` of all splits, as many rows at once as `block_bytes` hold.

    All are checked before the first is given.

    Raises:
        FeaturesError: As `read_features`.
    """
    with _opened(path) as file:
        _read_header(path, file)
        groups = [file[name] for name in SPLITS if name in file]
        # Twice through the file, rather than to give away what a later chunk shows to be damaged.
        for group in groups:
            _check_sum(path, group, "features", _blocks(group["features"], block_bytes))
        for group in groups:
            yield from _blocks(group["features"], block_bytes)


_AGAIN = "Run the stage extract again: what the store holds is not computed again."


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a features file for reading; whatever HDF5 says of damage becomes one clear error."""
    if not path.is_file():
        raise FeaturesError(f"the features file {path} is missing: run the stage extract first.")
    try:
        # A file under its name never changes, so a lock would guard nothing.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except FeaturesError:
        raise
    except Exception as error:  # noqa: BLE001 (h5py raises nearly anything on damaged files)
        raise _damaged(path, first_line(error)) from None


def _damaged(path: Path, why: str) -> FeaturesError:
    return FeaturesError(f"the features file {path} is damaged ({why}). {_AGAIN}")


def _read_header(path: Path, file: h5py.File) -> Header:
    found = (_text(file.attrs.get("schema", b"")), file.attrs.get("schema_version"))
    if found != (SCHEMA, SCHEMA_VERSION):
        raise FeaturesError(
            f"{path} has schema {found[0]!r} version {found[1]}, "
            f"expected {SCHEMA!r} version {SCHEMA_VERSION}. {_AGAIN}"
        )
    attrs = file.attrs
    return Header(
        dataset=_text(attrs["dataset"]),
        classes=tuple(_text(name) for name in attrs["classes"]),
        backbone=_text(attrs["backbone"]),
        fingerprint=_text(attrs["fingerprint"]),
        fingerprint_parts=_text(attrs["fingerprint_parts"]),
        widths=tuple(int(width) for width in attrs.get("widths", ())),
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _read_block(path: Path, group: h5py.Group, classes: int) -> Block:
    block = Block(**{column: _read_column(path, group, column) for column in COLUMNS})
    if len({len(getattr(block, column)) for column in COLUMNS}) != 1:
        raise FeaturesError(f"{path}, {group.name}: the columns have different lengths. {_AGAIN}")
    if len(block) and not (block.labels.min() >= 0 and block.labels.max() < classes):
        raise FeaturesError(f"{path}, {group.name}: labels outside 0..{classes - 1}. {_AGAIN}")
    return block


def _read_column(path: Path, group: h5py.Group, column: str) -> NDArray[Any]:
    values: NDArray[Any] = group[column][:]
    _check_sum(path, group, column, [values])
    return values


def _check_sum(path: Path, group: h5py.Group, column: str, blocks: Iterable[NDArray[Any]]) -> None:
    """Compare a column's CRC-32: HDF5's own checksum takes a chunk that was zeroed for a good one."""
    found = 0  # CRC-32 goes on from piece to piece, so no column need fit memory
    for values in blocks:
        found = _add_to_sum(found, values)
    if found != group[column].attrs["crc32"]:
        raise _damaged(path, f"wrong checksum of {group.name}/{column}")


def _add_to_sum(total: int, values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data, total)


def _blocks(dataset: h5py.Dataset, block_bytes: int) -> Iterator[NDArray[Any]]:
    rows = max(1, block_bytes // (math.prod(dataset.shape[1:]) * dataset.dtype.itemsize))
    for start in range(0, len(dataset), rows):
        yield dataset[start : start + rows]
