"""Decoding in TensorFlow: the pixels that the project's decoder gives, to the bit."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.images import decode_square
from tests.sample_images import scene

SIZE = 32


@pytest.fixture(scope="module")
def decode() -> Any:
    import tensorflow as tf

    from pipeline.exporting.decoding import decode_squares

    text = tf.TensorSpec((None,), tf.string)
    traced = tf.function(lambda images: decode_squares(images, SIZE), input_signature=[text])
    return lambda data: traced([data]).numpy()[0]


def file_of(image: Image.Image, image_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.asarray(scene(width, height, seed=width)))


@pytest.mark.parametrize(
    ("width", "height"),
    [(20, 25), (33, 32), (37, 60), (70, 50), (95, 73), (149, 200), (300, 203), (301, 640)],
)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_sizes(decode: Any, width: int, height: int, image_format: str) -> None:
    data = file_of(picture(width, height), image_format)
    found = decode(data).astype(int)
    assert np.abs(found - decode_square(data, SIZE)).max() <= (1 if image_format == "PNG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_orientations(decode: Any, orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "a maker", orientation
    data = file_of(picture(70, 51), "JPEG", exif=exif)
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


def test_exif_that_is_cut_off_turns_nothing(decode: Any) -> None:
    data = file_of(picture(70, 51), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_what_is_transparent_becomes_white(decode: Any, mode: str) -> None:
    image = picture(60, 50).convert("RGBA")
    image.putalpha(image.getchannel("R"))
    data = file_of(image.convert(mode), "PNG")
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_a_palette_of_few_bits(decode: Any, colours: int, transparent: bool) -> None:
    options = {"transparency": 1} if transparent else {}
    data = file_of(picture(60, 50).quantize(colours), "PNG", **options)
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


def test_grey_of_one_bit(decode: Any) -> None:
    data = file_of(picture(60, 50).convert("1"), "PNG")
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_in_four_bytes(decode: Any, order: str) -> None:
    exif = b"II*\0" if order == "<" else b"MM\0*"
    exif += struct.pack(f"{order}IHHHIII", 8, 1, 0x0112, 4, 1, 6, 0)
    data = file_of(picture(70, 51), "JPEG", exif=b"Exif\0\0" + exif)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    np.testing.assert_array_equal(decode(data), decode_square(data, SIZE))


def test_what_is_no_image_is_an_error(decode: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)unknown image|not .* image|decode"):
        decode(b"<html>")
