"""Files, folders, patterns and a list stand for exactly the images that they name."""

import os
from pathlib import Path

import pytest

from pipeline.errors import ImageError
from pipeline.tools.image_list import list_images
from tests.sample_images import encode, scene

JPEG = encode(scene(20, 20), "JPEG")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `pets` of four images, one without a suffix and one damaged, and what is none."""
    monkeypatch.chdir(tmp_path)
    contents = {
        "pets/b.jpg": JPEG, "pets/deep/er/a.JPG": JPEG, "pets/deep/noname": JPEG, "pets/bad.png": b"",
        "pets/labels.csv": b"a,b", "pets/.hidden.jpg": JPEG, "pets/.cache/c.jpg": JPEG,
        "pets/__MACOSX/d.jpg": JPEG, "other/x.jpg": JPEG, "odd[1].jpg": JPEG, "empty/text.txt": b"-",
    }  # fmt: skip
    for name, data in contents.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


def listed(*arguments: str, lines: tuple[str, ...] = ()) -> list[str]:
    return [str(path) for path in list_images(arguments, lines).images]


IN_PETS = ["pets/b.jpg", "pets/bad.png", "pets/deep/noname", "pets/deep/er/a.JPG"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pets/b.jpg"], ["pets/b.jpg"]),
        (["gone.jpg", "pets/labels.csv"], ["gone.jpg", "pets/labels.csv"]),
        (["pets"], IN_PETS),
        (["other", "pets/"], ["other/x.jpg", *IN_PETS]),
        (["pets/*.jpg"], ["pets/b.jpg"]),
        (["pets/**/*.JPG"], ["pets/deep/er/a.JPG"]),
        (["*e*s"], IN_PETS),
        (["oth*/**", "pets/d*/**"], ["other/x.jpg", *IN_PETS[2:]]),
        (["odd[1].jpg"], ["odd[1].jpg"]),
        (["other/x.jpg", "other/x.jpg"], ["other/x.jpg", "other/x.jpg"]),
    ],
)
def test_arguments_stand_for(arguments: list[str], expected: list[str]) -> None:
    assert listed(*arguments) == expected


def test_a_dash_stands_for_the_lines_of_a_list() -> None:
    lines = ("pets/b.jpg\n", "\n", "other\r\n", "gone.jpg")
    assert listed("-", lines=lines) == ["pets/b.jpg", "other/x.jpg", "gone.jpg"]


def test_what_is_left_out_of_a_folder_is_counted() -> None:
    Path("pets/link").symlink_to("../other")
    Path("deeper").symlink_to("pets")
    Path("pets/Thumbs.db").touch()
    lines = ("pets\n", "deeper\n")
    listing = list_images(["pets", "-", "pe*"], lines)
    assert [str(path) for path in listing.left_out] == [
        f"{folder}/{name}"
        for folder in ("pets", "pets", "deeper", "pets")
        for name in (".cache", "link", ".hidden.jpg", "labels.csv")
    ]
    assert not list_images(["pets/labels.csv"], ()).left_out, "what is named is tried"


def test_lines_are_not_read_unless_asked_for() -> None:
    lines = iter(["other/x.jpg"])
    list_images(["pets/b.jpg"], lines)
    assert next(lines) == "other/x.jpg"


@pytest.mark.parametrize("argument", ["empty", "empty/*.jpg", "-"])
def test_what_stands_for_no_image_is_an_error(argument: str) -> None:
    with pytest.raises(ImageError, match="no image in "):
        listed("pets", argument)


def test_no_name_is_not_the_current_folder() -> None:
    with pytest.raises(ImageError, match=r"an empty name\. Expected a file, a folder"):
        listed("pets", "")


def test_a_list_may_begin_with_a_byte_order_mark() -> None:
    listing = list_images(["-"], ["\ufeffother/x.jpg\r\n"])
    assert listing.images == [Path("other/x.jpg")]


def test_a_pipe_in_a_folder_is_not_opened() -> None:
    os.mkfifo("pets/pipe.jpg")
    assert "pets/pipe.jpg" in listed("pets"), "its name says that it was meant"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_an_error() -> None:
    Path("pets/deep").chmod(0)
    with pytest.raises(PermissionError, match="deep"):
        listed("pets")
