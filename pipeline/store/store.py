"""The store: sha256 of an image's bytes, under a fingerprint, to the image's features.

One folder a fingerprint, append-only shards in it. Any number of processes or machines may
read and add at once: a shard appears whole under its own name, or not at all, and never
changes. No lock is needed for that; `claims` saves two runs the same work. What is damaged is
quarantined.
"""

import errno
import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError, advice_for
from pipeline.files import atomic_write_text, remove_left_overs
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shards import (
    SUFFIX,
    Features,
    Keys,
    Shard,
    ShardDamaged,
    open_shard,
    read_into,
    write_shard,
)

DAMAGED_SUFFIX = ".damaged"
DESCRIPTION = "fingerprint.json"
# A shard is written when it has so much, so many or is so old: that bounds what a kill can lose and what
# waits in memory, and keeps the files few, since looking up reads the tables of all.
SHARD_BYTES = 8 << 20
SHARD_ROWS = 2048
SHARD_SECONDS = 10.0  # at most
SHARD_SHARE = 50  # and a fiftieth of the time so far: a kill soon after the start loses little, too
SHARD_SECONDS_AT_LEAST = 0.1

_NO_KEYS: Keys = np.empty((0, 32), np.uint8)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Where features lie, row for row with the keys that were looked up.

    Attributes:
        shards: int32 `(n,)`, number of the shard; -1 where the store has no feature.
        rows: int32 `(n,)`, row in that shard.
    """

    shards: NDArray[np.int32]
    rows: NDArray[np.int32]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Bool `(n,)`: the store has no feature."""
        return self.shards < 0

    def __getitem__(self, rows: slice) -> "Found":
        """Return where some of the rows lie."""
        return Found(shards=self.shards[rows], rows=self.rows[rows])


class Store:
    """The features of one fingerprint.

    Args:
        root: The folder of all fingerprints.
        fingerprint: Which features.
    """

    def __init__(self, root: Path, fingerprint: Fingerprint) -> None:
        self.folder = root / fingerprint.key
        self._fingerprint = fingerprint
        self._key = fingerprint.key
        self._shards: list[Shard] = []
        try:
            _write_description(self.folder, fingerprint)
            remove_left_overs(self.folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def find(self, keys: Keys) -> Found:
        """Look up many images at once, by the tables of all shards as they are now.

        A shard whose table is damaged is quarantined with a warning.

        Args:
            keys: uint8 `(n, 32)`, sha256 of the images' bytes.

        Raises:
            OSError: A shard cannot be read now; that is no damage, so it stays.
            StoreError: A damaged shard cannot be quarantined.
        """
        self._shards = []
        shards = np.full(len(keys), -1, np.int32)
        rows = np.zeros(len(keys), np.int32)
        # The first 8 bytes find the candidates, all 32 decide: numbers are searched faster than
        # texts. The images are sorted once, and each shard's table is searched for in them.
        order = np.argsort(prefixes_of(keys), kind="stable")
        wanted = prefixes_of(keys)[order]
        for shard in self._open_all():
            begins, ends = (
                np.searchsorted(wanted, prefixes_of(shard.keys), side) for side in ("left", "right")
            )
            counts = ends - begins  # 0 for the rows that nobody wants, most of them in an old store
            own = np.repeat(np.arange(len(counts)), counts)
            # For each row of the shard, all images with its first 8 bytes, which repeat where an image
            # does: begins[i], begins[i] + 1, ... ends[i] - 1 for all i at once.
            asked = order[np.arange(len(own)) + np.repeat(ends - np.cumsum(counts), counts)]
            same = (shard.keys[own] == keys[asked]).all(axis=1)
            # What several shards hold is the same in all (of other processors, but for the last bits).
            # The last one serves.
            shards[asked[same]], rows[asked[same]] = len(self._shards), own[same]
            self._shards.append(
                replace(shard, keys=_NO_KEYS)
            )  # of a million images they would take 32 MB
        return Found(shards=shards, rows=rows)

    def read(self, found: Found, keys: Keys) -> Features:
        """Read the features of images that the last `find` found.

        Args:
            found: Where they lie.
            keys: uint8 `(n, 32)`, the images, row for row.

        Returns:
            float16 or float32 `(n, d)` or `(n, h, w, d)`.

        Raises:
            ShardDamaged: A shard is not what it was; it is quarantined. Call `find` again.
        """
        assert not found.missing.any(), "only what was found can be read"
        result: Features | None = None
        for number in np.unique(found.shards):  # each file is opened once
            shard = self._shards[number]
            places = np.flatnonzero(found.shards == number)
            if result is None:
                result = np.empty((len(found.rows), *shard.shape), shard.dtype)
            try:
                read_into(shard, found.rows[places].astype(np.int64), keys[places], result, places)
            except ShardDamaged as damage:
                quarantine_shard(damage)
                raise
        assert result is not None, "at least one row is read"
        return result

    def feature_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one feature, None while the last `find` saw no shard."""
        return self._shards[0].shape if self._shards else None

    def writer(self) -> "ShardWriter":
        """Return what gathers features and writes them as shards; end with its `flush`."""
        return ShardWriter(self.folder, self._fingerprint)

    def _open_all(self) -> Iterator[Shard]:
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):  # a dot: still being written
            try:
                yield open_shard(path, self._key)
            except FileNotFoundError:
                continue  # another process set it aside
            except ShardDamaged as damage:
                quarantine_shard(damage)


class ShardWriter:
    """Gathers features, and writes a shard whenever they are many, large or old.

    Attributes:
        stored: How many features were written.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.stored = 0
        self._folder = folder
        self._fingerprint = fingerprint
        self._opened = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        self._waiting: list[tuple[Keys, Features]] = []
        self._rows = self._size = 0
        self._began = time.monotonic()

    def append(self, keys: Keys, features: Features) -> None:
        """Take features `(b, ...)` of images, sha256 uint8 `(b, 32)`.

        Raises:
            StoreError: As `flush`.
        """
        self._waiting.append((keys, features))
        self._rows, self._size = self._rows + len(keys), self._size + features.nbytes
        if self._rows >= SHARD_ROWS or self._size >= SHARD_BYTES or self._is_old(time.monotonic()):
            self.flush()

    def _is_old(self, now: float) -> bool:
        """Return whether what waits has waited for long, or for long beside all that was done."""
        limit = max(SHARD_SECONDS_AT_LEAST, (self._began - self._opened) / SHARD_SHARE)
        return now - self._began >= min(SHARD_SECONDS, limit)

    def flush(self) -> None:
        """Write what waits as one shard.

        Raises:
            StoreError: The disk is full or cannot be written; earlier shards stay valid.
        """
        if not self._waiting:
            return
        keys = np.concatenate([keys for keys, _ in self._waiting])
        features = np.concatenate([batch for _, batch in self._waiting])
        try:
            _write_description(self._folder, self._fingerprint)  # the folder may have been deleted
            write_shard(self._folder, self._fingerprint.key, keys, features)
        except OSError as error:
            self._begin()  # what a full disk refuses is not tried again; what Ctrl-C interrupts is
            raise cannot_write(self._folder, error) from None
        self.stored += len(keys)
        self._begin()


def keys_of(sha256: Iterable[str]) -> Keys:
    """Turn hexadecimal hashes into uint8 `(n, 32)`."""
    return np.frombuffer(bytes.fromhex("".join(sha256)), np.uint8).reshape(-1, 32)


def names_of(keys: Keys) -> NDArray[np.bytes_]:
    """Turn uint8 `(n, 32)` into hexadecimal hashes, S64 `(n,)`."""
    return np.frombuffer(keys.tobytes().hex().encode(), "S64")


def prefixes_of(keys: Keys) -> NDArray[np.uint64]:
    """Return the first 8 bytes of hashes as numbers, `(n,)`: equal hashes have equal ones."""
    prefixes: NDArray[np.uint64] = np.ascontiguousarray(keys[:, :8]).view(np.uint64).ravel()
    return prefixes


def read_description(folder: Path) -> dict[str, Any]:
    """Return what a folder's fingerprint is made of; nothing where that was lost or damaged."""
    try:
        parts = dict(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
    return parts if Fingerprint(parts=parts).key == folder.name else {}


def _write_description(folder: Path, fingerprint: Fingerprint) -> None:
    """Say in a folder what its fingerprint is made of, unless that is said there."""
    if not read_description(folder):
        atomic_write_text(folder / DESCRIPTION, fingerprint.to_json() + "\n")


def quarantine_shard(damage: ShardDamaged) -> bool:
    """Rename a shard that cannot be trusted, so that nobody reads it, and warn; tell whether it was there.

    Raises:
        StoreError: It cannot be renamed.
    """
    try:
        damage.path.rename(damage.path.with_name(damage.path.name + DAMAGED_SUFFIX))
    except FileNotFoundError:
        return False  # another process was first
    except OSError as error:
        raise cannot_write(damage.path.parent, error) from None
    log.warning("shard %s; it is quarantined and its images are computed again", damage)
    return True


def cannot_read(path: Path, error: OSError) -> StoreError:
    """Return the error of a file of the local store that the system does not let be read."""
    return StoreError(
        f"cannot read {path} of the feature store: {error.strerror or error}; "
        f"{advice_for(error) or 'look at that file'}, and run again."
    )


def cannot_write(folder: Path, error: OSError) -> StoreError:
    """Return the error of a folder of the local store that the system does not let be written."""
    full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)  # HDF5's own errors have no number
    advice = (None if full else advice_for(error)) or "make room (bottleneck store gc)"
    return StoreError(
        f"cannot write to the feature store {folder}: {error.strerror or error}. What it already holds stays "
        f"valid; {advice}, and run again: only what is missing is computed."
    )
