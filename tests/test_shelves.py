"""Shelves: what is added is there once under its hash, can be read elsewhere and moved to its place."""

import pickle
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.shelves import Shelves

DATA = [bytes([number]) * number for number in range(100)]


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_added_is_there_once_under_its_hash(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    names = [shelves.add(data) for data in DATA * 2]
    assert names == [sha256(data).hexdigest() for data in DATA * 2]
    assert files_below(tmp_path) == dict(zip(names, DATA, strict=False))
    assert len({path.parent for path in tmp_path.rglob("*") if path.is_file()}) > 10


def test_another_process_can_read_them(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    names = [shelves.add(data) for data in DATA]
    sent = pickle.loads(pickle.dumps(shelves))
    assert [sent.read(name) for name in names] == DATA


def test_what_is_placed_stays_when_the_shelves_go(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    first, *_ = [shelves.add(data) for data in DATA]
    (tmp_path / "train" / "cat").mkdir(parents=True)
    shelves.place(first, "train/cat/1.jpg")
    shelves.remove()
    assert files_below(tmp_path) == {"1.jpg": DATA[0]}
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Shelves(tmp_path).read("0" * 64)
