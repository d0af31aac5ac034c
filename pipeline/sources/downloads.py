"""One file from one URL, with `pooch`: whole and with the right hash, or not at all."""

import logging
import math
import sys
from pathlib import Path

import pooch
import requests
from rich.console import Console
from rich.progress import track

from pipeline.errors import SourceError
from pipeline.sources import http
from pipeline.urls import plain_url

_BLOCK_BYTES = 1 << 20


def download(url: str, target: Path, sha256: str | None = None) -> None:
    """Download a file to a path that does not exist yet.

    It is written under another name, hashed and renamed. A broken download starts again.

    Args:
        url: `http` or `https`.
        target: Path of the file, in an existing folder.
        sha256: What its bytes must hash to; None if that is not known.

    Raises:
        SourceError: It cannot be had or has another hash (both are in the message; the file is deleted).
    """
    pooch.get_logger().setLevel(logging.WARNING)
    known_hash = f"sha256:{sha256}" if sha256 else None

    def retrieve() -> None:
        pooch.retrieve(url, known_hash, target.name, target.parent, downloader=_download_to)

    try:
        http.request_with_retries(plain_url(url), retrieve)
    except requests.RequestException as error:
        status = http.status_of(error)
        reason = {404: "it is not there", 401: "it needs a log-in", 403: "access is refused"}.get(
            status or 0
        )
        raise SourceError(
            f"cannot get {plain_url(url)}: {reason or 'the server refuses'} ({status})."
        ) from error
    except ValueError as error:  # pooch's own, with both hashes
        raise SourceError(f"{plain_url(url)} is not the file it should be. {error}") from error


def _download_to(url: str, file: str, _: object) -> None:
    """Write what a URL gives into a file; a bar on the terminal shows how far it is."""
    with http.bounded_adapter() as adapter, requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter())
        answer = session.get(url, stream=True)
        answer.raise_for_status()
        blocks = answer.iter_content(_BLOCK_BYTES)
        length = answer.headers.get("Content-Length", "")
        count = math.ceil(int(length) / _BLOCK_BYTES) if length.isdecimal() else None
        console, silent = Console(stderr=True), not sys.stderr.isatty()
        with Path(file).open("wb") as stream:
            for block in track(blocks, "downloaded", count, console=console, disable=silent):
                stream.write(block)
