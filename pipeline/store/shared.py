"""A store that several machines share: a folder or bucket, named by a URL, with the shards of all.

A shard never changes and is named by its content, so names are all that is compared: what one store
lacks is copied from the other, whole, under its name. Nothing that came is used before it was checked.
"""

import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import StoreError, first_line
from pipeline.files import atomic_write, remove_left_overs
from pipeline.store.shards import SUFFIX, Keys, ShardDamaged, check_shard
from pipeline.store.store import (
    DAMAGED_SUFFIX,
    DESCRIPTION,
    Store,
    cannot_read,
    cannot_write,
    prefixes_of,
    quarantine_shard,
    read_description,
)

TABLE_BYTES = 128 << 10  # read at once of a shard of which only the table is wanted

log = logging.getLogger(__name__)


class SharedStore:
    """The shared store as seen from this machine.

    Args:
        url: An absolute folder that exists, or a URL as `s3://team/features`; None: nothing is shared.

    Attributes:
        url: As given.
        fetched: How many shards came from it.
        added: How many shards went to it.

    Raises:
        StoreError: The URL is of a kind that is not known, needs a package that is not installed, or
            cannot be reached at all; or it is the folder of a local store.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.fetched = self.added = 0
        if url is not None:
            self._files, self._root = _open(url)

    def __str__(self) -> str:
        return f"{self.url}: shards fetched: {self.fetched}, added: {self.added}"

    def reach(self) -> None:
        """Look whether it is there.

        Raises:
            StoreError: It cannot be reached or read.
        """
        if self.url is not None:
            with self._reaching():
                self._names("")

    def fetch(self, stores: Iterable[Store], keys: Keys) -> None:
        """Copy the shards that hold features which a store lacks into it.

        A shard that is damaged is set aside where it lies, with a warning.

        Args:
            stores: Where features are looked up.
            keys: uint8 `(n, 32)`, the images whose features are wanted.

        Raises:
            StoreError: The shared store cannot be reached or read, or the local one not be written; what
                came until then is of use.
        """
        if self.url is None:
            return
        for store in stores:
            wanted = np.sort(prefixes_of(keys[store.find(keys).missing]))
            if not len(wanted):
                continue
            with self._reaching():
                there = self._names(store.folder.name)
            for name in sorted(there - _names_in(store.folder)):
                path = f"{self._root}/{store.folder.name}/{name}"
                if self._may_hold(path, wanted):
                    self.fetched += self._fetch_shard(path, store.folder / name)

    def add(self, folders: Iterable[Path]) -> None:
        """Copy the shards that it lacks to it.

        Args:
            folders: Of fingerprints, in the local store.

        Raises:
            StoreError: The shared store cannot be reached or written, or the local one not be read.
        """
        if self.url is None:
            return
        for folder in folders:
            with self._reaching():
                there = self._sizes(folder.name)
                lacking = sorted(_names_in(folder) - there.keys())
                if lacking and not there.get(DESCRIPTION) and read_description(folder):
                    self._put(folder / DESCRIPTION)
            self._warn_of_unread(folder.name, _names_in(folder) & there.keys())
            for name in lacking:
                self.added += self._add_shard(folder / name)

    def _warn_of_unread(self, fingerprint: str, names: set[str]) -> None:
        """Say how many shards in a folder others may not read: by their names they are there."""
        if not self._is_folder:
            return
        folder = Path(self._root) / fingerprint
        if unread := [name for name in names if not os.access(folder / name, os.R_OK)]:
            log.warning(
                "shards in %s that cannot be read: %d. They count as there, and serve nobody else: who "
                "added them must let others read them (chmod g+rws and a umask of 002; docs/sharing.md)",
                folder, len(unread)
            )  # fmt: skip

    def _names(self, fingerprint: str) -> set[str]:
        """Return the names of the shards of a fingerprint, as they are now."""
        return {name for name in self._sizes(fingerprint) if name.endswith(SUFFIX)}

    def _sizes(self, fingerprint: str) -> dict[str, int]:
        """Return the names of the files of a fingerprint, as they are now, and their bytes."""
        if self._is_folder and not Path(self._root).is_dir():  # as where a disk is not mounted
            raise FileNotFoundError(f"there is no folder {self._root}")
        self._files.invalidate_cache()
        try:
            found = self._files.ls(f"{self._root}/{fingerprint}", detail=True)
        except FileNotFoundError:
            return {}  # nobody has added one yet
        files = [one for one in found if one["type"] != "directory"]
        return {PurePosixPath(one["name"]).name: one["size"] for one in files}

    def _may_hold(self, path: str, wanted: NDArray[np.uint64]) -> bool:
        """Tell by a shard's table whether one of its images is wanted; True where it cannot be read.

        Args:
            path: Of the shard.
            wanted: The first 8 bytes of the hashes, sorted, at least one.
        """
        try:
            with (
                self._files.open(path, "rb", block_size=TABLE_BYTES) as stream,
                h5py.File(stream, "r") as file,
            ):
                held = prefixes_of(file["sha256"][:])
        except Exception:  # noqa: BLE001 (whoever fetches the whole will see what is wrong)
            return True
        places = np.minimum(np.searchsorted(wanted, held), len(wanted) - 1)
        return bool((wanted[places] == held).any())

    def _fetch_shard(self, path: str, target: Path) -> bool:
        """Put a shard into the local store, whole and sound; tell whether it came."""
        data = self._read(path)
        if data is None:
            return False
        try:
            with atomic_write(target) as temporary:
                temporary.write_bytes(data)
                check_shard(temporary, target.parent.name, target.stem)
        except ShardDamaged as damage:
            self._set_aside(path, damage.why)
            return False
        except OSError as error:
            raise cannot_write(target.parent, error) from None
        return True

    def _read(self, path: str) -> bytes | None:
        """Return a shard's bytes, a few MiB; None where it is gone, or kept from others, which is said."""
        with self._reaching():
            try:
                data: bytes = self._files.cat_file(path)
                expected = self._files.size(path)
                if len(data) != expected:  # of the way, not of the shard
                    raise OSError(f"{path}: {len(data):,} of {expected:,} bytes came")
            except FileNotFoundError:
                return None  # another machine set it aside
            except PermissionError:
                log.warning(
                    "shard %s cannot be read: who added it must let others read it; it is not used",
                    self._shown(path),
                )
                return None
        return data

    def _set_aside(self, path: str, why: str) -> None:
        log.warning("shard %s: %s; it is set aside and not used", self._shown(path), why)
        try:
            self._files.mv(path, path + DAMAGED_SUFFIX)
        except FileNotFoundError:
            pass  # another machine was first
        except Exception as error:  # noqa: BLE001 (each file system has its own)
            log.warning("it stays where it is, for others to find: %s", first_line(error))

    def _add_shard(self, path: Path) -> bool:
        """Copy a sound shard to the shared store; tell whether it was one."""
        try:
            check_shard(path, path.parent.name)
        except FileNotFoundError:
            return False  # another process set it aside
        except OSError as error:
            raise cannot_read(path, error) from None
        except ShardDamaged as damage:
            quarantine_shard(damage)
            return False
        with self._reaching():
            self._put(path)
        return True

    def _put(self, path: Path) -> None:
        """Copy a file of the local store to its place; nobody sees a part of it."""
        target = f"{self._root}/{path.parent.name}/{path.name}"
        if not self._renames:
            self._files.put_file(str(path), target)  # a bucket shows an object when it is whole
        elif not self._is_folder:
            self._put_and_rename(path, target)
        else:
            self._put_into_folder(path, Path(target))

    def _put_and_rename(self, path: Path, target: str) -> None:
        """Copy a file under a temporary name beside its place, as `atomic_write` has one, and rename it."""
        folder, _, name = target.rpartition("/")
        temporary = f"{folder}/.{name}.{secrets.token_hex(4)}.tmp"
        try:
            self._files.put_file(str(path), temporary)
            self._files.mv(temporary, target)
        except BaseException:
            with suppress(Exception):  # what is out of reach stays: nobody takes it for a shard
                self._files.rm_file(temporary)
            raise

    def _put_into_folder(self, path: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)  # alone: where a disk was, nothing is to be made
        with atomic_write(target) as temporary:
            shutil.copyfile(path, temporary)
        remove_left_overs(target.parent)

    @property
    def _is_folder(self) -> bool:
        return "file" in _protocols(self._files)

    @property
    def _renames(self) -> bool:
        """Tell whether it has files, which come piece by piece and can be renamed, not objects."""
        from fsspec.spec import AbstractFileSystem  # whose own `mv` copies and removes

        return type(self._files).mv is not AbstractFileSystem.mv

    def _shown(self, path: str) -> str:
        return f"{self.url}{path.removeprefix(self._root)}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 (each file system has its own)
            raise StoreError(
                f"the shared store {self.url} cannot be used: {first_line(error)}. Expected a place that can "
                "be reached, read and written (params.yaml, features.store; docs/sharing.md)."
            ) from None


def _open(url: str) -> tuple[Any, str]:
    """Return a file system and the path in it that a URL names."""
    from fsspec.core import url_to_fs  # a quarter of a second, and few share

    try:
        files, root = url_to_fs(url)
        if "file" in _protocols(files) and _is_local_store(Path(root)):
            raise ValueError(
                "it is a project's own store, of which `bottleneck store gc` drops what others still use"
            )
    except Exception as error:  # noqa: BLE001 (each file system has its own)
        raise StoreError(
            f"the shared store {url} cannot be opened: {first_line(error)}. Expected an absolute folder, or "
            "a URL for whose kind the package is installed, as dvc-s3 for s3://team/features "
            "(params.yaml, features.store; docs/sharing.md)."
        ) from None
    return files, root.rstrip("/")


def _is_local_store(folder: Path) -> bool:
    """Tell whether a folder is the local store of this project, or by its name that of another."""
    found = folder.resolve()
    return found == paths.store_folder().resolve() or found.parts[-2:] == ("features", ".store")


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob(f"[!.]*{SUFFIX}")}
