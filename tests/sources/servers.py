"""A web server on the loopback address that answers as it is told, well or badly."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says once.

    Attributes:
        status: HTTP status.
        body: Bytes; `Content-Length` tells their number.
        headers: More headers.
        cut_at: Close the connection after so many bytes of the body.
        trickle_seconds: Send the body a byte at a time, with such pauses.
        silent_seconds: Say nothing at all for so long.
        resumable: Offer and obey ranges, as Kaggle's storage does.
        endless: Tell no length, and send the body again and again.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    trickle_seconds: float = 0
    silent_seconds: float = 0
    resumable: bool = False
    endless: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Answers each path with its answers in turn, and with the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on any free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Answer]] = defaultdict(
            lambda: [Answer(status=404, body=b"no such path")]
        )
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, *answers: Answer) -> str:
        """Set a path's answers and return its URL."""
        self.answers[path] = list(answers)
        return self.url + path

    def answer_kaggle(self, file: Answer, *, first: tuple[Answer, ...] = ()) -> None:
        """Speak as Kaggle does: an API by POST that sends on to a storage.

        Args:
            file: The storage's answer.
            first: What the API says before it is well.
        """
        on = Answer(
            status=302, headers={"Location": f"{self.url}/storage/file.zip?token=storage-secret"}
        )
        self.answer("/v1/competitions.CompetitionApiService/DownloadDataFile", *first, on)
        self.answer("/v1/datasets.DatasetApiService/DownloadDataset", *first, on)
        self.answer("/storage/file.zip", file)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: some tests make them."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append(
            Asked(path=self.path, headers=dict(self.headers), body=self.rfile.read(length))
        )
        answers = self.server.answers[self.path.partition("?")[0]]
        self._send(answers.pop(0) if len(answers) > 1 else answers[0])

    def do_POST(self) -> None:
        self.do_GET()

    def _send(self, answer: Answer) -> None:
        self.server.stopping.wait(answer.silent_seconds)
        body, status = answer.body, answer.status
        wish = self.headers.get("Range") if answer.resumable else None
        if wish:
            body, status = body[int(wish.removeprefix("bytes=").rstrip("-")) :], 206
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.resumable:
            self.send_header("Accept-Ranges", "bytes")
        if not answer.endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        while answer.endless and not self.server.stopping.is_set():
            self.wfile.write(body)
        body = body if wish else body[: answer.cut_at]
        if not answer.trickle_seconds:
            self.wfile.write(body)
            return
        for byte in body:
            if self.server.stopping.wait(answer.trickle_seconds):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Run a server in a thread until the test is over."""
    server = Server()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
