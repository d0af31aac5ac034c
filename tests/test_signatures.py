"""Signatures: every format that is read is told by its first bytes, and nothing else is."""

import pytest

from pipeline.errors import ImageError
from pipeline.images import decode_whole
from pipeline.signatures import explain_fault, format_of, is_image, is_lfs_pointer, suffix_of
from tests.sample_images import encode, odd_images, scene


@pytest.mark.parametrize("name", odd_images())
def test_every_kind_that_is_used_is_told_as_the_decoder_tells_it(name: str) -> None:
    data = odd_images()[name]
    assert format_of(data) == decode_whole(data).format


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encode(scene(), "TIFF", big_tiff=True), "TIFF"),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    ],
)
def test_rare_formats_are_told_too_so_that_a_class_of_them_is_missed(
    data: bytes, name: str
) -> None:
    assert format_of(data) == name


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heif_is_told_by_its_brand(brand: bytes) -> None:
    assert format_of(b"\0\0\0\x18ftyp" + brand + bytes(8)) == "HEIF"


@pytest.mark.parametrize(
    "data",
    [b"", b"BM is how this text begins, and it goes on.", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypisom",
     b"<svg/>", b"%PDF-1.7", b"GIF", b"\xff\xd8"],
)  # fmt: skip
def test_what_is_no_image_is_none(data: bytes) -> None:
    assert format_of(data) == ""
    assert not is_image("a", data)


def test_a_name_tells_only_what_was_meant() -> None:
    assert is_image("a/b.JFIF", b"")
    assert not is_image("a.jpg/b", b"")
    assert suffix_of("a.b/.jpg") == ""


def test_a_pointer_of_git_lfs_is_told() -> None:
    assert is_lfs_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n")
    assert not is_lfs_pointer(b"version 2")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"\xff\x0a\xfa",
            "JPEG XL is not read: expected JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC or AVIF",
        ),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000 is not read: expected JPEG, PNG"),
        (b"\0\0\0\x18ftypavif" + bytes(8), "damaged: cannot be read as AVIF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<html>", "not an image"),
    ],
)
def test_a_reason_says_what_a_file_is_and_what_would_be_read(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=r"^not an image$") as error:
        decode_whole(data)
    assert explain_fault(data, str(error.value)).startswith(reason)


def test_what_the_decoder_says_of_a_format_that_is_read_stays() -> None:
    assert explain_fault(encode(scene(60, 5), "PNG"), "too small: 60 x 5") == "too small: 60 x 5"
