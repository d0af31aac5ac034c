"""A shelf, on which an archive's files wait under their hash until their places are known."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path


class Shelf:
    """Files by the sha256 of their bytes, in a folder of their own.

    One process adds and places; others may read what has been added. Paths are plain text here, for to
    make a Path of each takes half as long as to hash the file.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir()
        self._folder = str(folder)

    def add(self, data: bytes) -> str:
        """Keep bytes, once; return their hash, hexadecimal."""
        sha256 = hashlib.sha256(data).hexdigest()
        with suppress(FileExistsError), open(f"{self._folder}/{sha256}", "xb") as file:  # noqa: PTH123
            file.write(data)
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return the bytes with this hash."""
        with open(f"{self._folder}/{sha256}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()

    def place(self, sha256: str, path: str) -> None:
        """Move a file off the shelf."""
        os.rename(f"{self._folder}/{sha256}", path)  # noqa: PTH104

    def remove(self) -> None:
        """Take the shelf away, with all that is left there."""
        shutil.rmtree(self._folder)
