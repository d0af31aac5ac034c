"""Source `archive`: the user's own archive file, folder or URL."""

import os
import shutil
from pathlib import Path

from pipeline.archives import pack_folder
from pipeline.errors import PipelineError, SourceError
from pipeline.urls import is_url, plain_url, url_file_name


def fetch_archive(dataset: str, archive: str, working: Path) -> tuple[Path, str]:
    """Copy, pack or download the archive into the working folder.

    Args:
        dataset: Its name, for the messages.
        archive: A path, taken literally as DVC takes it, or a URL: `https` or `http`.
        working: An empty folder.

    Returns:
        The file, and its origin: the URL without credentials and query, or the base name.

    Raises:
        SourceError: It is not there or cannot be read or downloaded.
        ArchiveError: It is a folder with something unsafe in it.
    """
    if is_url(archive):
        from pipeline.sources.downloads import download

        file = working / (url_file_name(archive) or f"{dataset}.archive")
        download(archive, file)
        return file, plain_url(archive)
    path = Path(archive)
    try:
        return _take(path, working), path.resolve().name
    except PipelineError as error:
        raise type(error)(f"{error} (params.yaml, datasets.{dataset}.archive)") from error


def plain_path(path: Path) -> Path:
    """Return a path without `..`, as DVC reads it; where a link makes that another place, the real one."""
    plain = Path(os.path.normpath(path))
    meant = not path.exists() or (plain.exists() and plain.samefile(path))
    return plain if meant else path.resolve()


def _take(path: Path, working: Path) -> Path:
    """Copy a file, or pack a folder, into the working folder."""
    if (plain := plain_path(path)) != Path(os.path.normpath(path)):
        raise SourceError(
            f"{str(path)!r} leads over a link to {str(plain)!r}, where DVC notices no change: write that."
        )
    if not (path.is_file() or path.is_dir()):  # a device would never end
        raise SourceError(
            f"there is no archive {str(path)!r}; expected a .zip, .tar or .tgz file, a folder, or a URL."
        )
    own, target = path.resolve(), working.parent.resolve()
    if target.is_relative_to(own) or own.is_relative_to(target):
        raise SourceError(
            f"the archive {str(path)!r} and {working.parent} lie in one another; move it out."
        )
    try:
        if path.is_file():
            return Path(shutil.copyfile(path, working / own.name))
        pack_folder(path, working / f"{own.name}.zip")
        return working / f"{own.name}.zip"
    except OSError as error:
        raise SourceError(f"cannot copy the archive {str(path)!r}: {error.strerror}.") from error
