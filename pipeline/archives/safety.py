"""The rules that a member must keep before anything of it is read."""

import re
import unicodedata
from dataclasses import dataclass

from pipeline.archives.formats import Entry
from pipeline.errors import ArchiveError

RATIO_FLOOR_BYTES = (
    1 << 20
)  # below this, a text file or a plain image may shrink to next to nothing
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LITTER = (".ds_store", "thumbs.db", "desktop.ini")
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may hold; what real sets of photos stay far below.

    Attributes:
        files: Members, with those of inner archives.
        folders: Likewise, those that the archive lists.
        total_bytes: All members unpacked, inner archives and what they hold both counted.
        member_bytes: One member unpacked; an inner archive may be larger.
        ratio: Unpacked to packed bytes, of one member and of the whole. Deflate reaches
            1,032 on zeros; photos stay below 2.
        depth: Archives inside archives.
        name_bytes: A member's whole name as UTF-8; each part of it may have 255.
    """

    files: int = 2_000_000
    folders: int = 1_000_000
    total_bytes: int = 256 << 30
    member_bytes: int = 256 << 20
    ratio: int = 200
    depth: int = 2
    name_bytes: int = 1024


class Guard:
    """Admits an archive's entries one by one and refuses the first that breaks a rule."""

    def __init__(self, archive: str, limits: Limits, packed_bytes: int | None) -> None:
        """Watch over one archive file of `packed_bytes`, or over a folder (`None`)."""
        self.archive = archive
        self.limits = limits
        self._packed_bytes = packed_bytes
        self._files = self._folders = 0
        self._total_bytes = 0
        self._spellings: dict[str, str] = {}
        self._names: set[str] = set()

    def admit(self, entry: Entry, prefix: str) -> str:
        """Return the entry's name, cleaned and with the prefix of the archive it lies in.

        Raises:
            ArchiveError: The entry breaks a rule.
        """
        name = prefix + self._clean(entry.name, is_folder=entry.is_folder)
        if entry.is_folder:
            self._admit_folder_count(name)
            return name
        if entry.kind != "file":
            raise self._refusal(entry.name, f"is {entry.kind}", "plain files and folders only")
        self._admit_name(name)
        self._admit_size(name, entry)
        return name

    def admit_depth(self, name: str, depth: int) -> None:
        """Refuse an inner archive that lies too deep.

        Raises:
            ArchiveError: `depth` is over the limit.
        """
        if depth > self.limits.depth:
            raise self._refusal(
                name,
                f"is archive in archive, {depth} deep",
                f"at most {self.limits.depth}: unpack it first",
            )

    def _clean(self, name: str, *, is_folder: bool) -> str:
        """Return the name in NFC without empty and `.` parts, if it can do no harm."""
        if "\\" in name:
            raise self._refusal(name, "has a backslash in its name", "'/' between folders")
        if _ABSOLUTE.match(name):
            raise self._refusal(name, "has an absolute path", "paths inside the archive")
        if _UNPRINTABLE.search(name):
            raise self._refusal(
                name, "has control or undecodable characters in its name", "names in UTF-8"
            )
        parts = [
            part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", ".")
        ]
        if ".." in parts:
            raise self._refusal(
                name, "climbs out of the archive with '..'", "paths inside the archive"
            )
        if not parts and not is_folder:
            raise self._refusal(name, "has no name", "every file to have one")
        clean = "/".join(parts)
        size = len(clean.encode())
        if size > self.limits.name_bytes or (
            size > 255 and max(len(part.encode()) for part in parts) > 255
        ):
            raise self._refusal(
                name,
                "has too long a name",
                f"at most 255 bytes a part, {self.limits.name_bytes} in all",
            )
        return clean

    def _admit_name(self, name: str) -> None:
        """Refuse a name that is taken, be it in other capitals, or by a folder."""
        if name in self._names:
            raise self._refusal(name, "is there twice", "every name once")
        self._names.add(name)
        folder, slash, _ = name.rpartition("/")
        if slash and folder + "/" not in self._spellings:
            self._admit_folder(folder)
        self._admit_spelling(name, f"{name}/" if is_archive_name(name) else name)

    def _admit_folder(self, folder: str) -> None:
        parts = folder.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            self._admit_spelling(path, path + "/")
        self._spellings[folder + "/"] = folder  # seen: the next file in it need not look again

    def _admit_spelling(self, path: str, spelling: str) -> None:
        known = self._spellings.setdefault(unicodedata.normalize("NFC", path.casefold()), spelling)
        if known != spelling:
            raise self._refusal(
                spelling,
                f"clashes with {known!r}",
                "names that differ in more than capitals, and no file and folder alike",
            )

    def _admit_folder_count(self, name: str) -> None:
        """Refuse so many folders that their names would fill the memory."""
        self._folders += 1
        if self._folders > self.limits.folders:
            raise self._refusal(
                name, f"is folder number {self._folders:,}", f"at most {self.limits.folders:,}"
            )

    def _admit_size(self, name: str, entry: Entry) -> None:
        """Refuse sizes that only an attack or a mistake has."""
        limits = self.limits
        self._files += 1
        self._total_bytes += entry.size
        if entry.size < 0:
            raise self._refusal(name, f"has a size of {entry.size} bytes", "0 or more")
        if self._files > limits.files:
            raise self._refusal(
                name, f"is file number {self._files:,}", f"at most {limits.files:,} files"
            )
        if entry.size > limits.member_bytes and not is_archive_name(name):
            raise self._refusal(
                name, f"has {entry.size:,} bytes", f"at most {limits.member_bytes:,} a file"
            )
        if self._total_bytes > limits.total_bytes:
            raise self._refusal(
                name,
                f"makes it {self._total_bytes:,} bytes unpacked",
                f"at most {limits.total_bytes:,}",
            )
        self._admit_ratio(name, entry.size, entry.packed)
        self._admit_ratio(name, self._total_bytes, self._packed_bytes)

    def _admit_ratio(self, name: str, size: int, packed: int | None) -> None:
        if packed is None or size <= RATIO_FLOOR_BYTES or size <= self.limits.ratio * packed:
            return
        raise self._refusal(
            name,
            f"looks like a zip bomb: {packed:,} bytes unpack to {size:,}",
            f"at most {self.limits.ratio} times as many. If you trust it, unpack it and give the folder",
        )

    def _refusal(self, name: str, found: str, expected: str) -> ArchiveError:
        return ArchiveError(f"{self.archive}: {_shortened(name)!r} {found}; expected {expected}.")


def is_archive_name(name: str) -> bool:
    """Tell whether a member's name says that it is an archive."""
    return name.lower().endswith(_ARCHIVE_SUFFIXES)


def is_litter(name: str) -> bool:
    """Tell whether a member is what macOS and Windows leave in archives and folders."""
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1].lower() in _LITTER or parts[-1].startswith("._")


def _shortened(name: str) -> str:
    return name if len(name) <= 120 else f"{name[:117]}..."
