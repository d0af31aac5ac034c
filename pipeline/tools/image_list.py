"""Which images a command is to look at: files, folders, patterns, or a list of them on standard input."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import ImageError
from pipeline.signatures import READABLE, is_image

FIRST_BYTES = 32  # of a file, which tell its format


def list_images(arguments: Iterable[str], lines: Iterable[str]) -> list[Path]:
    """Return the files that arguments name, in their order, those of a folder sorted by path.

    Args:
        arguments: Each a file, there or not; a folder, of which all images count, however deep, but
            for hidden ones (links to folders are not followed); a pattern as `photos/*.jpg`, where no
            file is called so; or `-`, which stands for `lines`.
        lines: Arguments, one a line; none is read unless asked for.

    Raises:
        ImageError: A folder or pattern has no image; says which.
        OSError: A folder cannot be read.
    """
    found: list[Path] = []
    for argument in arguments:
        if argument == "-":
            files = list_images((line for one in lines if (line := one.rstrip("\r\n"))), ())
        else:
            files = list(_expand(argument))
        if not files:
            where = "the list on standard input" if argument == "-" else argument
            raise ImageError(f"no image in {where}. Expected images: {READABLE}.")
        found += files
    return found


def _expand(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if path.is_dir():
        yield from _images_in(path)
    elif os.path.lexists(path) or not glob.has_magic(argument):
        yield path
    else:
        for one in map(Path, sorted(glob.glob(argument, recursive=True))):
            yield from _images_in(one) if one.is_dir() else [one]


def _images_in(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for file in sorted(Path(place, name) for name in files if not _is_hidden(name)):
            if is_image(file.name, _first_bytes(file)):
                yield file


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _first_bytes(file: Path) -> bytes:
    """Return what tells a file's format; nothing where it cannot be read, so that its name decides."""
    try:
        if file.is_file():
            with file.open("rb") as stream:
                return stream.read(FIRST_BYTES)
    except OSError:
        pass
    return b""


def _refuse(error: OSError) -> None:
    raise error
