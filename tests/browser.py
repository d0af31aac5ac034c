"""A browser for tests, Debian's chromium, that no request leaves; they are skipped where it is absent."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def open_browser() -> Iterator[Any]:
    """Offer Playwright's handle of one running browser; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """One page opened from its file, with what it asked of the network and complained of.

    Attributes:
        page: Playwright's.
        requests: The URLs of files other than the page, and of the network; all were refused.
        complaints: Warnings and errors of the console, and what scripts raised.
    """

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page(**options)
        self._url = file.resolve().as_uri()
        self.page.route("**/*", self._answer)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self._url)

    def _answer(self, route: Any) -> None:
        url = route.request.url
        if url.partition("#")[0] == self._url or url.startswith("data:"):
            route.continue_()
        else:
            self.requests.append(url)
            route.abort()

    def _listen(self, message: Any) -> None:
        if message.type in ("warning", "error"):
            self.complaints.append(message.text)
