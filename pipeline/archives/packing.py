"""A folder as one zip file whose bytes depend on nothing but its files' names and contents."""

import shutil
import stat
import zipfile
from pathlib import Path

from pipeline.archives.folders import empty_folders, folder_of
from pipeline.archives.formats import Entry, damage_named, folder_entries
from pipeline.archives.safety import Guard, Limits, is_litter


def pack_folder(folder: Path, target: Path) -> None:
    """Write a zip of a folder's files, then of its empty folders, for a zip alone can tell of them.

    All is sorted by name, not compressed, dated 1980, of one mode.

    Photos do not shrink, and bytes that no compressor made are the same with every zlib.
    `target` is complete or not there at all. The folder is only read.

    Raises:
        ArchiveError: A file is unsafe (a link, say) or cannot be read; the message names it.
    """
    partial = target.with_name(target.name + ".partial")
    guard = Guard(str(folder), Limits(), packed_bytes=None)
    folders: set[str] = set()
    filled: set[str] = set()
    try:
        with damage_named(str(folder)), zipfile.ZipFile(partial, "w") as archive:
            for entry in folder_entries(folder):
                name = guard.admit(entry, "")
                if is_litter(name):
                    continue
                if entry.is_folder:
                    folders.add(f"{name}/")
                else:
                    filled.add(folder_of(name))
                    _pack(entry, name, archive)
            for name in empty_folders(folders, filled):
                archive.writestr(_describe(name, stat.S_IFDIR | 0o755), b"")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _pack(entry: Entry, name: str, archive: zipfile.ZipFile) -> None:
    info = _describe(name, stat.S_IFREG | 0o644)
    info.file_size = entry.size  # decides on the large-file form
    with entry.open() as source, archive.open(info, "w") as packed:
        shutil.copyfileobj(source, packed, 1 << 20)


def _describe(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, whatever the machine
    info.external_attr = mode << 16
    return info
