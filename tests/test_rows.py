"""A dataset's tables become the rows of its features file, in order, or an error says what does not fit."""

from pathlib import Path

import pytest

from pipeline import layout
from pipeline.errors import ManifestError
from pipeline.manifest import QUARANTINED, CopyRow, ImageRow, write_copies, write_manifest
from pipeline.rows import iterate_rows, make_plan


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _image(split: str, label: str, digit: str) -> ImageRow:
    path = f"{split}/{label}/{digit}.jpg" if split else ""
    fate = "used" if split else QUARANTINED
    return ImageRow(split=split, label=label, path=path, sha256=digit * 64, fate=fate, member=digit, bytes=1)


def _copy(parent: str, number: int, digit: str) -> CopyRow:
    return CopyRow(
        parent=parent * 64, copy=number, sha256=digit * 64, path=f"train/cat/{parent}__copy{number}.jpg"
    )


def _place(images: list[ImageRow], copies: list[CopyRow]) -> None:
    write_manifest(layout.manifest_file("pets"), images)
    write_copies(layout.copies_file("pets"), copies)


def test_each_original_is_followed_by_its_copies() -> None:
    images = [
        _image("val", "cat", "3"),
        _image("train", "dog", "2"),
        _image("train", "cat", "1"),
        _image("", "cat", "9"),
    ]
    _place(images, [_copy("1", 1, "a"), _copy("1", 2, "b"), _copy("2", 1, "c")])
    rows = list(iterate_rows("pets"))
    assert [(row.sha256[0], row.parent[0], row.copy) for row in rows] == [
        ("1", "1", 0), ("a", "1", 1), ("b", "1", 2), ("2", "2", 0), ("c", "2", 1), ("3", "3", 0),
    ]  # fmt: skip
    assert [row.split for row in rows] == ["train"] * 5 + ["val"]
    assert [row.label for row in rows] == ["cat", "cat", "cat", "dog", "dog", "cat"]
    assert str(rows[0].file) == "data/split/pets/train/cat/1.jpg"
    assert str(rows[1].file) == "data/augmented/pets/train/cat/1__copy1.jpg"
    assert rows[1].path == "train/cat/1__copy1.jpg"


def test_what_is_not_used_has_no_row() -> None:
    _place([_image("train", "cat", "1"), _image("", "cat", "2")], [])
    assert [row.sha256[0] for row in iterate_rows("pets")] == ["1"]


@pytest.mark.parametrize(
    "copies",
    [[_copy("7", 1, "a")], [_copy("2", 1, "a"), _copy("1", 1, "b")], [_copy("9", 1, "a")]],
    ids=["no such parent", "another order", "parent not used"],
)
def test_copies_that_do_not_fit_the_manifest_are_an_error(copies: list[CopyRow]) -> None:
    _place([_image("train", "cat", "1"), _image("train", "cat", "2"), _image("", "cat", "9")], copies)
    with pytest.raises(
        ManifestError, match=r"which is not where data/manifests/pets\.csv has it: run the stages split"
    ):
        list(iterate_rows("pets"))


def test_missing_tables_are_an_error() -> None:
    with pytest.raises(ManifestError, match=r"copies\.csv is missing: run the stage augment first"):
        list(iterate_rows("pets"))
    write_copies(layout.copies_file("pets"), [])
    with pytest.raises(ManifestError, match=r"pets\.csv is missing: run the stage split first"):
        list(iterate_rows("pets"))


def test_a_plan_counts_the_rows_and_notes_their_keys() -> None:
    images = [_image("train", "Ärger", "1"), _image("train", "cat", "2"), _image("val", "bird", "3")]
    _place(images, [_copy("2", 1, "a")])
    plan = make_plan(iterate_rows("pets"))
    assert plan.splits == {"train": 3, "val": 1}
    assert list(plan.splits) == ["train", "val"]
    assert plan.classes == ("bird", "cat", "Ärger")
    assert [key.tobytes().hex()[0] for key in plan.keys] == ["2", "a", "1", "3"]
    assert plan.path_bytes == len(b"train/cat/2__copy1.jpg")


def test_a_path_is_measured_in_bytes() -> None:
    _place([_image("train", "Ä" * 40, "1")], [])
    assert make_plan(iterate_rows("pets")).path_bytes == len(f"train/{'Ä' * 40}/1.jpg".encode())


def test_a_plan_of_nothing_is_empty() -> None:
    plan = make_plan([])
    assert plan.keys.shape == (0, 32)
    assert plan.splits == {}
    assert plan.classes == ()
