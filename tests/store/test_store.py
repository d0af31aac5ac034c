"""The store gives back what was added, never anything else, whatever happens to its files."""

import errno
import hashlib
import logging
import os
import resource
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import StoreError
from pipeline.files import LEFT_OVER_SECONDS
from pipeline.store import shards
from pipeline.store import store as store_module
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shards import ShardDamaged
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import Found, Store, keys_of, read_description
from tests.damages import KINDS, damage, largest_file

FINGERPRINT = Fingerprint(parts={"backbone": "fake"})
OTHER = Fingerprint(parts={"backbone": "another"})
WIDTH = 4


def _keys(numbers: Iterable[int]) -> Any:
    return keys_of(hashlib.sha256(str(number).encode()).hexdigest() for number in numbers)


def _features(numbers: Iterable[int]) -> Any:
    return np.array([[n + i / 8 for i in range(WIDTH)] for n in numbers], np.float32).reshape(
        -1, WIDTH
    )


def _batches(numbers: Iterable[int], size: int = 1) -> Iterator[Any]:
    numbers = list(numbers)
    for start in range(0, len(numbers), size):
        yield _keys(numbers[start : start + size]), _features(numbers[start : start + size])


def _filled(folder: Path, numbers: Iterable[int], rows: int = 10) -> Store:
    store = Store(folder, FINGERPRINT)
    SideBySide([store]).add(_batches(numbers, rows))
    return store


def _shards(store: Store) -> list[Path]:
    return sorted(store.folder.glob("[!.]*.h5"))


@pytest.fixture
def _ten_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SHARD_ROWS", 10)


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, FINGERPRINT)
    assert store.find(_keys(range(5))).missing.all()
    assert store.feature_shape() is None
    assert len(store.find(_keys([])).shards) == 0


@given(
    stored=st.lists(st.integers(0, 300), max_size=60),
    asked=st.lists(st.integers(0, 300), max_size=60),
    size=st.integers(1, 25),
)
@settings(max_examples=40)
def test_what_was_added_is_found_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, stored: list[int], asked: list[int], size: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "SHARD_ROWS", 10)
        assert SideBySide([Store(folder, FINGERPRINT)]).add(_batches(stored, size)) == len(stored)
    store = Store(folder, FINGERPRINT)
    found = store.find(_keys(asked))
    assert found.missing.tolist() == [number not in stored for number in asked]
    here = [number for number in asked if number in stored]
    if here:
        np.testing.assert_array_equal(
            store.read(store.find(_keys(here)), _keys(here)), _features(here)
        )


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    keys = np.zeros((2, 32), np.uint8)
    keys[1, 31] = 1
    store = Store(tmp_path, FINGERPRINT)
    SideBySide([store]).add([(keys[:1], _features([5]))])
    assert store.find(keys).missing.tolist() == [False, True]


def test_each_fingerprint_has_its_own_features(tmp_path: Path) -> None:
    _filled(tmp_path, range(5))
    assert Store(tmp_path, OTHER).find(_keys(range(5))).missing.all()


def test_the_store_says_what_its_fingerprint_is_made_of(tmp_path: Path) -> None:
    store = Store(tmp_path, FINGERPRINT)
    assert (store.folder / "fingerprint.json").read_text() == '{"backbone":"fake"}\n'


@pytest.mark.parametrize(
    "text", ["", "\0" * 20, '{"backbone":', '{"backbone":"another"}', "[1]", None]
)
def test_what_a_fingerprint_is_made_of_is_said_anew_where_that_was_lost(
    tmp_path: Path, text: str | None
) -> None:
    description = Store(tmp_path, FINGERPRINT).folder / "fingerprint.json"
    description.unlink() if text is None else description.write_text(text)
    assert read_description(description.parent) == {}
    assert read_description(Store(tmp_path, FINGERPRINT).folder) == {"backbone": "fake"}


def test_a_shard_brings_its_description_where_the_folder_was_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path, FINGERPRINT)
    shutil.rmtree(store.folder)
    SideBySide([store]).add(_batches(range(5)))
    assert read_description(store.folder) == {"backbone": "fake"}


@pytest.mark.usefixtures("_ten_rows")
def test_shards_are_bounded_in_rows(tmp_path: Path) -> None:
    store = Store(tmp_path, FINGERPRINT)
    assert SideBySide([store]).add(_batches(range(35))) == 35
    store.find(_keys([]))
    assert sorted(len(shard.checksums) for shard in store._shards) == [5, 10, 10, 10]


def test_shards_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SHARD_BYTES", 7 * WIDTH * 4)
    assert len(_shards(_filled(tmp_path, range(21), rows=1))) == 3


def test_shards_are_bounded_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_module.SHARD_SECONDS <= 30
    clock = iter(np.arange(0, 1e6, store_module.SHARD_SECONDS / 4))
    monkeypatch.setattr(store_module.time, "monotonic", lambda: next(clock))
    seen: list[int] = []
    store = Store(tmp_path, FINGERPRINT)

    def slow() -> Iterator[Any]:
        for batch in _batches(range(20)):
            seen.append(len(_shards(store)))
            yield batch

    SideBySide([store]).add(slow())
    assert seen[-1] >= 3


def test_little_waits_beside_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row each tenth of a second: a kill loses a fiftieth of the work, and the one that comes."""
    clock = [0.0]
    monkeypatch.setattr(store_module.time, "monotonic", lambda: clock[0])
    writer = Store(tmp_path, FINGERPRINT).writer()
    waiting = []
    for number in range(300):
        clock[0] += 0.101
        writer.append(_keys([number]), _features([number]))
        waiting.append(number + 1 - writer.stored)
    assert all(rows <= 1 + number / 50 for number, rows in enumerate(waiting, 1))
    assert max(waiting) > 1, "later there are few shards"


@pytest.mark.usefixtures("_ten_rows")
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_came_before_an_interruption_is_stored(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupted() -> Iterator[Any]:
        yield from _batches(range(13))
        raise error("stop")

    store = Store(tmp_path, FINGERPRINT)
    with pytest.raises(error, match="stop"):
        SideBySide([store]).add(interrupted())
    assert store.find(_keys(range(20))).missing.tolist() == [False] * 13 + [True] * 7


@pytest.mark.usefixtures("_ten_rows")
def test_a_shard_whose_writing_is_interrupted_is_written_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, synced = Store(tmp_path, FINGERPRINT), os.fsync

    def interrupt(descriptor: int) -> None:
        monkeypatch.setattr("os.fsync", synced)
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        SideBySide([store]).add(_batches(range(40)))
    assert Store(tmp_path, FINGERPRINT).find(_keys(range(10))).missing.sum() == 0


@pytest.mark.usefixtures("_ten_rows")
def test_a_full_disk_leaves_earlier_shards_valid(tmp_path: Path) -> None:
    store = Store(tmp_path, FINGERPRINT)

    def filling_the_disk() -> Iterator[Any]:
        yield from _batches(range(20))
        with largest_file(1000):
            yield from _batches(range(20, 40))

    with pytest.raises(
        StoreError, match=r"cannot write to the feature store .*: File too large\. What it already"
    ):
        SideBySide([store]).add(filling_the_disk())
    assert [path.name for path in store.folder.glob(".*")] == []
    again = Store(tmp_path, FINGERPRINT)
    assert again.find(_keys(range(40))).missing.tolist() == [False] * 20 + [True] * 20
    np.testing.assert_array_equal(
        again.read(again.find(_keys(range(20))), _keys(range(20))), _features(range(20))
    )


@pytest.mark.parametrize("step", ["pathlib.Path.write_bytes", "os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_at_any_step_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = Store(tmp_path, FINGERPRINT)

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(
            StoreError, match=r"No space left on device.*run again: only what is missing"
        ):
            SideBySide([store]).add(_batches(range(5)))
    assert [path.name for path in store.folder.iterdir()] == ["fingerprint.json"]
    assert store.find(_keys(range(5))).missing.all()


def test_a_store_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write to the feature store .*: Not a directory"):
        Store(tmp_path / "file", FINGERPRINT)


def test_left_overs_of_killed_runs_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    folder = _filled(tmp_path, range(5)).folder
    for name in (".a.h5.1.tmp", ".b.h5.2.tmp"):
        (folder / name).write_bytes(b"half a shard")
    long_ago = time.time() - LEFT_OVER_SECONDS - 1
    os.utime(folder / ".a.h5.1.tmp", (long_ago, long_ago))
    store = Store(tmp_path, FINGERPRINT)
    assert [path.name for path in folder.glob(".*")] == [".b.h5.2.tmp"]
    assert not store.find(_keys(range(5))).missing.any()


def _read_what_there_is(folder: Path, numbers: list[int]) -> set[int]:
    """Look up all numbers, compare every feature that the store gives, return the numbers it lacks."""
    store = Store(folder, FINGERPRINT)
    while True:
        found = store.find(_keys(numbers))
        here = [
            number for number, missing in zip(numbers, found.missing, strict=True) if not missing
        ]
        if not here:
            return set(numbers)
        try:
            places = Found(shards=found.shards[~found.missing], rows=found.rows[~found.missing])
            features = store.read(places, _keys(here))
        except ShardDamaged:
            continue
        np.testing.assert_array_equal(features, _features(here))
        return set(numbers) - set(here)


@pytest.mark.slow
@pytest.mark.usefixtures("_ten_rows")
@pytest.mark.parametrize("kind", [*KINDS, "another shard", "another fingerprint", "folder", "gone"])
def test_damaged_shards_give_no_wrong_feature_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    rng = np.random.default_rng(len(kind))
    numbers = list(range(60))
    SideBySide([Store(tmp_path, OTHER)]).add([(_keys(numbers), -_features(numbers))])
    for _ in range(25):
        store = Store(tmp_path, FINGERPRINT)
        SideBySide([store]).add(_batches(sorted(_read_what_there_is(tmp_path, numbers))))
        caplog.clear()
        hurt = _hurt(store, kind, rng)
        lost = _read_what_there_is(tmp_path, numbers)
        warned = any(
            hurt.name in message and "is quarantined" in message for message in caplog.messages
        )
        assert warned or kind == "gone" or not lost
        assert hurt.exists() != bool(lost)
        assert len(lost) <= 20
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}


def _hurt(store: Store, kind: str, rng: np.random.Generator) -> Path:
    victim, other = rng.permutation(np.array(_shards(store), object))[:2]
    foreign = next((store.folder.parent / OTHER.key).glob("*.h5"))
    data = victim.read_bytes()
    replacement = {"another shard": other, "another fingerprint": foreign}
    if kind in ("folder", "gone"):
        victim.unlink()
        if kind == "folder":
            victim.mkdir()
    else:
        victim.write_bytes(
            replacement[kind].read_bytes() if kind in replacement else damage(data, kind, rng)
        )
    return Path(victim)


def test_a_damaged_table_is_quarantined_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _filled(tmp_path, range(5))
    (shard,) = _shards(store)
    shard.write_bytes(b"nonsense")
    assert store.find(_keys(range(5))).missing.all()
    assert f"shard {shard}: cannot be read" in caplog.text
    assert (store.folder / f"{shard.name}.damaged").read_bytes() == b"nonsense"
    caplog.clear()
    assert store.find(_keys(range(5))).missing.all()
    assert caplog.text == ""


def test_a_damaged_feature_is_quarantined_when_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _filled(tmp_path, range(5))
    (shard,) = _shards(store)
    found = store.find(_keys(range(5)))
    data = bytearray(shard.read_bytes())
    data[store._shards[0].offset] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardDamaged, match="wrong checksum in row 0"):
        store.read(found, _keys(range(5)))
    assert "is quarantined and its images are computed again" in caplog.text
    assert store.find(_keys(range(5))).missing.all()


def test_the_feature_of_another_image_is_not_taken_for_the_wanted_one(tmp_path: Path) -> None:
    store = _filled(tmp_path, range(5))
    found = store.find(_keys(range(5)))
    with pytest.raises(ShardDamaged, match="wrong checksum in row"):
        store.read(found, _keys([0, 1, 3, 2, 4]))


def test_a_damaged_shard_that_cannot_be_quarantined_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _filled(tmp_path, range(5))
    _shards(store)[0].write_bytes(b"nonsense")

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        store.find(_keys(range(5)))


def test_a_shard_that_another_process_quarantined_first_is_no_error(tmp_path: Path) -> None:
    store = _filled(tmp_path, range(5))
    found = store.find(_keys(range(5)))
    _shards(store)[0].unlink()
    with pytest.raises(ShardDamaged, match="cannot be opened"):
        store.read(found, _keys(range(5)))
    assert store.find(_keys(range(5))).missing.all()


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES, errno.ENOMEM]
)
@pytest.mark.parametrize("place", ["table", "rows"])
def test_a_shard_that_cannot_be_read_now_is_left_where_it_is(
    number: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _filled(tmp_path, range(5))
    found = store.find(_keys(range(5)))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    if place == "table":
        monkeypatch.setattr(shards.h5py, "File", refuse)
    else:
        monkeypatch.setattr(shards.os, "preadv", refuse)
    with pytest.raises(OSError, match=rf"{os.strerror(number)}: '.*\.h5'"):
        store.read(found if place == "rows" else store.find(_keys(range(5))), _keys(range(5)))
    monkeypatch.undo()
    assert not store.find(_keys(range(5))).missing.any()


def test_a_shard_is_not_damaged_because_there_is_no_file_handle_left(tmp_path: Path) -> None:
    store = _filled(tmp_path, range(5))
    found = store.find(_keys(range(5)))
    store.read(found, _keys(range(5)))  # what is imported on the way is there now
    (shard,) = _shards(store)
    message = f"Too many open files: '.*{shard.name}'"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = os.open("/dev/null", os.O_RDONLY)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
        with pytest.raises(OSError, match=message):
            shards.open_shard(shard, FINGERPRINT.key)
        with pytest.raises(OSError, match=message):
            store.read(found, _keys(range(5)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(taken)
    assert not store.find(_keys(range(5))).missing.any()


def test_two_stores_of_one_folder_see_what_the_other_adds(tmp_path: Path) -> None:
    one, other = Store(tmp_path, FINGERPRINT), Store(tmp_path, FINGERPRINT)
    SideBySide([one]).add(_batches(range(5)))
    SideBySide([other]).add(_batches(range(3, 8)))
    for store in (one, other):
        np.testing.assert_array_equal(
            store.read(store.find(_keys(range(8))), _keys(range(8))), _features(range(8))
        )


def test_hashes_become_keys_in_order() -> None:
    keys = keys_of(["00" * 31 + "01", "ff" * 32])
    assert keys.shape == (2, 32)
    assert keys[0, 31] == 1
    assert (keys[1] == 255).all()
    assert keys_of([]).shape == (0, 32)
