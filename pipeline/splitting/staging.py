"""A folder in which an archive's files wait under their hash until their places are known."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


class StagingFolder:
    """Files by the sha256 of their bytes, in a folder of their own.

    One process adds and places; others may read what has been added. All is done with plain text for
    paths and the system's own calls, for to make a Path of each and a Python file takes as long as
    to hash it.

    Attributes:
        folder: Itself.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir()
        self.folder = folder
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

    def place_all(self, paths: Mapping[str, str]) -> None:
        """Move files to their places beside this folder, and remove it with what is left there.

        Args:
            paths: sha256 to the path below the folder that holds this one.
        """
        root = os.path.dirname(self._folder)  # noqa: PTH120
        for parent in {path.rpartition("/")[0] for path in paths.values()}:
            os.makedirs(f"{root}/{parent}", exist_ok=True)  # noqa: PTH103
        for sha256, path in paths.items():
            os.rename(f"{self._folder}/{sha256}", f"{root}/{path}")  # noqa: PTH104
        shutil.rmtree(self._folder)
