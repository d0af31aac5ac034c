"""Zip files whose bytes depend on nothing but the names and contents of what they hold."""

import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.archives.folders import empty_folders, folder_of
from pipeline.archives.formats import Entry, damage_named, empty_folder, folder_entries
from pipeline.archives.safety import Guard, Limits, is_litter
from pipeline.files import atomic_write


def write_zip(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries to a zip in the given order: not compressed, dated 1980, of one mode.

    Photos do not shrink, and bytes that no compressor made are the same with every zlib.
    `path` is complete or not there at all.
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for entry in entries:
            with entry.open() as source, archive.open(_describe(entry), "w") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)


def pack_folder(folder: Path, target: Path) -> None:
    """Write a zip of a folder's files, then of its empty folders, for a zip alone can tell of them.

    All is sorted by name. The folder is only read.

    Raises:
        ArchiveError: A file is unsafe (a link, say) or cannot be read, or there is no room for the
            zip; the message says which.
    """
    with damage_named(str(folder), doing="pack"):
        write_zip(target, _admitted(folder))


def _admitted(folder: Path) -> Iterator[Entry]:
    """Yield what the rules for archives admit of a folder."""
    guard = Guard(str(folder), Limits(), packed_bytes=None)
    folders: set[str] = set()
    filled: set[str] = set()
    for entry in folder_entries(folder):
        name = guard.admit(entry, "")
        if is_litter(name):
            continue
        if entry.is_folder:
            folders.add(f"{name}/")
        else:
            filled.add(folder_of(name))
            yield entry._replace(name=name)
    yield from map(empty_folder, empty_folders(folders, filled))


def _describe(entry: Entry) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(entry.name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, whatever the machine
    info.external_attr = (stat.S_IFDIR | 0o755 if entry.is_folder else stat.S_IFREG | 0o644) << 16
    info.file_size = entry.size  # decides on the large-file form
    return info
