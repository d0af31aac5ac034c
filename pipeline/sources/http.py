"""How long to wait for a server, how often to ask it again, and what to tell of its answer."""

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError

from pipeline.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to give up on a server, and when to ask again.

    Attributes:
        connect_seconds: Until it takes the connection.
        silent_seconds: Between two pieces of its answer.
        pace_seconds: Spans over which its speed is taken.
        pace_bytes: Fewest bytes in such a span: a server that sends a byte now and then is never silent.
        pauses_seconds: Before the second attempt, the third and so on.
        longest_pause_seconds: Above this, a server's wish for a pause is passed on to the user.
        most_bytes: An answer may have: one that does not end must not fill the disk.
    """

    connect_seconds: float = 10
    silent_seconds: float = 30
    pace_seconds: float = 60
    pace_bytes: int = 64 << 10
    pauses_seconds: tuple[float, ...] = (1, 4, 10)
    longest_pause_seconds: float = 60
    most_bytes: int = 256 << 30  # as much as an archive may hold unpacked


RETRY_POLICY = RetryPolicy()


def request_with_retries(what: str, request: Callable[[], T]) -> T:
    """Make a request that uses `requests` somewhere below, with retries.

    What may pass is tried again: a broken connection, silence, 429, 5xx.

    Args:
        what: URL or name of what is asked for, fit for a message: no credentials in it.
        request: Makes the request; it may be called several times.

    Raises:
        SourceError: It failed; the message says how and what to do. `HTTPError`s with a status
            below 500 but 429 are left to the caller, who knows what they mean.
    """
    for pause in (*RETRY_POLICY.pauses_seconds, None):
        try:
            return request()
        except requests.RequestException as error:
            status = status_of(error)
            if status is not None and status < 500 and status != 429:
                raise
            wait = _retry_after(error)
            if (
                pause is None
                or not _may_pass(error, status)
                or wait > RETRY_POLICY.longest_pause_seconds
            ):
                raise SourceError(f"cannot get {what}: {_explain(error, status)}") from error
            time.sleep(max(pause, wait))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise SourceError(
                f"cannot get {what}: the disk is full ({error.strerror}). Free some space and run again."
            ) from error
    raise AssertionError("the last attempt returns or raises")


def status_of(error: requests.RequestException) -> int | None:
    """Return the HTTP status, or the code that Kaggle puts into a JSON body under status 200."""
    if error.response is None:
        return None
    if error.response.status_code >= 400:
        return int(error.response.status_code)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return int(error.response.json()["code"])
    return None


def _may_pass(error: requests.RequestException, status: int | None) -> bool:
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return status is not None or isinstance(error, broken)


def _retry_after(error: requests.RequestException) -> float:
    """Return the seconds that the server asks to wait."""
    wish = "" if error.response is None else error.response.headers.get("Retry-After", "")
    return float(wish) if wish.isdecimal() else 0.0


def _explain(error: requests.RequestException, status: int | None) -> str:
    """Say what went wrong without the exception's own text, which may hold a URL with secrets."""
    if status == 429:
        wait = _retry_after(error)
        when = f"in {wait:,.0f} seconds" if wait else "later"
        return f"too many requests (429). Run again {when}."
    if status is not None:
        return f"the server has a fault of its own ({status}). Run again later."
    silence = (requests.exceptions.ReadTimeout, ReadTimeoutError)  # before the body, and within
    if isinstance(error, silence) or isinstance(next(iter(error.args), None), silence):
        return "the server is silent or next to it (time-out). Run again later."
    if isinstance(error, TooLong):
        return (
            f"it has more than {RETRY_POLICY.most_bytes:,} bytes, or no end. "
            "If that is right, download the file in another way and give its path."
        )
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off before the end. Run again."
    if isinstance(error, requests.ConnectionError):
        return f"no connection ({type(error).__name__}). Check the name, the network and the proxy."
    return f"{type(error).__name__}. Check the address; a proxy or a log-in page may have answered."


class TooLong(requests.RequestException):
    """An answer is longer than any archive."""


@contextlib.contextmanager
def bounded_adapter() -> Iterator[type[HTTPAdapter]]:
    """Offer an adapter for sessions that lets no request wait, and no answer go on, for ever.

    A time-out alone does not end an answer that trickles. Answers are closed in the end, since
    not every client closes one that it did not like.
    """
    with contextlib.ExitStack() as answers:

        class BoundedAdapter(HTTPAdapter):
            def send(
                self,
                request: requests.PreparedRequest,
                stream: bool = False,
                timeout: float | tuple[float, float] | tuple[float, None] | None = None,
                *others: Any,
                **more: Any,
            ) -> requests.Response:
                timeout = timeout or (RETRY_POLICY.connect_seconds, RETRY_POLICY.silent_seconds)
                response = super().send(request, stream, timeout, *others, **more)
                response.raw = _BoundedBody(response.raw)
                answers.callback(response.close)
                return response

        yield BoundedAdapter


class _BoundedBody:
    """The body of an answer; gives up if it comes too slowly or does not end."""

    def __init__(self, raw: urllib3.HTTPResponse) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield the body in pieces of `amount` bytes, the last one shorter."""
        pieces = self._pieces(amount, decode_content)
        block = bytearray()
        for piece in pieces:
            block += piece
            while len(block) >= amount:
                yield bytes(block[:amount])
                del block[:amount]
        if block:
            yield bytes(block)

    def _pieces(self, amount: int, decode_content: bool | None) -> Iterator[bytes]:
        """Yield what has come, as it comes."""
        start, received, total = time.monotonic(), 0, 0
        while piece := self._raw.read1(amount, decode_content=decode_content):
            received, total = received + len(piece), total + len(piece)
            if total > RETRY_POLICY.most_bytes:
                raise TooLong
            yield piece
            if time.monotonic() - start >= RETRY_POLICY.pace_seconds:
                if received < RETRY_POLICY.pace_bytes:
                    raise requests.exceptions.ReadTimeout("too slow")
                start, received = time.monotonic(), 0
