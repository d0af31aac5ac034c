"""The staging folder: what is added is there once under its hash, and can be read and moved."""

import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.splitting.staging import StagingFolder
from tests.damages import largest_file

DATA = [bytes([number]) * number for number in range(100)]


@pytest.fixture
def staging(tmp_path: Path) -> StagingFolder:
    return StagingFolder(tmp_path / "staging")


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_added_is_there_once_under_its_hash(tmp_path: Path, staging: StagingFolder) -> None:
    names = [staging.add(data) for data in DATA * 2]
    assert names == [sha256(data).hexdigest() for data in DATA * 2]
    assert files_below(tmp_path) == dict(zip(names, DATA, strict=False))


def test_another_process_can_read_it(staging: StagingFolder) -> None:
    names = [staging.add(data) for data in DATA]
    sent = pickle.loads(pickle.dumps(staging))
    assert [sent.read(name) for name in names] == DATA


def test_what_is_placed_stays_when_the_staging_folder_goes(
    tmp_path: Path, staging: StagingFolder
) -> None:
    first, second, *_ = [staging.add(data) for data in DATA]
    staging.place_all({first: "train/cat/1.jpg", second: "val/cat/2.jpg"})
    assert files_below(tmp_path) == {"1.jpg": DATA[0], "2.jpg": DATA[1]}
    assert (tmp_path / "train/cat/1.jpg").read_bytes() == DATA[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train", "val"]


def test_what_is_not_there_is_an_error(staging: StagingFolder) -> None:
    with pytest.raises(FileNotFoundError):
        staging.read("0" * 64)


def test_a_file_that_cannot_be_written_whole_is_an_error(staging: StagingFolder) -> None:
    with largest_file(50), pytest.raises(OSError, match="File too large"):
        staging.add(bytes(99))
