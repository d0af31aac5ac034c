"""A dataset's tables become the rows of its features file, in order, or an error says what does not fit."""

from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import ManifestError
from pipeline.extraction import plan
from pipeline.extraction.plan import Row, iterate_rows, make_plan
from pipeline.manifest import QUARANTINED, CopyRow, ImageRow, write_copies, write_manifest
from pipeline.store.store import names_of


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _image(split: str, label: str, digit: str, group: str = "") -> ImageRow:
    path = f"{split}/{label}/{digit}.jpg" if split else ""
    status = "used" if split else QUARANTINED
    return ImageRow(
        split=split, label=label, path=path, sha256=digit * 64, status=status, member=digit, bytes=1,
        group=(group or digit) * 64,
    )  # fmt: skip


def _copy(parent: str, number: int, digit: str) -> CopyRow:
    return CopyRow(
        parent=parent * 64,
        copy=number,
        sha256=digit * 64,
        path=f"train/cat/{parent}__copy{number}.jpg",
    )


def _place(images: list[ImageRow], copies: list[CopyRow]) -> None:
    write_manifest(paths.manifest_file("pets"), images)
    write_copies(paths.copies_file("pets"), copies)


def test_each_original_is_followed_by_its_copies() -> None:
    images = [
        _image("val", "cat", "3"),
        _image("train", "dog", "2"),
        _image("train", "cat", "1"),
        _image("", "cat", "9"),
    ]
    _place(images, [_copy("1", 1, "a"), _copy("1", 2, "b"), _copy("2", 1, "c")])
    found = list(iterate_rows("pets"))
    assert [(row.sha256[0], row.parent[0], row.copy) for row in found] == [
        ("1", "1", 0), ("a", "1", 1), ("b", "1", 2), ("2", "2", 0), ("c", "2", 1), ("3", "3", 0),
    ]  # fmt: skip
    assert [row.split for row in found] == ["train"] * 5 + ["val"]
    assert [row.label for row in found] == ["cat", "cat", "cat", "dog", "dog", "cat"]
    assert str(found[0].file) == "data/split/pets/train/cat/1.jpg"
    assert str(found[1].file) == "data/augmented/pets/train/cat/1__copy1.jpg"
    assert found[1].path == "train/cat/1__copy1.jpg"


def test_what_is_not_used_has_no_row() -> None:
    _place([_image("train", "cat", "1"), _image("", "cat", "2")], [])
    assert [row.sha256[0] for row in iterate_rows("pets")] == ["1"]


@pytest.mark.parametrize(
    "copies",
    [[_copy("7", 1, "a")], [_copy("2", 1, "a"), _copy("1", 1, "b")], [_copy("9", 1, "a")]],
    ids=["no such parent", "another order", "parent not used"],
)
def test_copies_that_do_not_fit_the_manifest_are_an_error(copies: list[CopyRow]) -> None:
    _place(
        [_image("train", "cat", "1"), _image("train", "cat", "2"), _image("", "cat", "9")], copies
    )
    with pytest.raises(
        ManifestError,
        match=r"which is not where data/manifests/pets\.csv has it: run the stages split",
    ):
        list(iterate_rows("pets"))


def test_missing_tables_are_an_error() -> None:
    with pytest.raises(ManifestError, match=r"copies\.csv is missing: run the stage augment first"):
        list(iterate_rows("pets"))
    write_copies(paths.copies_file("pets"), [])
    with pytest.raises(ManifestError, match=r"pets\.csv is missing: run the stage split first"):
        list(iterate_rows("pets"))


def test_a_plan_holds_the_rows_as_columns() -> None:
    images = [
        _image("train", "Ärger", "1"),
        _image("train", "cat", "2", group="1"),
        _image("val", "bird", "3"),
    ]
    _place(images, [_copy("2", 1, "a"), _copy("2", 2, "b"), _copy("1", 1, "c")])
    plan = make_plan(iterate_rows("pets"))
    assert plan.splits == {"train": 5, "val": 1}
    assert list(plan.splits) == ["train", "val"]
    assert plan.classes == ("bird", "cat", "Ärger")
    assert [name[:1] for name in names_of(plan.keys)] == [b"2", b"a", b"b", b"1", b"c", b"3"]
    assert plan.parents.tolist() == [0, 0, 0, 3, 3, 5]
    assert [name[:1] for name in names_of(plan.groups)] == [b"1", b"1", b"1", b"1", b"1", b"3"]
    assert plan.copies.tolist() == [0, 1, 2, 0, 1, 0]
    assert plan.labels.tolist() == [1, 1, 1, 2, 2, 0]
    assert [path.decode() for path in plan.paths] == [
        "train/cat/2.jpg",
        "train/cat/2__copy1.jpg",
        "train/cat/2__copy2.jpg",
        "train/Ärger/1.jpg",
        "train/cat/1__copy1.jpg",
        "val/bird/3.jpg",
    ]


def test_many_rows_are_gathered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "ROWS_AT_ONCE", 3)
    some = [
        Row("train", "ab"[number % 2], f"{number:064x}", "", "", number % 5, "x" * number, Path())
        for number in range(10)
    ]
    found = make_plan(some)
    assert found.keys[:, 31].tolist() == list(range(10))
    assert found.paths.tolist() == [b"x" * number for number in range(10)]
    assert found.parents.tolist() == [0] * 5 + [5] * 5
    assert found.labels.tolist() == [0, 1] * 5


def test_a_path_is_measured_in_bytes() -> None:
    _place([_image("train", "Ä" * 40, "1")], [])
    assert make_plan(iterate_rows("pets")).paths.itemsize == len(f"train/{'Ä' * 40}/1.jpg".encode())


def test_a_plan_of_nothing_is_empty() -> None:
    plan = make_plan([])
    assert plan.keys.shape == plan.groups.shape == (0, 32)
    assert plan.parents.shape == (0,)
    assert plan.splits == {}
    assert plan.classes == ()
