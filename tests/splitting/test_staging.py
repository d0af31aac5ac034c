"""The shelf: what is added is there once under its hash, can be read elsewhere and moved to its place."""

import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.splitting.staging import StagingFolder
from tests.damages import largest_file

DATA = [bytes([number]) * number for number in range(100)]


@pytest.fixture
def shelf(tmp_path: Path) -> StagingFolder:
    return StagingFolder(tmp_path / "shelf")


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_added_is_there_once_under_its_hash(tmp_path: Path, shelf: StagingFolder) -> None:
    names = [shelf.add(data) for data in DATA * 2]
    assert names == [sha256(data).hexdigest() for data in DATA * 2]
    assert files_below(tmp_path) == dict(zip(names, DATA, strict=False))


def test_another_process_can_read_it(shelf: StagingFolder) -> None:
    names = [shelf.add(data) for data in DATA]
    sent = pickle.loads(pickle.dumps(shelf))
    assert [sent.read(name) for name in names] == DATA


def test_what_is_placed_stays_when_the_shelf_goes(tmp_path: Path, shelf: StagingFolder) -> None:
    first, *_ = [shelf.add(data) for data in DATA]
    shelf.place(first, str(tmp_path / "1.jpg"))
    shelf.remove()
    assert files_below(tmp_path) == {"1.jpg": DATA[0]}
    assert [path.name for path in tmp_path.iterdir()] == ["1.jpg"]


def test_what_is_not_there_is_an_error(shelf: StagingFolder) -> None:
    with pytest.raises(FileNotFoundError):
        shelf.read("0" * 64)


def test_a_file_that_cannot_be_written_whole_is_an_error(shelf: StagingFolder) -> None:
    with largest_file(50), pytest.raises(OSError, match="File too large"):
        shelf.add(bytes(99))
