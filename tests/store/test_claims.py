"""Claims: what another run computes is left to it, and no claim outlives its process."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.store import claims as module
from pipeline.store.claims import FOLDER, Claims
from pipeline.store.shards import Keys

HOLDER = """
import sys
from pathlib import Path
import numpy as np
from pipeline.store.claims import Claims
root, fingerprint, first, end = sys.argv[1:]
keys = np.arange(int(first), int(end), dtype=np.uint8)[:, None].repeat(32, axis=1)
with Claims(Path(root), [fingerprint]).claim(keys) as free:
    print(free.sum(), flush=True)
    sys.stdin.read()
"""


def _keys(first: int, end: int) -> Keys:
    return np.arange(first, end, dtype=np.uint8)[:, None].repeat(32, axis=1)


@contextmanager
def _holder(root: Path, fingerprint: str, first: int, end: int) -> Iterator[subprocess.Popen[str]]:
    """Run a process that claims images `first` to `end`, until its input is closed."""
    command = [sys.executable, "-c", HOLDER, str(root), fingerprint, str(first), str(end)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"{end - first}\n"
            yield process
        finally:
            process.kill()


def _free(root: Path, fingerprints: list[str], keys: Keys) -> list[bool]:
    with Claims(root, fingerprints).claim(keys) as free:
        return free.tolist()


def test_what_another_process_claims_is_not_free_until_it_ends(tmp_path: Path) -> None:
    with _holder(tmp_path, "a", 3, 6) as process:
        assert _free(tmp_path, ["a"], _keys(4, 8)) == [False, False, True, True]
        assert _free(tmp_path, ["b", "a"], _keys(4, 8)) == [False, False, True, True]
        assert _free(tmp_path, ["b"], _keys(4, 8)) == [True] * 4
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()
        assert _free(tmp_path, ["a"], _keys(4, 8)) == [True] * 4


def test_a_killed_process_claims_nothing_and_what_it_left_is_removed(tmp_path: Path) -> None:
    with _holder(tmp_path, "a", 0, 4) as process:
        process.kill()
        process.wait()
        assert len(list((tmp_path / FOLDER).glob("claim-*"))) == 1
        assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4
    assert list((tmp_path / FOLDER).glob("claim-*")) == []


def test_a_claim_ends_with_its_block_also_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with Claims(tmp_path, ["a"]).claim(_keys(0, 4)):
            assert _free(tmp_path, ["a"], _keys(0, 4)) == [False] * 4
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4


def test_waiting_ends_with_the_other_process_which_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = Claims(tmp_path, ["a"])
    with _holder(tmp_path, "a", 0, 4) as process:
        with own.claim(_keys(2, 6)):
            pass

        def let_it_end(_: float) -> None:
            process.kill()
            process.wait()

        monkeypatch.setattr("time.sleep", let_it_end)
        own.wait()
    assert caplog.messages == [
        f"process {process.pid} computes 2 of these images now: waiting for it."
    ]


@pytest.mark.parametrize(("fingerprint", "first"), [("b", 0), ("a", 4)])
def test_nobody_waits_for_what_is_not_wanted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fingerprint: str,
    first: int,
) -> None:
    monkeypatch.setattr("time.sleep", _never)
    own = Claims(tmp_path, ["a"])
    with _holder(tmp_path, fingerprint, first, first + 4):
        with own.claim(_keys(0, 4)) as free:
            assert free.all()
        own.wait()
    assert caplog.messages == []


def test_a_process_that_stores_nothing_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    own = Claims(tmp_path, ["a"])
    with _holder(tmp_path, "a", 0, 4) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with own.claim(_keys(0, 4)) as free:
            assert not free.any()
        own.wait()
        with own.claim(_keys(0, 4)) as free:
            assert free.all()
    assert "has stored nothing for 0 s: its images are computed here" in caplog.text


def test_each_new_shard_renews_the_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    (tmp_path / "a").mkdir()
    own = Claims(tmp_path, ["a"])
    with _holder(tmp_path, "a", 0, 4) as process:
        with own.claim(_keys(0, 4)):
            pass
        rounds = iter(range(1, 4))

        def store_a_shard_or_end(_: float) -> None:
            if (seconds := next(rounds, None)) is None:
                process.kill()
                process.wait()
            os.utime(tmp_path / "a", (0, seconds or 99))

        monkeypatch.setattr("time.sleep", store_a_shard_or_end)
        own.wait()
    assert "has stored nothing" not in caplog.text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.write_text("not a folder"),
        lambda folder: (folder.mkdir(), (folder / "lock").mkdir()),
    ],
    ids=["no-folder", "no-lock"],
)
def test_where_nothing_can_be_locked_all_is_free(
    tmp_path: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(tmp_path / FOLDER)
    assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4
    assert f"no claims can be made in {tmp_path / FOLDER}" in caplog.text


def test_a_lock_that_is_not_given_back_is_waited_for_no_longer_than_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    (tmp_path / FOLDER).mkdir()
    with (tmp_path / FOLDER / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4
    assert "no claims can be made in" in caplog.text
    assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4
    assert len(caplog.messages) == 1, "the lock is free again"


@pytest.mark.parametrize(
    "content", [b"", b"no JSON\n", b'{"a": 1}\n', b'{"process": 1, "fingerprints": ["a"]}\nodd']
)
def test_what_is_no_claim_keeps_nobody_from_claiming(tmp_path: Path, content: bytes) -> None:
    with _holder(tmp_path, "a", 0, 2):
        (tmp_path / FOLDER / "claim-folder").mkdir()
        with (tmp_path / FOLDER / "claim-other").open("w+b") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            other.write(content)
            other.flush()
            assert _free(tmp_path, ["a"], _keys(0, 4)) == [False, False, True, True]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_claim_that_cannot_be_read_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It may be another user's, who computes on."""
    real = Path.open

    def refuse(path: Path, mode: str) -> object:
        if path.name.startswith("claim-") and mode == "rb":
            raise OSError(number, os.strerror(number))
        return real(path, mode)

    with _holder(tmp_path, "a", 0, 4):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuse)
            assert _free(tmp_path, ["a"], _keys(0, 4)) == [True] * 4
        assert _free(tmp_path, ["a"], _keys(0, 4)) == [False] * 4


def test_waiting_ends_where_the_claims_cannot_be_read_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Claims(tmp_path, ["a"])
    with _holder(tmp_path, "a", 0, 4):
        with own.claim(_keys(2, 6)):
            pass

        def spoil(_: float) -> None:
            (tmp_path / FOLDER).rename(tmp_path / "elsewhere")
            (tmp_path / FOLDER).write_text("not a folder")

        monkeypatch.setattr("time.sleep", spoil)
        own.wait()


def _never(_: float) -> None:
    raise AssertionError("slept")
