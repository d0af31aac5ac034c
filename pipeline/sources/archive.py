"""Source `archive`: the user's own archive file, folder or URL."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.archives import pack_folder
from pipeline.errors import ArchiveError, SourceError


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
    """
    url = urlsplit(archive)
    if url.scheme in ("http", "https"):
        from pipeline.sources.downloads import download, plain_url, url_file_name

        file = working / (url_file_name(archive) or f"{dataset}.archive")
        download(archive, file)
        return file, plain_url(archive)
    path = Path(url2pathname(url.path)) if url.scheme == "file" else Path(archive).expanduser()
    key = f"params.yaml, datasets.{dataset}.archive"
    if not path.exists():
        raise SourceError(
            f"there is no archive {archive!r}; expected a .zip, .tar or .tgz file, a folder, or a URL ({key})"
        )
    own, target = path.resolve(), working.parent.resolve()
    if target.is_relative_to(own) or own.is_relative_to(target):
        raise SourceError(
            f"the archive {archive!r} and {working.parent} lie in one another; move it out ({key})"
        )
    name = own.name
    try:
        if path.is_dir():
            file = working / f"{name}.zip"
            pack_folder(path, file)
        else:
            file = Path(shutil.copyfile(path, working / name))
    except OSError as error:
        raise SourceError(f"cannot copy the archive {archive!r}: {error.strerror} ({key})") from error
    except ArchiveError as error:
        raise ArchiveError(f"{error} ({key})") from error
    return file, name
