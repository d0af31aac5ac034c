"""Which images a command is to look at: files, folders, patterns, or a list of them on standard input."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.archives.safety import is_litter
from pipeline.errors import ImageError
from pipeline.signatures import READABLE, is_image

FIRST_BYTES = 32  # of a file, which tell its format


class ImageList(NamedTuple):
    """The files that were named, and what in named folders is hidden, no image, or a link to a folder."""

    images: list[Path]
    left_out: list[Path]


def list_images(arguments: Iterable[str], lines: Iterable[str]) -> ImageList:
    """Return the files that arguments name, in their order, those of a folder sorted by path.

    Args:
        arguments: Each a file, there or not; a folder, of which all images count, however deep, but
            for hidden ones (links to folders are not followed, and what systems leave behind is passed
            over); a pattern as `photos/*.jpg`, where no file is called so; or `-`, which stands for `lines`.
        lines: Arguments, one a line; none is read unless asked for.

    Raises:
        ImageError: A folder or pattern has no image, or a name is empty; says which.
        OSError: A folder cannot be read.
    """
    found = ImageList([], [])
    for argument in arguments:
        if not argument:
            raise ImageError(
                f"an empty name. Expected a file, a folder, a pattern or -: {READABLE}."
            )
        if argument == "-":
            names = (line for one in lines if (line := one.strip("\ufeff\r\n")))
            images, left_out = list_images(names, ())
        else:
            images, left_out = _expand(argument)
        if not images:
            where = "the list on standard input" if argument == "-" else argument
            raise ImageError(f"no image in {where}. Expected images: {READABLE}.")
        found.images.extend(images)
        found.left_out.extend(left_out)
    return found


def _expand(argument: str) -> ImageList:
    path = Path(argument)
    is_pattern = glob.has_magic(argument) and not os.path.lexists(path)
    found: dict[Path, bool] = {}  # by `**` a file is found by itself and in each folder above it
    for one in map(Path, sorted(glob.glob(argument, recursive=True))) if is_pattern else [path]:
        for file, is_one in _look_into(one) if one.is_dir() else [(one, True)]:
            found.setdefault(file, is_one)
    images = [file for file, is_one in found.items() if is_one]
    return ImageList(images, [file for file, is_one in found.items() if not is_one])


def _look_into(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield what is in a folder, but for what systems leave behind, and whether it is an image to look at."""
    for place, folders, files in os.walk(folder, onerror=_refuse):
        wanted = sorted(name for name in folders if not is_litter(name))
        folders[:] = [name for name in wanted if not _is_hidden(name)]
        for path in (Path(place, name) for name in wanted):
            if _is_hidden(path.name) or path.is_symlink():
                yield path, False
        for file in sorted(Path(place, name) for name in files if not is_litter(name)):
            yield file, not _is_hidden(file.name) and is_image(file.name, _first_bytes(file))


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


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
