"""Names in class folders: those of the archive, found by Keras, and never two alike."""

import hashlib
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.splitting.naming import Named, name_files


def named(member: str, label: str = "a", image_format: str = "JPEG") -> Named:
    sha256 = hashlib.sha256(f"{label}/{member}".encode()).hexdigest()
    return Named(member, label, sha256, image_format)


@pytest.mark.parametrize(
    "members",
    [
        ["x/1.jpg", "y/1.jpg"],
        ["x/1.jpg", "x/1.png"],
        ["x/a.jpg", "x/A.jpeg"],
        ["x/1", "x/1.jpg"],
    ],
)
def test_images_with_the_same_stem_get_a_piece_of_their_hash(members: list[str]) -> None:
    images = [named(member) for member in members]
    names = name_files(images)
    assert len({name.lower() for name in names.values()}) == 2
    for image in images:
        stem = PurePosixPath(image.member).stem
        assert PurePosixPath(names[image.sha256]).stem == f"{stem}-{image.sha256[:12]}"


def test_the_same_stem_in_another_class_changes_no_name() -> None:
    images = [named("x/1.jpg", "x"), named("y/1.jpg", "y")]
    assert list(name_files(images).values()) == ["x/1.jpg", "y/1.jpg"]


@pytest.mark.parametrize("stem", ["x" * 251, "ü" * 125, "字" * 83])
def test_a_name_as_long_as_systems_allow_leaves_room_for_copies(stem: str) -> None:
    image = named(f"a/{stem}.jpg")
    name = PurePosixPath(name_files([image])[image.sha256])
    assert name.stem.startswith(stem[:60])
    assert len(f"{name.stem}__copy20.jpg".encode()) <= 255
    assert name.stem.endswith(image.sha256[:12])


@pytest.mark.parametrize(
    ("member", "image_format", "expected"),
    [
        ("1.JPG", "JPEG", "1.JPG"),
        ("1.gif", "GIF", "1.gif"),
        ("1.png", "JPEG", "1.png"),  # Keras reads by content what it finds by name
        ("1", "JPEG", "1.jpg"),
        ("1.jfif", "JPEG", "1.jpg"),
        ("1.webp", "WEBP", "1.png"),
        ("1.bmp", "BMP", "1.png"),
        ("1.tiff", "PNG", "1.png"),
    ],
)
def test_every_file_gets_a_name_by_which_keras_finds_it(
    member: str, image_format: str, expected: str
) -> None:
    image = named(member, "a", image_format)
    assert name_files([image]) == {image.sha256: f"a/{expected}"}


@given(
    members=st.lists(
        st.from_regex(r"(x|Y)/(a|A|b|c)(\.jpg|\.JPG|\.png|\.webp|)", fullmatch=True), unique=True
    )
)
def test_no_two_images_of_a_class_have_the_same_stem_in_any_capitals(members: list[str]) -> None:
    names = name_files([named(member) for member in members])
    assert len({PurePosixPath(name).stem.lower() for name in names.values()}) == len(members)
