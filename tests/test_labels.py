"""Labels: every layout that is understood, and what the others are told."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ArchiveError
from pipeline.labels import SPLIT_FOLDERS, label_members
from pipeline.signatures import IMAGE_SUFFIXES, suffix_of

PETS = {"cats": "cat", "dogs": "dog"}
LAYOUTS: dict[str, tuple[dict[str, tuple[str, str | None] | None], Mapping[str, str]]] = {
    "flower_photos": (
        {
            "flower_photos/LICENSE.txt": None,
            "flower_photos/daisy/1.jpg": ("daisy", None),
            "flower_photos/roses/1.jpg": ("rose", None),
        },
        {"roses": "rose"},
    ),
    "PetImages": (
        {
            "PetImages/Cat/0.jpg": ("cat", None),
            "PetImages/Cat/Thumbs.db": ("cat", None),
            "PetImages/Dog/0.jpg": ("dog", None),
            "PetImages/Dog/note.html": ("dog", None),
            "readme[1].txt": None,
            "MSR-LA - 3467.docx": None,
        },
        PETS,
    ),
    "Kaggle's train.zip": (
        {
            "train/cat.0.jpg": ("cat", "train"),
            "train/dog.0.jpg": ("dog", "train"),
            "train/Thumbs.db": None,
        },
        PETS,
    ),
    "Kaggle's archive in archive": (
        {
            "train.zip/train/cat.0.jpg": ("cat", "train"),
            "train.zip/train/dog.12.jpg": ("dog", "train"),
            "test.zip/test/1.jpg": None,
            "sample_submission.csv": None,
        },
        PETS,
    ),
    "Kaggle's, with a folder around": (
        {
            "d/train/cat.0.jpg": ("cat", "train"),
            "d/train/dog.0.jpg": ("dog", "train"),
            "d/test/1.jpg": None,
        },
        {},
    ),
    "names alone": ({"cat.0.jpg": ("cat", None), "dog.0.jpeg": ("dog", None)}, {}),
    "names in one folder": ({"all/cat.0.jpg": ("cat", None), "all/dog.0.PNG": ("dog", None)}, {}),
    "split folders": (
        {
            "pets/train/cats/cat.0.jpg": ("cat", "train"),
            "pets/validation/cats/cat.9.jpg": ("cat", "val"),
            "pets/Testing/dogs/dog.3.jpg": ("dog", "test"),
            "pets/vectorize.py": None,
        },
        PETS,
    ),
    "splits inside classes": (
        {
            "cat/train/1.jpg": ("cat", "train"),
            "cat/valid/2.jpg": ("cat", "val"),
            "dog/train/1.jpg": ("dog", "train"),
        },
        {},
    ),
    "unlabelled test images": (
        {
            "d/train/a/1.jpg": ("a", "train"),
            "d/train/b/1.jpg": ("b", "train"),
            "d/test/1.jpg": None,
        },
        {},
    ),
    "a class called train": (
        {"vehicles/train/1.jpg": ("train", None), "vehicles/car/1.jpg": ("car", None)},
        {},
    ),
    "splits beside something else": (
        {
            "train/a/1.jpg": ("a", "train"),
            "train/b/1.jpg": ("b", "train"),
            "extra/a/2.jpg": ("a", None),
        },
        {},
    ),
    "image above the class folders": (
        {"d/cover.png": None, "top.jpg": None, "d/a/1.jpg": ("a", None), "d/b/1.jpg": ("b", None)},
        {},
    ),
    "an archive a class": ({"cat.zip/1.jpg": ("cat", None), "dog.zip/1.jpg": ("dog", None)}, {}),
    "the same folders twice": (
        {
            "f/daisy/1.jpg": ("daisy", None),
            "f/f/daisy/1.jpg": ("daisy", None),
            "f/rose/2.jpg": ("rose", None),
        },
        {},
    ),
    "other letters": ({"花/菊 花/1.jpg": ("菊 花", None), "花/Löwe/1.JPG": ("Löwe", None)}, {}),
}


def images_among(names: Iterable[str]) -> set[str]:
    return {name for name in names if suffix_of(name) in IMAGE_SUFFIXES}


@pytest.mark.parametrize(("wanted", "aliases"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layout_is_understood(
    wanted: dict[str, tuple[str, str | None] | None], aliases: Mapping[str, str]
) -> None:
    labelled = label_members(list(wanted), images_among(wanted), aliases)
    found = {
        name: one and (one.label, one.folder_split)
        for name, one in zip(wanted, labelled, strict=True)
    }
    assert found == wanted
    assert all(one is None or one.name == name for name, one in zip(wanted, labelled, strict=True))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"no labelled images: expected class folders .*; found no files at all"),
        (
            ["a/1.txt", "b/2.txt"],
            r"no labelled images: .* found 2 files \(2 of \.txt\), the first 'a/1\.txt'",
        ),
        (["1.jpg", "2.jpg"], r"no labelled images: .*2 of \.jpg"),
        (
            ["photos/1.jpg", "photos/2.jpg"],
            r"no labelled images: .*; all images lie in one folder, which makes one class\.",
        ),
        (["train/1.jpg", "test/1.jpg"], "no labelled images"),
        (
            ["d/cat.1.jpg", "d/cat.2.jpg"],
            r"only one class, 'cat': expected class folders .*two classes or more",
        ),
        (
            ["d/label/1.jpg", "d/b/1.jpg"],
            r"called 'label': .* none of file, label, macro average, path, quarantine, sha256",
        ),
        (["d/unlike/1.jpg", "d/b/1.jpg"], "a class cannot be called 'unlike'"),
        (["d/a\u2028b/1.jpg", "d/b/1.jpg"], r"a class cannot be called 'a\\u2028b'"),
        (["d/a\x85b/1.jpg", "d/b/1.jpg"], r"a class cannot be called 'a\\x85b'"),
        (["d/SHA256/1.jpg", "d/b/1.jpg"], "a class cannot be called 'SHA256'"),
        (["d/.hidden/1.jpg", "d/b/1.jpg"], r"a class cannot be called '\.hidden'"),
        (["d/-rf/1.jpg", "d/b/1.jpg"], "a class cannot be called '-rf'"),
        (["d/a /1.jpg", "d/b/1.jpg"], "a class cannot be called 'a '"),
        (["d/a:b/1.jpg", "d/b/1.jpg"], "a class cannot be called 'a:b'"),
        (["x/Cat/1.jpg", "y/cat/1.jpg"], "classes 'Cat' and 'cat' differ in capitals alone"),
        (
            ["cat/1.jpg", "cat/old/2.jpg", "dog/1.jpg"],
            r"images lie both in 'cat' and in folders below it \('cat/old'\)",
        ),
    ],
)
def test_other_layouts_are_refused_with_what_was_found(names: list[str], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        label_members(names, images_among(names))


def test_images_are_those_that_are_told_so_whatever_they_are_called() -> None:
    names = ["a/IMG_1", "a/2.jfif", "a/notes.txt", "b/x.HEIC", "c/1.jpg.txt", "read.me"]
    labelled = label_members(names, {"a/IMG_1", "a/2.jfif", "b/x.HEIC"})
    assert [one and one.label for one in labelled] == ["a", "a", "a", "b", None, None]


def test_names_that_begin_with_the_class_need_no_suffix() -> None:
    names = ["train/cat.1", "train/dog.12", "test/1", "train/cat.1.big.jpg", "train/2.jpg"]
    assert [one and one.label for one in label_members(names, names)] == ["cat", "dog", *[None] * 3]


def test_a_file_that_is_no_image_gets_no_class_from_its_name() -> None:
    names = ["d/cat.1.jpg", "d/dog.1.jpg", "d/notes.1.txt"]
    assert label_members(names, set(names[:2]))[2] is None


@pytest.mark.parametrize("dataset", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_aliases_lead_to_the_datasets_classes(dataset) -> None:  # type: ignore[no-untyped-def]
    assert set(dataset.aliases.values()) == set(dataset.classes)
    assert all(alias == alias.lower() for alias in dataset.aliases)


CLASSES = st.lists(
    st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=2, max_size=4, unique=True
).filter(lambda classes: not set(classes) & ({"label", "path", "split"} | set(SPLIT_FOLDERS)))


@given(classes=CLASSES, splits=st.booleans(), order=st.randoms(use_true_random=False))
def test_a_label_does_not_depend_on_the_order_of_members(
    classes: list[str], splits: bool, order
) -> None:  # type: ignore[no-untyped-def]
    names = [f"top/{side}{label}/{number}.jpg" for label in classes for number in range(3)
             for side in (("train/", "val/") if splits else ("",))]  # fmt: skip
    wanted = dict(zip(names, label_members(names, images_among(names)), strict=True))
    order.shuffle(names)
    assert dict(zip(names, label_members(names, images_among(names)), strict=True)) == wanted
    assert {one.label for one in wanted.values() if one} == set(classes)
    assert {one.folder_split for one in wanted.values() if one} == (
        {"train", "val"} if splits else {None}
    )
