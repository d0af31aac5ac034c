"""One shard: an immutable file with the features of some images, each row checked on its own.

A shard is HDF5: `sha256` uint8 (n, 32), `features` (n, ...) float16 or float32 in one piece,
`checksums` uint32 (n,), a CRC-32 over a row's sha256 and its features. The file's name is a digest
of the fingerprint, the shape, the hashes and the checksums. HDF5's own structures carry checksums
as well (format 1.10), all but its heap, which is therefore not used: no text of variable length,
since HDF5 can run for ever on a damaged heap. So any damage shows when it is read, and reading
some rows costs only those rows.
"""

import errno
import hashlib
import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import first_line
from pipeline.files import atomic_write

SCHEMA = "bottleneck-shard"
SUFFIX = ".h5"
LIBVER = ("v110", "v110")  # one format whatever HDF5 writes; its structures carry checksums
DIGEST_LENGTH = 32
CHECKED_ROWS = 1024  # at once, when all are checked

# What an error of reading says of the content: HDF5's own complaints have no number, a place that no
# file can have is EINVAL or EOVERFLOW, and a folder is no shard. All other numbers are the system's.
_PROOF = (None, errno.EINVAL, errno.EOVERFLOW, errno.EISDIR)

Keys = NDArray[np.uint8]
Features = NDArray[Any]


class ShardDamaged(Exception):
    """A shard cannot be trusted: `path` is which, `why` the reason; the message says both."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """What is known of a shard after its table was read and checked.

    Attributes:
        path: The file.
        keys: uint8 `(n, 32)`, the images' sha256.
        checksums: uint32 `(n,)`.
        shape: Of one feature: `(d,)` or `(h, w, d)`.
        dtype: float16 or float32.
        offset: Where the first feature lies in the file, bytes.
    """

    path: Path
    keys: Keys
    checksums: NDArray[np.uint32]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int


def write_shard(folder: Path, fingerprint: str, keys: Keys, features: Features) -> Path:
    """Write a shard under the name of its digest, whole or not at all; return its path.

    Args:
        folder: Where the fingerprint's shards lie.
        fingerprint: The fingerprint's key.
        keys: uint8 `(n, 32)`.
        features: float16 or float32 `(n, d)` or `(n, h, w, d)`.
    """
    features = np.ascontiguousarray(features)  # checksums go over bytes as they lie
    checksums = np.array([_checksum(k, f) for k, f in zip(keys, features, strict=True)], np.uint32)
    digest = _digest(fingerprint, keys, checksums, features.shape[1:], features.dtype)
    # Named by its content: two processes that computed the same shard replace it by itself.
    path = folder / f"{digest}{SUFFIX}"
    image = _to_hdf5(fingerprint, {"sha256": keys, "checksums": checksums, "features": features})
    with atomic_write(path) as temporary:
        temporary.write_bytes(image)
    return path


def open_shard(path: Path, fingerprint: str, digest: str | None = None) -> Shard:
    """Read and check a shard's table; its features stay on the disk.

    Args:
        path: The file.
        fingerprint: The fingerprint's key.
        digest: The name that it must deserve; None: that of the file.

    Raises:
        ShardDamaged: The file is torn, truncated, changed, or another fingerprint's.
        OSError: It is gone, or the system cannot read it now (no right, no file handle, a failing
            disk): that proves nothing of its content.
    """
    try:
        # A shard never changes, so a lock would guard nothing, and some network disks have none.
        with h5py.File(path, "r", locking=False) as file:
            features = file["features"]
            _check_sizes(path, file["sha256"], file["checksums"])
            keys, checksums = file["sha256"][:], file["checksums"][:]
            # In one piece, so row i lies at offset + i x its width, and is read without HDF5.
            shape, dtype, offset = features.shape[1:], features.dtype, features.id.get_offset()
    except MemoryError:  # says nothing of the file
        raise
    except OSError as error:
        if error.errno not in _PROOF:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None
        raise ShardDamaged(path, f"cannot be read ({first_line(error)})") from None
    except ShardDamaged:
        raise
    except Exception as error:  # noqa: BLE001 (h5py raises nearly anything on damaged files)
        raise ShardDamaged(path, f"cannot be read ({first_line(error)})") from None
    if offset is None or keys.shape[1:] != (32,) or len(features_shape := (len(keys), *shape)) < 2:
        raise ShardDamaged(path, "is not laid out as a shard")
    # So keys and checksums are those that were written; features are compared when they are read.
    if (digest or path.stem) != _digest(fingerprint, keys, checksums, shape, dtype):
        raise ShardDamaged(path, "does not hold what its name says")
    if path.stat().st_size < offset + int(np.prod(features_shape)) * dtype.itemsize:
        raise ShardDamaged(path, "is truncated")
    return Shard(path=path, keys=keys, checksums=checksums, shape=shape, dtype=dtype, offset=offset)


def check_shard(path: Path, fingerprint: str, digest: str | None = None) -> Shard:
    """Read and check all of a shard; arguments and errors are those of `open_shard`."""
    shard = open_shard(path, fingerprint, digest)
    for start in range(0, len(shard.keys), CHECKED_ROWS):
        read_rows(shard, np.arange(start, min(start + CHECKED_ROWS, len(shard.keys))))
    return shard


def read_rows(shard: Shard, rows: NDArray[np.int64]) -> Features:
    """Read and check some rows, in the given order.

    Raises:
        ShardDamaged: A row does not have its checksum, or the file is gone.
    """
    result = np.empty((len(rows), *shard.shape), shard.dtype)
    read_into(shard, rows, shard.keys[rows], result, np.arange(len(rows)))
    return result


def read_into(
    shard: Shard, rows: NDArray[np.int64], keys: Keys, result: Features, places: NDArray[np.int64]
) -> None:
    """Read and check some rows; row `rows[i]` becomes `result[places[i]]`.

    Args:
        shard: Where to read; its own keys are not looked at.
        rows: int64 `(k,)`.
        keys: uint8 `(k, 32)`, whose features the rows must be: a row's checksum covers its key.
        result: Of the shard's dtype, `(n, ...)`, C-contiguous.
        places: int64 `(k,)`, `0 <= place < n`.

    Raises:
        ShardDamaged: As `read_rows`.
    """
    # In the file's order, neighbours become one read.
    order = np.argsort(rows, kind="stable")
    rows, places = rows[order], places[order]
    target, width = result.view(np.uint8).reshape(-1).data, _row_bytes(shard)
    names, sums = memoryview(keys[order].tobytes()), shard.checksums[rows].tolist()
    number = 0
    with _opened(shard) as descriptor:
        for source, start, end in zip(*_runs(shard, rows, places), strict=True):
            # Straight to its place, without a copy; only at its end a file gives less than asked for.
            if os.preadv(descriptor, [target[start:end]], source) != end - start:
                raise ShardDamaged(shard.path, "is truncated")
            for place in range(start, end, width):
                # The image's hash goes first: a sound feature of another image is damage, too.
                key = zlib.crc32(names[32 * number : 32 * (number + 1)])
                if zlib.crc32(target[place : place + width], key) != sums[number]:
                    raise ShardDamaged(shard.path, f"has a wrong checksum in row {rows[number]}")
                number += 1


def _to_hdf5(fingerprint: str, arrays: dict[str, NDArray[Any]]) -> bytes:
    """Make an HDF5 file in memory: a full disk, which HDF5 cannot stand, is met by plain writing.

    Not by HDF5's own file image: up to 1.14 its superblock has a wrong checksum under LIBVER.
    """
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver=LIBVER) as file:
        file.attrs.update({"schema": np.bytes_(SCHEMA), "fingerprint": np.bytes_(fingerprint)})
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    return stream.getvalue()


def _runs(shard: Shard, rows: NDArray[np.int64], places: NDArray[np.int64]) -> Iterator[list[int]]:
    """Find sorted rows that are neighbours and stay so: their bytes' place in the file, start and end."""
    # -2: the first row, 0 or more, follows nothing, and so begins a run.
    begins = np.flatnonzero((np.diff(rows, prepend=-2) != 1) | (np.diff(places, prepend=-2) != 1))
    counts = np.diff(begins, append=len(rows))
    width = _row_bytes(shard)
    yield (shard.offset + rows[begins] * width).tolist()
    yield (places[begins] * width).tolist()
    yield ((places[begins] + counts) * width).tolist()


def _check_sizes(path: Path, *tables: h5py.Dataset) -> None:
    """Refuse tables larger than their file before memory is taken for them."""
    if sum(table.nbytes for table in tables) > path.stat().st_size:
        raise ShardDamaged(path, "is truncated")


@contextmanager
def _opened(shard: Shard) -> Iterator[int]:
    """Open a shard's file; a missing one is damage, what else the system refuses is not."""
    try:  # not by `open`, whose buffer and position nobody needs
        descriptor = os.open(shard.path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise ShardDamaged(shard.path, f"cannot be opened ({error.strerror})") from None
    try:
        yield descriptor
    except OSError as error:
        error.filename = str(shard.path)  # a read does not say of what
        raise
    finally:
        os.close(descriptor)


def _row_bytes(shard: Shard) -> int:
    return math.prod(shard.shape) * shard.dtype.itemsize


def _checksum(key: Keys, feature: Features) -> int:
    return zlib.crc32(feature.data, zlib.crc32(key.data))


def _digest(
    fingerprint: str,
    keys: Keys,
    checksums: NDArray[np.uint32],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> str:
    # `dtype.str` tells the order of bytes as well.
    digest = hashlib.sha256(f"{SCHEMA} {fingerprint} {len(keys)} {shape} {dtype.str} ".encode())
    digest.update(np.ascontiguousarray(keys).data)
    digest.update(np.ascontiguousarray(checksums).data)
    return digest.hexdigest()[:DIGEST_LENGTH]
