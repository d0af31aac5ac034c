"""A folder as one zip file whose bytes depend on nothing but its files' names and contents."""

import shutil
import stat
import zipfile
from pathlib import Path

from pipeline.archives.formats import Entry, damage_named, folder_entries
from pipeline.archives.safety import Guard, Limits, is_litter


def pack_folder(folder: Path, target: Path) -> None:
    """Write a zip of the folder's files: sorted, not compressed, dated 1980, all modes alike.

    Photos do not shrink, and bytes that no compressor made are the same with every zlib.
    `target` is complete or not there at all. The folder is only read.

    Raises:
        ArchiveError: A file is unsafe (a link, say) or cannot be read; the message names it.
    """
    partial = target.with_name(target.name + ".partial")
    guard = Guard(str(folder), Limits(), packed_bytes=None)
    try:
        with damage_named(str(folder)), zipfile.ZipFile(partial, "w") as archive:
            for entry in folder_entries(folder):
                name = guard.admit(entry, "")
                if not is_litter(name):
                    _pack(entry, f"{name}/" if entry.is_folder else name, archive)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _pack(entry: Entry, name: str, archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, whatever the machine
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.file_size = entry.size  # decides on the large-file form
    with entry.open() as source, archive.open(info, "w") as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
