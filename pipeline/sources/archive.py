"""Source `archive`: the user's own archive file, folder or URL."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.archives import pack_folder
from pipeline.errors import PipelineError, SourceError


def fetch_archive(dataset: str, archive: str, working: Path) -> tuple[Path, str]:
    """Copy, pack or download the archive into the working folder.

    Args:
        dataset: Its name, for the messages.
        archive: A path as the shell would take it (`~` too), or a URL: `https`, `http`, `file`.
        working: An empty folder.

    Returns:
        The file, and its origin: the URL without credentials and query, or the base name.

    Raises:
        SourceError: It is not there or cannot be read or downloaded.
        ArchiveError: It is a folder with something unsafe in it.
    """
    url = urlsplit(archive)
    if url.scheme in ("http", "https"):
        from pipeline.sources.downloads import download, plain_url, url_file_name

        file = working / (url_file_name(archive) or f"{dataset}.archive")
        download(archive, file)
        return file, plain_url(archive)
    path = Path(url2pathname(url.path)) if url.scheme == "file" else Path(archive).expanduser()
    try:
        return _take(path, working), path.resolve().name
    except PipelineError as error:
        raise type(error)(f"{error} (params.yaml, datasets.{dataset}.archive)") from error


def _take(path: Path, working: Path) -> Path:
    """Copy a file, or pack a folder, into the working folder."""
    if not path.exists():
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
