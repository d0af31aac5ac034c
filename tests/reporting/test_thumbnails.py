"""Thumbnails: upright, small, made once, and made again where what is kept is not what was written."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.errors import ImageError, PipelineError
from pipeline.reporting import thumbnails
from pipeline.reporting.thumbnails import (
    THUMBNAIL_PIXELS,
    find_thumbnails,
    keep_thumbnail,
    read_sealed,
    thumbnails_of_files,
    write_sealed,
)
from tests.sample_images import encode, odd_images, scene

LARGE = encode(scene(1000, 500), "JPEG")


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def place(folder: Path, *images: bytes) -> dict[str, Path]:
    """Write image files; return where each lies, by its sha256."""
    for number, data in enumerate(images):
        (folder / str(number)).write_bytes(data)
    return {name_of(data): folder / str(number) for number, data in enumerate(images)}


def pixels_of(webp: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(webp)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"), np.int64)


def test_a_large_image_becomes_small_and_a_small_one_stays(tmp_path: Path) -> None:
    small = encode(scene(), "PNG")
    found = thumbnails_of_files(place(tmp_path, LARGE, small), tmp_path / "cache")
    assert [(one.width, one.height) for one in found.values()] == [
        (THUMBNAIL_PIXELS, 160),
        (60, 44),
    ]
    for one, image in zip(found.values(), (scene(320, 160), scene()), strict=True):
        assert np.abs(pixels_of(one.webp) - np.asarray(image, np.int64)).mean() < 12


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_an_image_that_lies_on_its_side_is_turned(tmp_path: Path, image_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(scene(), image_format, exif=exif)
    one = keep_thumbnail(name_of(data), data, tmp_path)
    assert (one.width, one.height) == (44, 60)
    upright = np.asarray(scene().transpose(Image.Transpose.ROTATE_270), np.int64)
    assert np.abs(pixels_of(one.webp) - upright).mean() < 12


@pytest.mark.parametrize("name", odd_images())
def test_every_kind_of_image_has_a_thumbnail(tmp_path: Path, name: str) -> None:
    data = odd_images()[name]
    assert keep_thumbnail(name_of(data), data, tmp_path).width in (44, 60)


def test_a_thumbnail_tells_nothing_but_its_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "camera of mine"
    data = encode(
        scene(), "JPEG", exif=exif, icc_profile=b"profile of mine", comment="note of mine"
    )
    assert b"of mine" in data
    assert b"of mine" not in keep_thumbnail(name_of(data), data, tmp_path).webp


def test_what_is_kept_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = place(tmp_path, LARGE, encode(scene(), "PNG"))
    first = thumbnails_of_files(files, tmp_path / "cache")
    for path in files.values():
        path.unlink()
    monkeypatch.setattr(thumbnails, "encode_webp", None)
    assert thumbnails_of_files(files, tmp_path / "cache") == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:],
        lambda data: b"\0" * len(data),
    ],
)
def test_a_damaged_thumbnail_is_made_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    files, cache = place(tmp_path, LARGE), tmp_path / "cache"
    whole = thumbnails_of_files(files, cache)
    (kept,) = cache.rglob("*.webp")
    data = kept.read_bytes()
    kept.write_bytes(damage(data))
    assert find_thumbnails(files, cache) == {}
    assert thumbnails_of_files(files, cache) == whole
    assert kept.read_bytes() == data


def test_what_is_kept_is_an_image_for_other_programs_too(tmp_path: Path) -> None:
    keep_thumbnail(name_of(LARGE), LARGE, tmp_path)
    (kept,) = tmp_path.rglob("*.webp")
    with Image.open(kept) as image:
        image.load()
        assert image.size == (THUMBNAIL_PIXELS, 160)


def test_an_image_that_is_not_what_it_is_called_is_shown_but_not_kept(tmp_path: Path) -> None:
    assert keep_thumbnail("0" * 64, LARGE, tmp_path).height == 160
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(LARGE[:2000])])
def test_an_image_that_cannot_be_shown_is_named(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    files = place(tmp_path, encode(scene(), "PNG"), LARGE)
    damage(tmp_path / "1")
    with pytest.raises(PipelineError, match=r"the report cannot show .*/1: .*Run the split"):
        thumbnails_of_files(files, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_not_the_images_fault(tmp_path: Path) -> None:
    files = place(tmp_path, LARGE)
    (tmp_path / "cache").touch()
    with pytest.raises(NotADirectoryError, match="cache"):
        thumbnails_of_files(files, tmp_path / "cache")


def test_bytes_that_are_no_image_have_no_thumbnail(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an image"):
        keep_thumbnail(name_of(b"text"), b"text", tmp_path)


def test_what_was_sealed_is_read_back(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a" / "b", b"content")
    assert read_sealed(tmp_path / "a" / "b") == b"content"
    assert read_sealed(tmp_path / "a" / "c") is None


def test_experiments_share_the_workspaces_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", "/project")
    assert paths.thumbnails_folder() == Path("/project/report/.thumbnails")
    monkeypatch.delenv("DVC_ROOT")
    assert paths.thumbnails_folder() == Path("report/.thumbnails")
