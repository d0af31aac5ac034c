"""Archives, opened safely: a zip, a tar (gzipped or not), a folder, or those inside one another.

Formats are told by their content, never by a file's name; only a *member* that is named like
an archive is opened as one, and its members follow as `train.zip/train/cat.1.jpg`. Nothing is
written but anonymous temporary files, so no name in an archive can reach a path.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.archives.folders import empty_folders, folder_of
from pipeline.archives.formats import Entry, damage_named, file_entries, folder_entries, unpacked
from pipeline.archives.packing import pack_folder
from pipeline.archives.safety import Guard, Limits, is_archive_name, is_litter

__all__ = ["Limits", "Member", "pack_folder", "read_members"]


class Member(NamedTuple):
    """A file in an archive, or a folder (or an inner archive) in which there is nothing.

    Attributes:
        name: Its path inside the archive: `/` between the parts, Unicode NFC, never absolute,
            no `.` or `..`; of an empty folder with a `/` at the end. What lies in an inner
            archive has that archive's name before it.
        data: Its bytes, checked against the archive's own checksum where it has one.
    """

    name: str
    data: bytes


def read_members(
    path: Path,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    most_bytes: int = -1,
) -> Iterator[Member]:
    """Yield the files of an archive, one in memory at a time, and then its empty folders.

    The order is the archive's own; of a folder, sorted by name. What systems leave behind
    (`__MACOSX/`, `.DS_Store`, `Thumbs.db`, `._*`) is left out. Reading to the end is a full
    check: every checksum was compared.

    Args:
        path: Of the archive.
        limits: How much it may hold.
        most_bytes: Read of each file's beginning, where that is all one asks for; -1: all of it.

    Raises:
        ArchiveError: The archive is missing, damaged or not one; or a member is unsafe or over
            a limit: the message names the archive, the member and what is expected.
    """
    folders: set[str] = set()
    filled: set[str] = set()
    for member in _read(path, limits, most_bytes):
        if member.name.endswith("/"):
            folders.add(member.name)
        else:
            filled.add(folder_of(member.name))
            yield member
    yield from (Member(name, b"") for name in empty_folders(folders, filled))


def _read(path: Path, limits: Limits, most_bytes: int) -> Iterator[Member]:
    """Yield the files and the folders of an archive."""
    with damage_named(str(path)):
        if path.is_dir():
            guard = Guard(str(path), limits, packed_bytes=None)
            yield from _admitted(folder_entries(path), guard, most_bytes)
        else:
            with path.open("rb") as file:
                guard = Guard(str(path), limits, packed_bytes=os.fstat(file.fileno()).st_size)
                entries = file_entries(file, str(path), limits.member_bytes)
                yield from _admitted(entries, guard, most_bytes)


def _admitted(
    entries: Iterator[Entry], guard: Guard, most_bytes: int, prefix: str = "", depth: int = 0
) -> Iterator[Member]:
    """Yield the files and folders that the rules admit; an inner archive is a folder too."""
    for entry in entries:
        name = guard.admit(entry, prefix)
        if is_litter(name):
            continue
        if name and (entry.is_folder or is_archive_name(name)):
            yield Member(f"{name}/", b"")
        if entry.is_folder:
            continue
        where = f"{guard.archive}: {name}"
        with damage_named(where):
            if is_archive_name(name):
                guard.admit_depth(name, depth + 1)
                with unpacked(entry) as inner:
                    inner_entries = file_entries(inner, where, guard.limits.member_bytes)
                    yield from _admitted(inner_entries, guard, most_bytes, f"{name}/", depth + 1)
            else:
                yield Member(name, _bytes_of(entry, most_bytes))


def _bytes_of(entry: Entry, most_bytes: int) -> bytes:
    with entry.open() as stream:
        return stream.read(most_bytes)
