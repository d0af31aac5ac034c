"""How a file is put in place: whole or not at all."""

import csv
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InUse

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LEFT_OVER_SECONDS = 3600.0


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Offer a temporary name in the same folder; on success flush that file and rename it to `path`.

    Whoever is interrupted leaves the old file as it was. The folder is made when it is missing.

    Raises:
        OSError: It names `path` where the system names no file, as for a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by process number: machines that share a folder may have equal ones.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with _naming(path, temporary):
        try:
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_left_overs(folder: Path) -> None:
    """Remove the temporary files of `atomic_write` that runs killed long ago left in a folder.

    What cannot be removed stays: that of another user, in a folder where each removes their own.
    """
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFT_OVER_SECONDS:
                path.unlink()


class DeferredErrorFile(io.FileIO):
    """A file that seems to take every write, for a library that cannot stand a full disk.

    HDF5 is one: after a write that failed it cannot close its file, and crashes at exit.

    Attributes:
        fault: What the first write that failed raised; nothing is written after it.
    """

    fault: BaseException | None = None

    def write(self, data: "ReadableBuffer") -> int:
        """Write all of `data`, or keep the fault."""
        rest = whole = memoryview(data).cast("B")
        while rest and self.fault is None:
            try:
                rest = rest[super().write(rest) :]
            except BaseException as fault:  # noqa: BLE001 (an interruption, too, has to wait)
                self.fault = fault
        return len(whole)

    def check(self) -> None:
        """Raise the fault, if there is one."""
        if self.fault is not None:
            raise self.fault


@contextmanager
def deferred_errors(path: Path) -> Iterator[DeferredErrorFile]:
    """Open a new DeferredErrorFile; its fault is raised when the block ends."""
    with DeferredErrorFile(path, "w+") as file:
        try:
            yield file
        finally:
            file.check()


def csv_line(cells: Sequence[object]) -> str:
    """Return a row of CSV without its end."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(cells)
    return stream.getvalue()


def atomic_write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows, one or more, as CSV, whole or not at all, each as it comes.

    The keys of the first are the columns, lines end in LF.

    Raises:
        ValueError: A row has a key that the first has not.
    """
    rows = iter(rows)
    first = next(rows)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.DictWriter(stream, fieldnames=list(first), lineterminator="\n")
        table.writeheader()
        table.writerow(first)
        table.writerows(rows)


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all; lines end as they do in `text`."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def atomic_write_json(path: Path, value: object) -> None:
    """Write a value as JSON for people and diffs, whole or not at all: indented, keys sorted.

    Raises:
        ValueError: A number is not finite, which JSON has no way to say.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as temporary:
        # Half a character, as in the name of a file that is no UTF-8, becomes JSON's own \udc80.
        temporary.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Offer an empty folder beside `path`; on success it takes the place of `path`.

    What an interrupted run left beside `path` is removed first; one that still runs holds it.

    Raises:
        InUse: Another run is writing `path`.
        OSError: As `atomic_write`.
    """
    fresh = path.with_name(f".{path.name}.tmp")
    if fresh.is_dir():
        with _held(fresh):
            shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    with _held(fresh):  # to the end: who finds it free takes it for left over, and removes it
        try:
            with _naming(path, fresh):
                yield fresh
            if path.exists():
                shutil.rmtree(path)
            fresh.replace(path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder against other runs; the system lets go of it when this process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(
                f"another run is writing {folder}: wait for it, then run this again."
            ) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Name `path` in the error of a write: the system names the temporary file, or none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
