"""A file is put in place whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pipeline.errors import InUse
from pipeline.files import (
    LEFT_OVER_SECONDS,
    atomic_folder,
    atomic_write,
    atomic_write_csv,
    atomic_write_json,
    atomic_write_text,
    deferred_errors,
    remove_left_overs,
    sha256_of,
)
from tests.damages import largest_file


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_in_a_folder_made_for_it(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a/b/file") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a/b/file").exists()
    assert (tmp_path / "a/b/file").read_text() == "new"
    assert _names(tmp_path / "a/b") == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_two_writers_of_one_file_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "file") as first, atomic_write(tmp_path / "file") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "file").read_text() == "first"


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "text", "a\r\nb\nü")
    assert (tmp_path / "text").read_bytes() == b"a\r\nb\n\xc3\xbc"


def test_a_table_has_the_columns_of_its_first_row_and_quotes_what_needs_it(tmp_path: Path) -> None:
    rows = [{"class": "a,b", "n": 1}, {"class": "\u00e9", "n": 0.5}]
    atomic_write_csv(tmp_path / "table.csv", rows)
    assert (tmp_path / "table.csv").read_bytes() == 'class,n\n"a,b",1\n\u00e9,0.5\n'.encode()
    with pytest.raises(ValueError, match="fields not in fieldnames: 'm'"):
        atomic_write_csv(tmp_path / "table.csv", [{"n": 1}, {"m": 2}])


def test_json_is_indented_sorted_and_in_plain_utf8(tmp_path: Path) -> None:
    atomic_write_json(tmp_path / "json", {"b": [1, None], "a": "ü"})
    text = '{\n  "a": "ü",\n  "b": [\n    1,\n    null\n  ]\n}\n'
    assert (tmp_path / "json").read_text(encoding="utf-8") == text


def test_json_of_a_name_that_is_no_utf8_is_read_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\\.zip")
    atomic_write_json(tmp_path / "json", name)
    assert json.loads((tmp_path / "json").read_bytes()) == name


def test_json_has_no_word_for_what_is_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic_write_json(tmp_path / "json", float("nan"))
    assert _names(tmp_path) == []


def test_only_old_temporary_files_are_left_overs(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "shard.h5") as temporary:
        temporary.write_text("being written")
        old = temporary.with_name(".old.h5.123.tmp")
        for path in (old, tmp_path / "shard.tmp", tmp_path / ".hidden"):
            path.write_text("old")
            long_ago = time.time() - LEFT_OVER_SECONDS - 1
            os.utime(path, (long_ago, long_ago))
        remove_left_overs(tmp_path)
        assert temporary.exists()
    assert _names(tmp_path) == [".hidden", "shard.h5", "shard.tmp"]


def test_a_left_over_that_may_not_be_removed_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".a.tmp", ".b.tmp", ".c.tmp"):
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (0, 0))
    real = Path.unlink

    def unlink(path: Path) -> None:
        if path.name == ".b.tmp":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path)

    monkeypatch.setattr(Path, "unlink", unlink)
    remove_left_overs(tmp_path)
    assert _names(tmp_path) == [".b.tmp"]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").write_text("old")
    (tmp_path / ".folder.tmp").mkdir()
    (tmp_path / ".folder.tmp/of a killed run").write_text("half")
    with atomic_folder(tmp_path / "folder") as fresh:
        assert _names(fresh) == []
        (fresh / "new").write_text("new")
    assert _names(tmp_path) == ["folder"]
    assert _names(tmp_path / "folder") == ["new"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    def fail() -> None:
        with atomic_folder(tmp_path / "folder") as fresh:
            (fresh / "new").write_text("new")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert _names(tmp_path) == ["folder"]
    assert _names(tmp_path / "folder") == []


def test_a_folder_is_held_until_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    remove = shutil.rmtree

    def remove_while_another_begins(path: Path, **more: bool) -> None:
        monkeypatch.undo()
        with pytest.raises(InUse), atomic_folder(tmp_path / "folder"):
            pass
        remove(path, **more)

    with atomic_folder(tmp_path / "folder") as fresh:
        (fresh / "new").touch()
        monkeypatch.setattr("shutil.rmtree", remove_while_another_begins)
    assert _names(tmp_path) == ["folder"]
    assert _names(tmp_path / "folder") == ["new"]


def test_a_process_that_cannot_be_started_meanwhile_is_no_other_run(tmp_path: Path) -> None:
    with (
        pytest.raises(BlockingIOError, match="no more processes"),
        atomic_folder(tmp_path / "folder"),
    ):
        raise BlockingIOError(errno.EAGAIN, "no more processes")


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    atomic_write_text(tmp_path / "text", "old")
    with (
        largest_file(50),
        pytest.raises(OSError, match=r"File too large: '.*/folder'"),
        atomic_folder(tmp_path / "folder") as fresh,
    ):
        (fresh / "new").write_bytes(bytes(99))
    with largest_file(50), pytest.raises(OSError, match=r"File too large: '.*/text'"):
        atomic_write_text(tmp_path / "text", "new" * 99)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "old", "text"]
    assert (tmp_path / "text").read_text() == "old"


def test_an_error_that_names_its_file_keeps_that_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_folder(tmp_path / "folder"):
        (tmp_path / "nowhere").read_bytes()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_hash_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(data[:size])
    assert sha256_of(tmp_path / "file") == hashlib.sha256(data[:size]).hexdigest()


def test_a_steady_file_holds_what_was_written(tmp_path: Path) -> None:
    with deferred_errors(tmp_path / "file") as file:
        assert file.write(b"abcdef") == 6
        file.seek(2)
        file.write(memoryview(b"XY"))
    assert (tmp_path / "file").read_bytes() == b"abXYef"


def test_a_steady_file_keeps_its_fault_until_the_end() -> None:
    def write_all() -> None:
        with deferred_errors(Path("/dev/full")) as file:
            assert file.write(b"abc") == 3
            with pytest.raises(OSError, match="No space left"):
                file.check()
            assert file.write(b"def") == 3

    with pytest.raises(OSError, match="No space left"):
        write_all()


def test_a_steady_file_keeps_its_fault_rather_than_what_came_of_it() -> None:
    def write_all() -> None:
        with deferred_errors(Path("/dev/full")) as file:
            file.write(b"abc")
            raise ValueError("what is read back is not what was written")

    with pytest.raises(OSError, match="No space left"):
        write_all()


def test_a_steady_file_writes_nothing_after_a_fault(tmp_path: Path) -> None:
    def write_all() -> None:
        with deferred_errors(tmp_path / "file") as file:
            with largest_file(4):
                file.write(b"abcdef")
            file.write(b"ghi")

    with pytest.raises(OSError, match="too large"):
        write_all()
    assert (tmp_path / "file").read_bytes() == b"abcd"


def test_a_folder_that_another_run_is_writing_is_left_to_it(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "data") as folder:
        (folder / "a").write_bytes(b"1")
        with (
            pytest.raises(InUse, match=r"another run is writing .*data"),
            atomic_folder(tmp_path / "data"),
        ):
            pass
        assert (folder / "a").exists()
    assert (tmp_path / "data" / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
