"""Shelves, on which an archive's files wait under their hash until their places are known."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

_NAMES = "0123456789abcdef"


class Shelves:
    """Files by the sha256 of their bytes, on the shelf that its first digit names.

    One process adds and places, others may read what it has added. There are several shelves because
    systems are slow to fill one folder and to look into it at once. Paths are plain text here: to make a
    Path of each takes as long as to hash the file.
    """

    def __init__(self, folder: Path) -> None:
        """Put up empty shelves in an empty folder."""
        self._folder = str(folder)
        for name in _NAMES:
            (folder / name).mkdir()

    def add(self, data: bytes) -> str:
        """Keep bytes, once; return their hash, hexadecimal."""
        sha256 = hashlib.sha256(data).hexdigest()
        with suppress(FileExistsError), open(self._path(sha256), "xb") as file:  # noqa: PTH123
            file.write(data)
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return the bytes with this hash."""
        with open(self._path(sha256), "rb") as file:  # noqa: PTH123
            return file.read()

    def place(self, sha256: str, path: str) -> None:
        """Move a file to its place, a path from the shelves' folder on."""
        os.rename(self._path(sha256), f"{self._folder}/{path}")  # noqa: PTH104

    def remove(self) -> None:
        """Take the shelves away, with all that is left there."""
        for name in _NAMES:
            shutil.rmtree(f"{self._folder}/{name}")

    def _path(self, sha256: str) -> str:
        return f"{self._folder}/{sha256[0]}/{sha256}"
