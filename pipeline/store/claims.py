"""Which images a run computes now, so that another one that wants the same features waits for them.

A claim is a file with the images' hashes, which its process keeps locked. The system unlocks it when
the process ends, however it ends, so no claim outlives its holder. Claims save time and decide
nothing: where files cannot be locked there are none, and two runs compute the same images twice.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pipeline.store.shards import Keys

FOLDER = ".claims"
POLL_SECONDS = 0.2
LOCK_SECONDS = (
    30.0  # to look and claim takes milliseconds: who holds the lock for longer is stopped
)
# A shard comes at least every 10 s once the network is built, which takes up to a minute.
PATIENCE_SECONDS = 300.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Claim:
    """What another run computes; `count`: of the images that are wanted here."""

    path: Path
    process: int
    count: int


class Claims:
    """The claims of one run.

    Args:
        root: The folder of all fingerprints.
        fingerprints: Keys of those whose features are wanted, all of one network.
    """

    def __init__(self, root: Path, fingerprints: Sequence[str]) -> None:
        self._root = root
        self._folder = root / FOLDER
        self._fingerprints = tuple(fingerprints)
        self._others: list[_Claim] = []
        self._given_up: set[Path] = set()

    @contextmanager
    def claim(self, keys: Keys) -> Iterator[NDArray[np.bool_]]:
        """Claim what nobody else computes, until the end of the block.

        What others just finished is free again, so look into the store once more.

        Args:
            keys: uint8 `(n, 32)`, the images whose features are wanted, each once.

        Yields:
            Bool `(n,)`: this run is to compute them.
        """
        free, own, self._others = np.ones(len(keys), np.bool_), None, []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "lock").open("ab") as lock:
                _lock(lock)  # one run at a time looks and claims
                for path, process, claimed in self._read_others():
                    taken = _among(keys, claimed)
                    if taken.any():
                        other = _Claim(path=path, process=process, count=int(taken.sum()))
                        self._others.append(other)
                        free &= ~taken
                own = self._write_claim(keys[free])
        except (OSError, ValueError) as error:
            log.warning(
                "no claims can be made in %s (%s): another run would compute the same images now.",
                self._folder, error,
            )  # fmt: skip
        try:
            yield free
        finally:
            if own is not None:
                _drop(Path(own.name))
                own.close()

    def wait(self) -> None:
        """Return when the others that the last `claim` saw have ended, or do nothing any more."""
        for other in self._others:
            if _is_held(other.path):
                log.warning(
                    "process %d computes %d of these images now: waiting for it.",
                    other.process, other.count,
                )  # fmt: skip
                self._wait_for(other)
        self._others = []

    def _wait_for(self, other: _Claim) -> None:
        seen, since = self._last_shard(), time.monotonic()
        while _is_held(other.path):
            time.sleep(POLL_SECONDS)
            last = self._last_shard()
            if last != seen:
                seen, since = last, time.monotonic()
            elif time.monotonic() - since > PATIENCE_SECONDS:
                log.warning(
                    "process %d has stored nothing for %.0f s: its images are computed here.",
                    other.process, PATIENCE_SECONDS,
                )  # fmt: skip
                self._given_up.add(other.path)
                return

    def _last_shard(self) -> list[int]:
        """Return when a file last came into each folder."""
        folders = (self._root / key for key in self._fingerprints)
        return [folder.stat().st_mtime_ns for folder in folders if folder.exists()]

    def _write_claim(self, keys: Keys) -> BinaryIO:
        """Write a claim and keep it locked while it is open."""
        own = (self._folder / f"claim-{uuid4().hex}").open("xb")
        try:
            fcntl.flock(own, fcntl.LOCK_EX)
            head = {"process": os.getpid(), "fingerprints": self._fingerprints}
            own.write(json.dumps(head).encode() + b"\n" + keys.tobytes())
            own.flush()
        except OSError:
            _drop(Path(own.name))
            with suppress(OSError):  # it tries again to write what the disk refused
                own.close()
            raise
        return own

    def _read_others(self) -> Iterator[tuple[Path, int, Keys]]:
        """Yield each claim's file, process and images, of these fingerprints; remove those of the dead."""
        for path in self._folder.glob("claim-*"):
            if not _is_held(path):
                _drop(path)
                continue
            try:
                with path.open("rb") as stream:
                    head, data = json.loads(stream.readline()), stream.read()
                process, fingerprints = int(head["process"]), set(head["fingerprints"])
                keys = np.frombuffer(data, np.uint8).reshape(-1, 32)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.debug("no claim: %s: %s", path, error)
                continue
            if path not in self._given_up and fingerprints.intersection(self._fingerprints):
                yield path, process, keys


def _lock(stream: BinaryIO) -> None:
    """Wait until a file is locked by nobody else, and lock it.

    Raises:
        OSError: It cannot be locked, or not in time.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"locked for {LOCK_SECONDS:.0f} s: {stream.name}") from None
        time.sleep(POLL_SECONDS / 10)


def _is_held(path: Path) -> bool:
    """Is the process that wrote a claim still at it? So it seems where a file is there and cannot be read."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError:  # another holds it, or who may not read it cannot tell
        return True
    return False


def _drop(path: Path) -> None:
    with suppress(OSError):  # another run was first, or may not
        path.unlink()


def _among(keys: Keys, others: Keys) -> NDArray[np.bool_]:
    """Bool `(n,)`: which keys are among the others."""
    return np.isin(keys.view("V32").ravel(), others.view("V32").ravel())
