"""What the tests of the sources share: a server, small archives, and a home without credentials."""

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.sources import http
from tests.sources.servers import Server, running_server


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a running web server."""
    with running_server() as running:
        yield running


@pytest.fixture
def pets() -> bytes:
    """Give the bytes of an archive of cats and dogs, laid out as Kaggle's `train.zip`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(40):
            for label in ("cat", "dog"):
                archive.writestr(
                    zipfile.ZipInfo(f"train/{label}.{number}.jpg"), bytes([number]) * 997
                )
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shield the tests from the user's settings, and the servers from long pauses."""
    for name in list(os.environ):
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        "kagglehub.config.DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / "home" / ".kaggle")
    )
    monkeypatch.setattr(http, "RETRY_POLICY", replace(http.RETRY_POLICY, pauses_seconds=(0.0, 0.0)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make waiting short."""
    short = http.RetryPolicy(
        connect_seconds=0.5,
        silent_seconds=0.3,
        pace_seconds=0.5,
        pace_bytes=1000,
        pauses_seconds=(),
    )
    monkeypatch.setattr(http, "RETRY_POLICY", short)
