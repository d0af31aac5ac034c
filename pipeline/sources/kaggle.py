"""Source `kaggle`: a competition's file or a public data set, with Kaggle's own client."""

import contextlib
import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from pipeline.catalogue.datasets import CATALOGUE, Kaggle
from pipeline.errors import SourceError
from pipeline.sources.http import bounded_adapter, request_with_retries, status_of

_ARCHIVE = "archive"
_HOW_TO_LOG_IN = (
    "make a token at https://www.kaggle.com/settings and set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and "
    "KAGGLE_KEY, or put it where Kaggle's tools look: ~/.kaggle/access_token or ~/.kaggle/kaggle.json"
)


def fetch_kaggle(dataset: str, working: Path) -> tuple[Path, str]:
    """Have `kagglehub` download the dataset into the working folder, as one archive file.

    Credentials are found as Kaggle's tools find them, and none are needed for a public data
    set. Kaggle's cache is not used: everything happens in the working folder.

    Returns:
        The file and its handle: `<competition>/<file>` or `<owner>/<data set>/versions/<number>`.

    Raises:
        SourceError: Kaggle does not have the dataset or does not give it out; the message says
            what to do.
    """
    known = CATALOGUE.get(dataset)
    if known is None or known.kaggle is None:
        with_one = ", ".join(name for name, entry in CATALOGUE.items() if entry.kaggle)
        raise SourceError(
            f"{dataset} is not known to be at Kaggle; these are: {with_one} "
            f"(params.yaml, datasets.{dataset}.source)"
        )
    place = known.kaggle
    cache = working / "kaggle"
    with _confined(cache):
        got = Path(_download(place))
    file = Path(shutil.move(got, working / place.file_name))
    shutil.rmtree(cache)
    return file, place.origin


def _download(place: Kaggle) -> str:
    """Return where kagglehub put the file."""
    request = _request(place)
    try:
        return request_with_retries(place.page, request)
    except requests.RequestException as error:
        raise SourceError(_refusal(place, status_of(error))) from error


def _request(place: Kaggle) -> Callable[[], str]:
    """Return the call of kagglehub, its own errors put into words."""
    import kagglehub
    from kagglehub import exceptions

    logging.getLogger("kagglehub").setLevel(logging.ERROR)

    def request() -> str:
        try:
            if place.is_competition:
                return str(kagglehub.competition_download(place.handle, path=place.file))
            return str(Path(kagglehub.dataset_download(place.handle), _ARCHIVE))
        except exceptions.UnauthenticatedError as error:
            raise SourceError(
                f"{place.page} needs an account, and no credentials were found: {_HOW_TO_LOG_IN}."
            ) from error
        except exceptions.DataCorruptionError as error:
            hashes = " ".join(str(error).split())
            raise SourceError(
                f"what {place.page} sent is damaged and was deleted. {hashes}"
            ) from error
        except requests.RequestException:
            raise
        except ValueError as error:  # kaggle.json has no credentials in it
            raise SourceError(f"cannot get {place.page}: {error}.") from error

    return request


def _refusal(place: Kaggle, status: int | None) -> str:
    """Say what a 4xx from Kaggle means and what to do."""
    if status == 401:
        return f"Kaggle does not know the credentials it was given (401, {place.page}): {_HOW_TO_LOG_IN}."
    if status == 403 and place.is_competition:
        return (
            f"Kaggle refuses {place.page} (403) until the competition's rules are accepted: open "
            f"https://www.kaggle.com/c/{place.handle}/rules in a browser, log in, accept them, run again."
        )
    if status == 403:
        return (
            f"Kaggle refuses {place.page} (403). Open it in a browser: "
            "is it public? Does it ask for consent?"
        )
    if status == 404:
        return f"Kaggle has nothing at {place.page} (404): removed or renamed. Use source: mirror or archive."
    return f"Kaggle refuses {place.page} ({status})."


@contextlib.contextmanager
def _confined(cache: Path) -> Iterator[None]:
    """Keep kagglehub's files in a folder, its chatter (and secrets) off standard output.

    It sets no time-out and takes no session, so the sessions that it makes get our adapter.
    A data set's archive is kept instead of unpacked: kagglehub knows no limits, and would
    rename a member that climbs out of the folder without a word. `pipeline.archives` does.
    """
    from kagglehub import http_resolver

    settings = {
        "KAGGLEHUB_CACHE": str(cache),
        "DISABLE_KAGGLE_CACHE": "1",
        "DISABLE_COLAB_CACHE": "1",
    }
    before = {name: os.environ.get(name) for name in settings}
    unpack, plain_adapter = http_resolver._extract_archive, requests.sessions.HTTPAdapter
    errors = sys.stderr if sys.stderr.isatty() else io.StringIO()  # its progress bar
    os.environ.update(settings)
    http_resolver._extract_archive = _keep_archive
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(errors),
            bounded_adapter() as adapter,
        ):
            requests.sessions.HTTPAdapter = adapter  # type: ignore[misc]
            yield
    finally:
        requests.sessions.HTTPAdapter = plain_adapter  # type: ignore[misc]
        http_resolver._extract_archive = unpack
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _keep_archive(archive: str, folder: str) -> None:
    """Stand in for kagglehub's unpacking; it removes what is left at `archive` afterwards."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(archive).replace(Path(folder, _ARCHIVE))
    Path(archive).touch()
