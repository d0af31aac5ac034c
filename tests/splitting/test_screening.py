"""Screening: what each file holds, what is odd about it, and why it cannot be used."""

import io
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from pipeline.images import decode_square, decode_whole
from pipeline.parallel import no_progress
from pipeline.runners import pool
from pipeline.splitting.screening import File, ScreenedImage, screen, screen_archive
from pipeline.splitting.staging import StagingFolder
from tests.archive_cases import ODD as ODD_ARCHIVES
from tests.odd_archives import Build
from tests.sample_images import encode, heic, odd_images, scene

ODD = Path(__file__).parents[3] / "shared" / "data" / "odd"
FILES = [
    *(encode(scene(seed=seed), "JPEG") for seed in range(4)),
    encode(scene(seed=0), "PNG"),
    encode(scene(seed=0), "WEBP", lossless=True),
    encode(scene(seed=0), "TIFF"),
    encode(scene(30, 30, seed=1), "GIF"),
    encode(scene(seed=2), "JPEG")[:300],
    b"",
    b"Thumbs",
]


def screen_alone(member: str, data: bytes) -> tuple[ScreenedImage, bytes | None]:
    with TemporaryDirectory() as folder:
        staging = StagingFolder(Path(folder, "staging"))
        return screen(staging, [File(member, staging.add(data))])[0]


def screen_data(member: str, data: bytes) -> ScreenedImage:
    """Return what is said of a file."""
    return screen_alone(member, data)[0]


def kept(data: bytes) -> bytes:
    """Return the bytes that are kept of a file."""
    replacement = screen_alone("a/1", data)[1]
    return data if replacement is None else replacement


@pytest.mark.parametrize(
    ("member", "data", "notes"),
    [
        ("a/1.jpg", encode(scene(), "JPEG"), ""),
        ("a/1.JPEG", encode(scene(), "JPEG"), ""),
        ("a/1.png", encode(scene(), "JPEG"), "named .png, is JPEG"),
        ("a/1", encode(scene(), "JPEG"), "named without a suffix, is JPEG"),
        ("a/1.jpg", encode(scene(), "PNG"), "named .jpg, is PNG"),
        ("a/1.webp", encode(scene(), "WEBP"), "WEBP kept as PNG"),
        ("a/1.png", encode(scene(), "WEBP"), "named .png, is WEBP; WEBP kept as PNG"),
        ("a/1.tiff", encode(scene(), "TIFF"), "TIFF kept as PNG"),
        ("a/1.TIF", encode(scene(), "TIFF"), "TIFF kept as PNG"),
        ("a/1.bmp", encode(scene(), "BMP"), "BMP kept as PNG"),
        ("a/1.HEIC", heic("scene"), "HEIF kept as PNG"),
        ("a/1.jpg", heic("scene"), "named .jpg, is HEIF; HEIF kept as PNG"),
        ("a/1.avif", encode(scene(), "AVIF"), "AVIF kept as PNG"),
        ("a/1.gif", encode(scene().convert("P"), "GIF"), "converted from P"),
        ("a/1.png", encode(scene().convert("RGBA"), "PNG"), "converted from RGBA"),
    ],
)
def test_what_is_odd_is_noted(member: str, data: bytes, notes: str) -> None:
    row = screen_data(member, data)
    assert row.note == notes
    assert row.reason == ""
    assert (row.width, row.height) == (60, 44)


def test_a_file_that_keras_can_read_is_kept_byte_for_byte() -> None:
    for member, data in odd_images().items():
        row, rest = screen_data(member, data), kept(data)
        assert (rest == data) == (row.format in ("JPEG", "PNG", "GIF")), member
        assert (row.bytes, row.sha256) == (len(rest), sha256(rest).hexdigest())


@pytest.mark.parametrize(
    "name", ["plain.bmp", "bits.bmp", "moving.webp", "plain.tiff", "phone.heic", "plain.avif"]
)
def test_another_format_is_kept_as_png_without_loss(name: str) -> None:
    data = odd_images()[name]
    lossless = kept(data)
    assert (decode_square(lossless, 32) == decode_square(data, 32)).all()
    with Image.open(io.BytesIO(lossless)) as image:
        assert image.format == "PNG"
    assert (decode_whole(lossless).pixels == decode_whole(data).pixels).all()


@pytest.mark.parametrize(("build", "names"), ODD_ARCHIVES.values(), ids=ODD_ARCHIVES.keys())
def test_every_member_of_an_odd_archive_is_screened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build, names: list[str]
) -> None:
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
    archive, staging = build(tmp_path / "given"), StagingFolder(tmp_path / "staging")
    images = screen_archive(archive, staging, len(names), no_progress)
    assert [image.member for image in images] == names
    assert all(image.reason for image in images)  # none of them holds a whole image


def test_files_are_screened_together_as_they_are_alone(tmp_path: Path) -> None:
    staging = StagingFolder(tmp_path / "staging")
    files = [File(f"a/{n}.jpg", staging.add(data)) for n, data in enumerate(FILES)]
    alone = [screen_alone(file.member, data) for file, data in zip(files, FILES, strict=True)]
    assert screen(staging, files) == alone


@pytest.mark.parametrize(
    ("colour", "bright"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 255),
        ((255, 0, 0), 76),
        ((0, 255, 0), 150),
        ((0, 0, 255), 29),
    ],
)
def test_brightness_is_that_of_grey(colour: tuple[int, int, int], bright: int) -> None:
    for image_format in ("PNG", "JPEG"):
        row = screen_data("a/1", encode(Image.new("RGB", (50, 70), colour), image_format))
        assert row.brightness == pytest.approx(bright, abs=1 if image_format == "JPEG" else 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"<html>", "not an image"),
        (b"\xff\x0a\xfa", "JPEG XL is not read: expected JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer, "),
        (FILES[8], "damaged: "),
        (encode(scene(60, 5), "PNG"), "too sm"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(data: bytes, reason: str) -> None:
    row = screen_data("a/1.jpg", data)
    assert row.reason.startswith(reason)
    assert (row.width, row.height, row.hash, row.bytes) == (0, 0, "", len(data))


@pytest.mark.skipif(not ODD.is_dir(), reason="the shared odd images are not here")
def test_odd_files_from_the_wild_are_used_and_what_is_odd_is_noted() -> None:
    rows = {
        file.name: screen_data(file.name, file.read_bytes())
        for file in ODD.iterdir()
        if file.is_file()
    }
    assert len(rows) == 6 + 1
    assert {row.reason for row in rows.values()} == {""}
    assert "named .png, is WEBP; WEBP kept as PNG" in rows["Cat1035_is_webp.png"].note
    for name, image_format in [
        ("rain141", "GIF"),
        ("shine131", "GIF"),
        ("cloudy131", "PNG"),
        ("rain136", "PNG"),
    ]:
        row = next(row for member, row in rows.items() if name in member)
        assert f"named .jpg, is {image_format}" in row.note
    assert "converted from RGBA" in rows["weather_shine127_is_png_rgba.jpg"].note


def test_perceptual_hashes_are_sixteen_digits() -> None:
    rows = [screen_data("x", encode(scene(seed=seed), "PNG")) for seed in range(20)]
    assert {len(row.hash) for row in rows} == {16}
    assert len({row.hash for row in rows}) > 15
    assert (
        screen_data("x", encode(Image.fromarray(np.zeros((9, 9, 3), np.uint8)), "PNG")).reason == ""
    )
