"""A shelf, on which an archive's files wait under their hash until their places are known."""

import hashlib
import os
import shutil
from pathlib import Path


class StagingFolder:
    """Files by the sha256 of their bytes, in a folder of their own.

    One process adds and places; others may read what has been added. All is done with plain text for
    paths and the system's own calls, for to make a Path of each and a Python file takes as long as
    to hash it.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir()
        self._folder = str(folder)

    def add(self, data: bytes) -> str:
        """Keep bytes, once; return their hash, hexadecimal."""
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            file = os.open(f"{self._folder}/{sha256}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return sha256
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
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
