"""TIFF: the page that is meant, and numbers of more than 8 bits as they are meant."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from pipeline.errors import ImageError
from pipeline.images import decode_square, decode_whole

RAMP = np.tile(np.linspace(0, 1, 64), (16, 1))  # black on the left, white on the right


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tiff((RAMP * 255).astype(np.uint8)), id="8 bits"),
        pytest.param(tiff((RAMP * 65535).astype(np.uint16)), id="16 bits"),
        pytest.param(tiff((RAMP * 32767).astype(np.int16)), id="16 bits with a sign"),
        pytest.param(tiff((RAMP * 4294967295).astype(np.uint32)), id="32 bits without a sign"),
        pytest.param(tiff(RAMP.astype(np.float32)), id="floats"),
        pytest.param(tiff((RAMP * 255).astype(np.float32)), id="floats to 255"),
        pytest.param(
            tiff(((1 - RAMP) * 65535).astype(np.uint16), photometric="miniswhite"),
            id="16 bits, a negative",
        ),
        pytest.param(
            tiff((1 - RAMP).astype(np.float32), photometric="miniswhite"), id="floats, a negative"
        ),
    ],
)
def test_black_is_black_and_white_is_white(data: bytes) -> None:
    pixels = decode_whole(data).pixels
    assert np.abs(pixels - RAMP[..., None] * 255).max() <= 2


@pytest.mark.parametrize("beyond", [1.02, 1.5, np.inf])
def test_floats_that_go_a_little_beyond_white_leave_the_rest_as_bright(beyond: float) -> None:
    values = RAMP.astype(np.float32)
    values[3, 5] = beyond
    pixels = decode_whole(tiff(values)).pixels.astype(int)
    plain = decode_whole(tiff(RAMP.astype(np.float32))).pixels
    assert pixels[3, 5].tolist() == [255] * 3
    pixels[3, 5] = plain[3, 5]
    np.testing.assert_array_equal(pixels, plain)


def test_the_bits_that_a_file_states_count() -> None:
    packed = np.packbits(
        ((np.arange(64 * 16) % 64 * 65)[:, None] >> np.arange(11, -1, -1) & 1).astype(np.uint8)
    )
    data = bytearray(tiff(np.zeros((16, 64), np.uint16)))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tags = file.pages[0].tags
        start, bits, counts = tags[273].value[0], tags[258].valueoffset, tags[279].valueoffset
    data[bits : bits + 2] = (12).to_bytes(2, "little")
    data[counts : counts + 4] = len(packed).to_bytes(4, "little")
    data[start : start + len(packed)] = packed.tobytes()
    pixels = decode_whole(bytes(data)).pixels
    assert np.abs(pixels - RAMP[..., None] * 255).max() <= 5


def test_a_smaller_version_in_front_is_not_the_image() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(np.zeros((16, 20, 3), np.uint8), photometric="rgb", subfiletype=1)
        file.write(np.full((64, 80, 3), 200, np.uint8), photometric="rgb")
    image = decode_whole(stream.getvalue())
    assert (image.width, image.height, int(image.pixels.min())) == (80, 64, 200)
    assert int(decode_square(stream.getvalue(), 32).min()) == 200


def test_planes_that_would_be_misread_are_refused_and_others_are_not() -> None:
    values = np.zeros((64, 64, 3), np.uint16)
    values[:32, :, 0] = values[32:, :, 2] = 65535
    planes = {"photometric": "rgb", "planarconfig": "separate"}
    with pytest.raises(
        ImageError, match=r"more than 8 bits in uncompressed planes.* its channels together"
    ):
        decode_whole(tiff(values.transpose(2, 0, 1), **planes))
    expected = (values >> 8).astype(np.uint8)
    for data in (
        tiff(values, photometric="rgb"),
        tiff(values.transpose(2, 0, 1), compression="zlib", **planes),
        tiff((values >> 8).astype(np.uint8).transpose(2, 0, 1), **planes),
    ):
        np.testing.assert_array_equal(decode_whole(data).pixels, expected)
