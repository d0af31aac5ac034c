"""A shared store: what one machine computed another fetches, and what is damaged is never taken for it."""

import errno
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.core import url_to_fs
from fsspec.implementations.memory import MemoryFileSystem

from pipeline import paths
from pipeline.errors import StoreError
from pipeline.store import shared as shared_module
from pipeline.store import store as store_module
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shared import SharedStore
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import DESCRIPTION, Store, keys_of
from tests.damages import largest_file
from tests.s3_server import BUCKET, s3_server

FINGERPRINT = Fingerprint(parts={"backbone": "fake"})
KEYS = keys_of(sha256(bytes([number])).hexdigest() for number in range(30))
FEATURES = np.arange(30 * 4, dtype=np.float32).reshape(30, 4)


@pytest.fixture(autouse=True)
def _ten_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SHARD_ROWS", 10)


@pytest.fixture(
    params=["folder", "memory", "server of files", pytest.param("S3", marks=pytest.mark.slow)]
)
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty shared store of each kind."""
    if request.param == "folder":
        (tmp_path / "team").mkdir()
        yield str(tmp_path / "team")
    elif request.param in ("memory", "server of files"):
        if request.param == "server of files":
            monkeypatch.setattr(MemoryFileSystem, "mv", rename)
        yield "memory://team"
        fsspec.filesystem("memory").rm("/team", recursive=True)
    else:
        with s3_server(monkeypatch):
            yield f"s3://{BUCKET}/features"


def rename(files: MemoryFileSystem, old: str, new: str) -> None:
    """Rename in one step, as a server of files does, and no bucket."""
    files.store[new] = files.store.pop(old)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty shared store in a folder."""
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


def machine(folder: Path, rows: slice = slice(0)) -> Store:
    """Return a machine's own store, with some features that it computed."""
    store = Store(folder, FINGERPRINT)
    SideBySide([store]).add((KEYS[[row]], FEATURES[[row]]) for row in range(30)[rows])
    return store


def add(store: Store, url: str) -> int:
    shared = SharedStore(url)
    shared.add([store.folder])
    return shared.added


def fetch(store: Store, url: str, rows: slice = slice(30)) -> int:
    shared = SharedStore(url)
    shared.fetch([store], KEYS[rows])
    return shared.fetched


def lacks(store: Store) -> list[int]:
    return [int(row) for row in np.flatnonzero(store.find(KEYS).missing)]


def read_all(store: Store) -> Any:
    return store.read(store.find(KEYS), KEYS)


def names(url: str) -> list[str]:
    files, root = url_to_fs(f"{url}/{FINGERPRINT.key}")
    files.invalidate_cache()
    return sorted(Path(path).name for path in files.ls(root, detail=False))


def shard_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{FINGERPRINT.key}/[!.]*.h5"))


def test_two_machines_end_with_the_features_of_both(url: str, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", slice(20)), machine(tmp_path / "two", slice(20, 30))
    assert (add(one, url), add(two, url)) == (2, 1)
    assert (fetch(one, url), fetch(two, url)) == (1, 2)
    for store in (one, two, machine(tmp_path / "one"), machine(tmp_path / "two")):
        assert np.array_equal(read_all(store), FEATURES)
    assert (add(one, url), add(two, url), fetch(one, url), fetch(two, url)) == (0, 0, 0, 0)
    assert len(names(url)) == 4
    assert DESCRIPTION in names(url)


def test_what_two_machines_add_at_once_is_all_there(url: str, tmp_path: Path) -> None:
    stores = [machine(tmp_path / "one", slice(20)), machine(tmp_path / "two", slice(10, 30))]
    threads = [threading.Thread(target=add, args=(store, url)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    third = machine(tmp_path / "three")
    assert fetch(third, url) == 3, "the shard that both computed is there once"
    assert np.array_equal(read_all(third), FEATURES)
    assert [name for name in names(url) if name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["torn", "flipped"])
def test_a_damaged_shard_is_set_aside_and_can_be_added_anew(
    url: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = machine(tmp_path / "one", slice(30)), machine(tmp_path / "two")
    add(one, url)
    files, root = url_to_fs(f"{url}/{FINGERPRINT.key}")
    bad = shard_files(tmp_path / "one")[1].name
    sound = files.cat_file(f"{root}/{bad}")
    files.pipe_file(f"{root}/{bad}", sound[:-9] if kind == "torn" else sound[:-9] + bytes(9))
    with caplog.at_level(logging.WARNING):
        assert fetch(two, url) == 2
    assert len(lacks(two)) == 10
    assert f"shard {url}/{FINGERPRINT.key}/{bad}: " in caplog.text
    assert "set aside" in caplog.text
    assert f"{bad}.damaged" in names(url)
    assert bad not in names(url)
    assert add(one, url) == 1
    assert fetch(two, url) == 1
    assert np.array_equal(read_all(two), FEATURES)


def test_only_shards_with_something_that_is_wanted_are_fetched(url: str, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", slice(30)), machine(tmp_path / "two")
    add(one, url)
    assert fetch(two, url, slice(12, 14)) == 1
    assert lacks(two) == [*range(10), *range(20, 30)]
    assert fetch(two, url, slice(10, 20)) == 0, "nothing is missing"


def test_a_shard_that_is_here_already_is_not_looked_at_there(folder: Path, tmp_path: Path) -> None:
    one, two = machine(tmp_path / "one", slice(30)), machine(tmp_path / "two", slice(10))
    add(one, str(folder))
    (held,) = shard_files(tmp_path / "two")
    (folder / FINGERPRINT.key / held.name).write_bytes(b"torn")
    assert fetch(two, str(folder)) == 2
    assert held.name in names(str(folder))


@pytest.mark.parametrize("lost", [None, b""])
def test_a_description_that_is_lost_here_is_not_added_and_one_that_is_lost_there_is(
    url: str, lost: bytes | None, tmp_path: Path
) -> None:
    one, two = machine(tmp_path / "one", slice(10)), machine(tmp_path / "two", slice(10, 20))
    (one.folder / DESCRIPTION).write_bytes(lost or bytes(20))
    assert add(one, url) == 1
    assert DESCRIPTION not in names(url)
    files, root = url_to_fs(f"{url}/{FINGERPRINT.key}/{DESCRIPTION}")
    if lost is not None:
        files.pipe_file(root, lost)
    assert add(two, url) == 1
    assert files.cat_file(root) == (two.folder / DESCRIPTION).read_bytes()


def test_a_description_that_is_there_is_not_written_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only who made a file may replace it, no shard could be added."""
    add(machine(tmp_path / "one", slice(10)), str(folder))
    real = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if target == folder / FINGERPRINT.key / DESCRIPTION:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    assert add(machine(tmp_path / "two", slice(10, 20)), str(folder)) == 1


def test_who_is_stopped_while_adding_leaves_no_part_of_a_shard(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine(tmp_path / "one", slice(10))
    real = shutil.copyfile

    def stop(source: Path, target: Path) -> None:
        real(source, target)
        if source.suffix == ".h5":
            target.write_bytes(source.read_bytes()[:500])
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", stop)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        add(one, str(folder))
    assert names(str(folder)) == [DESCRIPTION]
    monkeypatch.undo()
    assert add(one, str(folder)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConnectionError])
def test_no_part_of_a_shard_is_seen_on_a_server_of_files(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows a file from the first byte that comes."""
    one, url = machine(tmp_path / "one", slice(10)), "memory://team"
    monkeypatch.setattr(MemoryFileSystem, "mv", rename)
    put, seen = MemoryFileSystem.put_file, []

    def stop(files: MemoryFileSystem, source: str, target: str) -> None:
        put(files, source, target)
        if ".h5" in target:
            files.pipe_file(target, files.cat_file(target)[:500])
            seen.extend(names(url))
            raise error

    monkeypatch.setattr(MemoryFileSystem, "put_file", stop)
    with pytest.raises((KeyboardInterrupt, StoreError), match=r"^$|ConnectionError"):
        add(one, url)
    temporary, description = seen
    assert re.fullmatch(r"\..*\.h5\.\w+\.tmp", temporary)
    assert names(url) == [description] == [DESCRIPTION]
    monkeypatch.setattr(MemoryFileSystem, "put_file", put)
    assert add(one, url) == 1
    fsspec.filesystem("memory").rm("/team", recursive=True)


def test_what_came_in_part_is_not_used_and_no_damage_of_the_shared_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine(tmp_path / "one", slice(10)), machine(tmp_path / "two")
    add(one, str(folder))

    def cut(_: object, path: str) -> bytes:
        return Path(path).read_bytes()[:500]

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.cat_file", cut)
    with pytest.raises(StoreError, match=r"500 of [\d,]+ bytes came"):
        fetch(two, str(folder))
    assert len(shard_files(folder)) == 1
    assert sorted(path.name for path in two.folder.iterdir()) == [DESCRIPTION]


@pytest.mark.parametrize("break_shard", [lambda data: data[:-9], lambda data: data[:-9] + bytes(9)])
def test_a_shard_that_is_damaged_here_is_not_added(
    folder: Path, tmp_path: Path, break_shard: Callable[[bytes], bytes]
) -> None:
    one = machine(tmp_path / "one", slice(30))
    bad = shard_files(tmp_path / "one")[0]
    bad.write_bytes(break_shard(bad.read_bytes()))
    assert add(one, str(folder)) == 2
    assert bad.with_name(f"{bad.name}.damaged").exists()
    assert bad.name not in names(str(folder))


def test_what_may_only_be_read_serves_all_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = machine(tmp_path / "one", slice(30)), machine(tmp_path / "two")
    add(one, str(folder))
    shard_files(folder)[0].write_bytes(b"")

    def refuse(*_: object) -> None:
        raise PermissionError("may not be written")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", refuse)
    assert fetch(two, str(folder)) == 2
    assert "stays where it is, for others to find: may not be written" in caplog.text


def test_the_local_store_is_not_shared_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths.store_folder().mkdir(parents=True)
    (tmp_path / "team").symlink_to(paths.store_folder())
    with pytest.raises(StoreError, match="it is a project's own store"):
        SharedStore(str(tmp_path / "team"))


def test_a_shard_that_cannot_be_read_holds_no_other_up(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    one, two = machine(tmp_path / "one", slice(30)), machine(tmp_path / "two")
    add(one, str(folder))
    first, *others = sorted(shard_files(folder))
    (first.parent / f"{'0' * 64}.h5").mkdir()
    read = LocalFileSystem.cat_file

    def read_some(files: Any, path: str) -> Any:
        if path.endswith(first.name):
            raise PermissionError("Permission denied")
        return read(files, path)

    monkeypatch.setattr(LocalFileSystem, "cat_file", read_some)
    assert fetch(two, str(folder)) == len(others) > 0
    assert f"{first.name} cannot be read: who added it must let others read it" in caplog.text


def test_what_the_local_store_refuses_is_not_put_down_to_the_shared_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine(tmp_path / "one", slice(10)), machine(tmp_path / "two")
    add(one, str(folder))
    with largest_file(500), pytest.raises(
        StoreError, match=rf"^cannot write to the feature store {two.folder}: File too large"
    ):  # fmt: skip
        fetch(two, str(folder))
    (held,) = shard_files(tmp_path / "one")
    (folder / FINGERPRINT.key / held.name).unlink()

    def refuse(path: Path, _: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(shared_module, "check_shard", refuse)
    with pytest.raises(
        StoreError, match=rf"^cannot read {held} of the feature store: Permission denied"
    ):
        add(one, str(folder))


def test_shards_that_are_there_for_nobody_else_are_counted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = machine(tmp_path / "one", slice(30))
    add(one, str(folder))
    add(one, str(folder))
    assert caplog.messages == []
    (folder / FINGERPRINT.key / shard_files(folder)[0].name).unlink()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert add(one, str(folder)) == 1
    (message,) = caplog.messages
    assert message.startswith(f"shards in {folder / FINGERPRINT.key} that cannot be read: 2. They")


@pytest.mark.parametrize("action", [add, fetch])
def test_a_folder_that_is_not_there_is_told_and_not_made(
    action: Callable[[Store, str], int], tmp_path: Path
) -> None:
    store = machine(tmp_path / "one", slice(10) if action is add else slice(0))
    with pytest.raises(StoreError, match=r"cannot be used: there is no folder .*params\.yaml"):
        action(store, str(tmp_path / "not mounted"))
    assert not (tmp_path / "not mounted").exists()


def test_where_a_folder_goes_while_shards_are_added_nothing_is_made_in_its_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine(tmp_path / "one", slice(20))
    real = shared_module.check_shard

    def unmount(path: Path, fingerprint: str) -> Any:
        shutil.rmtree(folder, ignore_errors=True)
        return real(path, fingerprint)

    monkeypatch.setattr(shared_module, "check_shard", unmount)
    with pytest.raises(StoreError, match=rf"cannot be used: .*No such file .*{folder}"):
        add(one, str(folder))
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://team/features", "gopher"),
        ("sftp-of-mine://team", "sftp-of-mine"),
        ("/elsewhere/features/.store", "project's own store, of which `bottleneck store gc`"),
        ("ftp://127.0.0.1:9/features", "refused"),
    ],
)
def test_a_url_that_nobody_can_open_is_told(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=rf"cannot be opened: .*{message}.*features\.store"):
        SharedStore(url)


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_told_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch):
        store = machine(tmp_path / "one", slice(10))
        with pytest.raises(StoreError, match=r"s3://another/features cannot be used: .*bucket"):
            add(store, "s3://another/features")


def test_without_a_url_nothing_is_shared(tmp_path: Path) -> None:
    shared = SharedStore(None)
    shared.fetch([machine(tmp_path)], KEYS)
    shared.add([tmp_path / FINGERPRINT.key])
    assert (shared.fetched, shared.added) == (0, 0)
