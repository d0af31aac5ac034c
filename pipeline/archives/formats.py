"""The entries of a zip, a tar and a folder, in one form; nothing is checked here."""

import contextlib
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from pipeline.errors import ArchiveError, advice_for
from pipeline.signatures import is_lfs_pointer

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError,
    OverflowError, IndexError,
)  # fmt: skip
_SPOOL_BYTES = 64 << 20
_BLOCK_BYTES = 512
_PADDING_BYTES = 1 << 20
_FOLDER = "a folder"
_KINDS = {
    0: "file", stat.S_IFREG: "file", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket",
}  # fmt: skip


class Entry(NamedTuple):
    """An entry of an archive as the archive describes it: to be checked before it is used.

    Attributes:
        name: As spelt in the archive.
        kind: `file`, `a folder`, or what else it is, in words.
        size: Bytes unpacked, as declared; no more than these are ever read.
        packed: Bytes packed; None where the format does not say.
        open: Opens it for reading.
    """

    name: str
    kind: str
    size: int
    packed: int | None
    open: Callable[[], IO[bytes]]

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.kind == _FOLDER


def plain_file(name: str, data: bytes) -> Entry:
    """Return the entry of a file whose bytes are in memory."""
    return Entry(
        name=name, kind="file", size=len(data), packed=None, open=partial(io.BytesIO, data)
    )


def empty_folder(name: str) -> Entry:
    """Return the entry of a folder in which nothing lies."""
    return Entry(name=name, kind=_FOLDER, size=0, packed=None, open=io.BytesIO)


@contextlib.contextmanager
def damage_named(where: str, doing: str = "unpack") -> Iterator[None]:
    """Turn whatever the readers raise on damaged files into an ArchiveError that names the file.

    Args:
        where: The file.
        doing: What takes room on the disk, for the message when there is none.
    """
    try:
        yield
    except NotImplementedError as error:
        raise ArchiveError(
            f"{where} cannot be unpacked: {error}. Pack it again as a plain zip or tar."
        ) from error
    except OSError as error:
        if error.errno is None:  # gzip's own
            raise ArchiveError(f"{where} is damaged: {error}. Get it again.") from error
        verb = doing if error.errno in _FULL else "read"
        file = f" ({error.filename})" if error.filename not in (None, where) else ""
        advice = f"; {todo}" if (todo := advice_for(error)) else ""
        raise ArchiveError(f"cannot {verb} {where}: {error.strerror}{file}{advice}.") from error
    except _DAMAGE as error:
        raise ArchiveError(f"{where} is damaged or cut short: {error}. Get it again.") from error


def file_entries(file: BinaryIO, where: str, most_bytes: int) -> Iterator[Entry]:
    """Return the entries of a zip or tar file; no single read takes more than `most_bytes`.

    Raises:
        ArchiveError: It is neither; the message begins with `where`.
    """
    start = file.read(_BLOCK_BYTES)
    file.seek(0)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_entries(file)
    if is_lfs_pointer(start):
        raise ArchiveError(f"{where} is a Git LFS pointer, not the archive: run `git lfs pull`.")
    stream = file
    if start.startswith(b"\x1f\x8b"):
        stream = gzip.GzipFile(fileobj=file, mode="rb")  # type: ignore[assignment]
    if _begins_a_tar(stream.read(_BLOCK_BYTES)):
        stream.seek(0)
        return _tar_entries(stream, most_bytes)
    found = f"begins with {start[:8]!r}" if start else "is empty"
    raise ArchiveError(f"{where} {found}; expected a .zip, .tar, .tar.gz or .tgz file.")


def folder_entries(folder: Path) -> Iterator[Entry]:
    """Yield what is below a folder, folder by folder: sorted by name, links not followed."""
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        if Path(root) != folder:
            yield empty_folder(Path(root).relative_to(folder).as_posix())
        for base in sorted(files + [name for name in folders if Path(root, name).is_symlink()]):
            path = Path(root, base)
            status = path.lstat()
            yield Entry(
                name=path.relative_to(folder).as_posix(), kind=_kind_by_mode(status.st_mode),
                size=status.st_size, packed=None, open=partial(_open, path),
            )  # fmt: skip


@contextlib.contextmanager
def unpacked(entry: Entry) -> Iterator[BinaryIO]:
    """Give an entry's whole content as a file that can be searched, in memory while it is small."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        with entry.open() as stream:
            shutil.copyfileobj(stream, spool, 1 << 20)
        spool.seek(0)
        yield spool  # type: ignore[misc]


def _zip_entries(file: BinaryIO) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as archive:
        _check_overlap(archive)
        for info in archive.infolist():
            yield Entry(
                name=_zip_name(info), kind=_zip_kind(info), size=info.file_size, packed=info.compress_size,
                open=partial(archive.open, info),
            )  # fmt: skip


def _check_overlap(archive: zipfile.ZipFile) -> None:
    """Refuse members that share bytes, by which a small file can unpack to a huge one."""
    end, before = 0, ""
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise zipfile.BadZipFile(f"{info.filename!r} begins inside {before!r}")
        end, before = info.header_offset + 30 + info.compress_size, info.filename


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the name as it was meant: many tools write UTF-8 without saying so."""
    name = info.orig_filename
    if name.isascii() or info.flag_bits & 0x800:
        return name
    with contextlib.suppress(UnicodeError):
        return name.encode("cp437").decode("utf-8")
    return name


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.orig_filename.endswith("/"):
        return _FOLDER
    return "encrypted" if info.flag_bits & 0x2041 else _kind_by_mode(info.external_attr >> 16)


def _kind_by_mode(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode)) or f"of an unknown kind (mode {mode:o})"


def _begins_a_tar(block: bytes) -> bool:
    """Tell a tar's first header, of any dialect, by its checksum; an empty tar begins with zeros."""
    if block == bytes(_BLOCK_BYTES):
        return True
    with contextlib.suppress(tarfile.TarError):
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        return True
    return False


def _tar_entries(stream: BinaryIO, most_bytes: int) -> Iterator[Entry]:
    metered = _Metered(stream, most_bytes)
    with tarfile.open(fileobj=metered, mode="r:", errorlevel=1) as archive:  # type: ignore[call-overload]
        while (info := archive.next()) is not None:
            archive.members.clear()  # else it keeps every header
            yield Entry(
                name=info.name, kind=_tar_kind(info), size=info.size, packed=None,
                open=partial(archive.extractfile, info),
            )  # fmt: skip
        if metered.last != bytes(_BLOCK_BYTES):  # tarfile takes any broken header for the end
            raise tarfile.ReadError(f"no valid header and no end mark at byte {archive.offset:,}")
        rest = stream.read(_PADDING_BYTES + 1)  # also makes gzip compare its checksum
        if len(rest) > _PADDING_BYTES or rest.strip(b"\0"):
            raise tarfile.ReadError("more data follows the end mark")


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return _FOLDER
    if info.isreg():
        return "file"
    kinds = {
        tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a named pipe",
        tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device",
    }  # fmt: skip
    return kinds.get(info.type, f"of an unknown kind (type {info.type!r})")


class _Metered:
    """A stream for tarfile that refuses to be read in huge pieces and remembers the last one.

    A tar's long names are members too, and tarfile reads them whole, before anyone can check.
    """

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = max(most_bytes, _BLOCK_BYTES)
        self.last = b""
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        if not 0 <= size <= self._most_bytes:
            raise tarfile.ReadError(
                f"a header declares {size:,} bytes; expected at most {self._most_bytes:,}"
            )
        self.last = self._stream.read(size)
        return self.last


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _raise(error: OSError) -> None:
    raise error
