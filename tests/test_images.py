"""The decoder: any image becomes upright RGB, anything else an ImageError, and nothing a crash."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline.errors import ImageError
from pipeline.images import (
    FORMATS,
    MAX_SIDE,
    DecodedImage,
    decode_grey,
    decode_square,
    decode_whole,
    decoder_versions,
)
from tests.sample_images import encode, heic, scene

ODD = Path(__file__).parents[2] / "shared" / "data" / "odd"
HEIC = {name: heic(name) for name in ("scene", "turned", "alpha")}
GREY = [
    ("1", "PNG"),
    ("1", "BMP"),
    ("L", "PNG"),
    ("L", "JPEG"),
    ("L", "BMP"),
    ("I;16", "PNG"),
    ("I;16B", "TIFF"),
    ("I", "TIFF"),
]
COLOUR = [
    ("RGB", "PNG"),
    ("RGB", "BMP"),
    ("RGB", "TIFF"),
    ("RGBA", "PNG"),
    ("RGBX", "TIFF"),
    ("RGB", "JPEG"),
    ("CMYK", "JPEG"),
    ("CMYK", "TIFF"),
    ("RGB", "WEBP"),
    ("RGBA", "WEBP"),
    ("RGB", "AVIF"),
    ("RGBA", "AVIF"),
    ("P", "PNG"),
    ("P", "GIF"),
    ("P", "BMP"),
    ("PA", "TIFF"),
    ("YCbCr", "TIFF"),
]


def turned(orientation: int, image_format: str = "JPEG", **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(scene(), image_format, exif=exif, **options)


def as_mode(mode: str) -> Image.Image:
    if mode.startswith("I;"):
        values = np.asarray(scene().convert("L")).astype(">u2" if mode == "I;16B" else "<u2") * 257
        return Image.frombytes(mode, scene().size, values.tobytes())
    return scene().convert(mode)


def plain_palette() -> Image.Image:
    """Return an image of colour 1 of its palette everywhere."""
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return image


def difference(one: Any, other: Any) -> float:
    """Return the mean absolute difference in grey levels."""
    return float(np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean())


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header promises a size that its data do not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encode(scene(), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(("mode", "image_format"), COLOUR)
def test_every_kind_of_colour_becomes_the_same_rgb(mode: str, image_format: str) -> None:
    image = decode_whole(encode(as_mode(mode), image_format))
    assert image.pixels.shape == (44, 60, 3)
    assert image.pixels.dtype == np.uint8
    assert image.format == image_format
    assert difference(image.pixels, as_mode(mode).convert("RGB")) < 4
    assert mode in ("P", "PA") or difference(image.pixels, scene()) < 4


@pytest.mark.parametrize(("mode", "image_format"), GREY)
def test_every_kind_of_grey_becomes_rgb_of_equal_channels(mode: str, image_format: str) -> None:
    image = decode_whole(encode(as_mode(mode), image_format))
    assert image.pixels.shape == (44, 60, 3)
    assert (image.pixels == image.pixels[..., :1]).all()
    expected = as_mode("1").convert("L") if mode == "1" else scene().convert("L")
    assert difference(image.pixels[..., 0], expected) < 2
    assert image.mode == mode
    assert image.notes == (() if mode == "L" else (f"converted from {mode}",))


def test_a_float_image_from_0_to_1_is_not_black() -> None:
    values = np.linspace(0, 1, 44 * 60, dtype=np.float32).reshape(44, 60)
    pixels = decode_whole(encode(Image.fromarray(values), "TIFF")).pixels
    assert difference(pixels[..., 0], values * 255) < 1
    values[0, 0], values[0, 1] = np.nan, np.inf
    assert decode_whole(encode(Image.fromarray(values), "TIFF")).pixels.shape == (44, 60, 3)


@pytest.mark.parametrize(
    "data",
    [
        encode(Image.new("RGBA", (20, 20), (200, 0, 0, 0)), "PNG"),
        encode(Image.new("LA", (20, 20), (0, 0)), "PNG"),
        encode(plain_palette(), "PNG", transparency=1),
        encode(plain_palette(), "PNG", transparency=bytes([255, 0])),
        encode(plain_palette(), "GIF", transparency=1),
        encode(Image.new("RGB", (20, 20), (7, 8, 9)), "PNG", transparency=(7, 8, 9)),
        encode(Image.new("RGBA", (20, 20), (200, 0, 0, 0)), "WEBP", lossless=True, exact=True),
    ],
)
def test_what_is_transparent_becomes_white(data: bytes) -> None:
    assert (decode_whole(data).pixels == 255).all()
    assert (decode_square(data, 16) == 255).all()


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_used_and_noted(image_format: str) -> None:
    frames = [scene(seed=seed) for seed in (1, 2, 3)]
    data = encode(frames[0], image_format, save_all=True, append_images=frames[1:])
    image = decode_whole(data)
    assert "animated: first frame used" in image.notes
    assert difference(image.pixels, frames[0]) < 12
    assert difference(image.pixels, frames[1]) > 30


def test_a_cameras_second_image_is_no_animation() -> None:
    data = encode(scene(seed=1), "MPO", save_all=True, append_images=[scene(seed=2)])
    image = decode_whole(data)
    assert (image.format, image.notes) == ("JPEG", ())
    assert difference(image.pixels, scene(seed=1)) < 4


def test_a_phones_heic_is_decoded() -> None:
    image = decode_whole(HEIC["scene"])
    assert (image.format, image.mode, image.notes) == ("HEIF", "RGB", ())
    assert difference(image.pixels, scene()) < 4


def test_a_heic_is_turned_once() -> None:
    """Its own transformation and its EXIF both say so."""
    image = decode_whole(HEIC["turned"])
    assert (image.width, image.height) == (44, 60)
    assert difference(image.pixels, np.rot90(np.asarray(scene()), -1)) < 4
    upright = decode_square(encode(Image.fromarray(image.pixels), "PNG"), 32)
    assert (decode_square(HEIC["turned"], 32) == upright).all()


def test_the_transparent_part_of_a_heic_is_white() -> None:
    pixels = decode_whole(HEIC["alpha"]).pixels
    assert (pixels[:, 0] >= 250).all()
    assert difference(pixels[:, -1], np.asarray(scene())[:, -1]) < 8


@pytest.mark.parametrize("name", HEIC)
def test_a_heic_cut_at_any_tenth_is_refused(name: str) -> None:
    for tenth in range(10):
        with pytest.raises(ImageError, match=r"^(0 bytes|not an image|damaged: .+)$"):
            decode_whole(HEIC[name][: len(HEIC[name]) * tenth // 10])


def claiming(data: bytes, width: int, height: int) -> bytes:
    """Return a HEIC or AVIF whose header promises a size that its pixels do not have."""
    start = data.index(b"ispe") + 8
    return data[:start] + struct.pack(">II", width, height) + data[start + 8 :]


@pytest.mark.parametrize("data", [HEIC["scene"], encode(scene(), "AVIF")])
def test_a_bomb_of_a_modern_format_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^(too large|damaged|not an image)"):
        decode_whole(claiming(data, 30_000, 30_000))


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_images_are_turned_exactly_as_pillow_turns_them(
    orientation: int, image_format: str
) -> None:
    data = turned(orientation, image_format)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    decoded = decode_whole(data)
    assert difference(decoded.pixels, expected) <= (1 if image_format == "JPEG" else 0)
    assert ("turned as EXIF says" in decoded.notes) == (2 <= orientation <= 8)
    upright = decode_square(encode(Image.fromarray(expected), "PNG"), 32)
    assert difference(decode_square(data, 32), upright) < 3
    assert difference(decode_square(data, 32), upright[::-1, ::-1]) > 20


def late_exif() -> bytes:
    """Return an image whose EXIF stands behind segments that seem to hold the begin of a scan."""
    data = turned(6)
    return (
        data[:2] + (b"\xff\xed" + struct.pack(">H", 60_002) + b"\xff\xda" * 30_000) * 2 + data[2:]
    )


@pytest.mark.parametrize(
    "data",
    [
        turned(6),
        turned(6, progressive=True),
        late_exif(),
        encode(
            scene(), "JPEG", xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
        ),
        turned(6).replace(b"\xff\xd9", b"\0\0\0\0\xff\xd9"),
    ],
)
def test_both_decoders_agree_on_what_is_up(data: bytes) -> None:
    whole = decode_whole(data).pixels
    assert whole.shape == (60, 44, 3)
    assert (
        difference(
            decode_square(data, 32), decode_square(encode(Image.fromarray(whole), "PNG"), 32)
        )
        < 3
    )


def test_a_turned_cmyk_image_is_upright_by_both_decoders() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    data = encode(scene().convert("CMYK"), "JPEG", exif=exif)
    assert decode_whole(data).pixels.shape == (60, 44, 3)
    assert "turned as EXIF says" in decode_whole(data).notes
    assert difference(decode_square(data, 32), decode_square(turned(8), 32)) < 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "^0 bytes$"),
        (b"\0", "^not an image$"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "^not an image$"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), "^not an image$"),
        (b"%PDF-1.7\n", "^not an image$"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "^not an image$"),
        (b"P6 20 20 255\n" + bytes(1200), "^not an image$"),
        (b"\xff\xd8\xff", "^(damaged|not an image)"),
        (b"GIF89a", "^(damaged|not an image)"),
        (
            encode(Image.new("RGB", (7, 400)), "PNG"),
            "^too small: 7 x 400 pixels, at least 8 x 8 are needed$",
        ),
        (encode(Image.new("RGB", (1, 1)), "JPEG"), "^too small: 1 x 1 pixels"),
        (
            png_claiming(30_000, 30_000),
            "^too large: 30000 x 30000 pixels, at most 100,000,000 in all",
        ),
        (png_claiming(10_001, 10_000), "^too large: 10001 x 10000 pixels"),
        (png_claiming(2**31 - 1, 2**31 - 1), "^(too large|damaged|not an image)"),
        (jpeg_claiming(30_000, 30_000), "^too large: 30000 x 30000 pixels"),
        (
            encode(Image.new("L", (MAX_SIDE + 1, 8)), "PNG"),
            "^too large: 32767 x 8 pixels, .* 32,766 a side",
        ),
        (png_claiming(900, 900), "^damaged: "),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_whole(data)


@pytest.mark.parametrize("side", [(8, 8), (8, MAX_SIDE), (MAX_SIDE, 8)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_the_smallest_and_the_longest_images_are_used(
    side: tuple[int, int], image_format: str
) -> None:
    data = encode(Image.new("RGB", side, (9, 99, 199)), image_format)
    assert decode_whole(data).pixels.shape == (side[1], side[0], 3)
    assert difference(decode_square(data, 32), np.full((32, 32, 3), (9, 99, 199))) < 3


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_an_image_cut_at_any_tenth_is_refused_whatever_is_left(image_format: str) -> None:
    data = encode(scene(200, 150), image_format)
    for tenth in range(10):
        with pytest.raises(ImageError, match=r"^(0 bytes|not an image|damaged: .+)$"):
            decode_whole(data[: len(data) * tenth // 10])


def test_a_progressive_jpeg_that_lost_its_last_scans_is_refused() -> None:
    data = encode(scene(200, 150), "JPEG", progressive=True)
    with pytest.raises(ImageError, match=r"^damaged: "):
        decode_whole(data[: len(data) * 3 // 4])


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    data = encode(scene(), "JPEG")
    assert (decode_whole(data + b"\0" * 999).pixels == decode_whole(data).pixels).all()


def mutated(rng: np.random.Generator, data: bytes) -> bytes:
    """Return a file with a few bytes changed, cut, doubled or overwritten by a run of one value."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(broken))) if rng.random() < 0.6 else int(rng.integers(64))
        place = min(place, len(broken) - 1)
        kind = int(rng.integers(5))
        if kind <= 1:
            broken[place] = int(rng.integers(256))
        elif kind == 2:
            broken[place : place + 4] = b"\xff" * 4
        elif kind == 3:
            del broken[place : place + int(rng.integers(1, 40))]
        else:
            broken[place:place] = broken[place : place + int(rng.integers(1, 40))]
        if not broken:
            return b""
    return bytes(broken)


SEEDS = [
    (name, encode(scene().convert(mode), name, **options))
    for name, mode, options in [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "LA", {}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("BMP", "1", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("AVIF", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    ]
] + [("JPEG", turned(6)), *(("HEIF", data) for data in HEIC.values())]


def squashed(pixels: Any) -> Any:
    """Return what `decode_grey` should give for a whole image, by OpenCV's area averages."""
    return cv2.resize(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA
    )


def mottled(width: int, height: int) -> Image.Image:
    """Return a scene with spots so small that a sample here and there would not do for an average."""
    spots = np.random.default_rng(0).integers(
        -60, 60, (height // 8 + 1, width // 8 + 1, 1), np.int16
    )
    spots = cv2.resize(spots, (width, height), interpolation=cv2.INTER_NEAREST)[..., None]
    return Image.fromarray(np.clip(scene(width, height) + spots, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "size", [(505, 371), (265, 270), (130, 61), (33, 600), (999, 249), (2001, 777)]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_grey_shows_the_whole_image_in_little(
    size: tuple[int, int], orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(mottled(*size), "JPEG", exif=exif, quality=95)
    whole, little = decode_whole(data), decode_grey(data, 32)
    assert (little.width, little.height) == (whole.width, whole.height) == whole.pixels.shape[1::-1]
    assert (little.format, little.mode, little.notes) == (whole.format, whole.mode, whole.notes)
    assert little.pixels.shape == (32, 32)
    assert difference(little.pixels, squashed(whole.pixels)) < 5.5


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("RGB", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "JPEG"), ("RGBA", "WEBP")],
)
def test_decode_grey_reads_any_format(mode: str, image_format: str) -> None:
    data = encode(as_mode(mode), image_format)
    assert difference(decode_grey(data, 32).pixels, squashed(decode_whole(data).pixels)) < 1


def test_decode_grey_finds_the_same_damage() -> None:
    rng = np.random.default_rng(0)
    seeds = [
        encode(scene(400, 300), "JPEG", progressive=progressive) for progressive in (False, True)
    ]

    def look(decode: Callable[[bytes], DecodedImage], data: bytes) -> tuple[object, ...]:
        try:
            image = decode(data)
        except ImageError as error:
            return (str(error),)
        return (image.width, image.height, image.mode, image.notes)

    damaged = [mutated(rng, seeds[n % 2]) for n in range(400)]
    whole = [look(decode_whole, data) for data in damaged]
    assert [look(lambda data: decode_grey(data, 32), data) for data in damaged] == whole
    assert 100 < sum(len(seen) == 1 for seen in whole) < 390


def test_no_mutated_file_crashes_or_hangs_the_decoders() -> None:
    count = 2000
    rng = np.random.default_rng(count)
    used = refused = lines = 0
    for turn in range(count):
        data = mutated(rng, SEEDS[turn % len(SEEDS)][1])
        try:
            image = decode_whole(data)
        except ImageError as error:
            refused += 1
            lines += str(error).count("\n")
            try:
                square = decode_square(data, 32)
            except ImageError:
                continue
        else:
            used += 1
            height, width, channels = image.pixels.shape
            assert channels == 3
            assert 8 <= min(height, width) <= max(height, width) <= MAX_SIDE
            assert image.format in FORMATS
            square = decode_square(data, 32)
        assert square.shape == (32, 32, 3)
        assert square.dtype == np.uint8
    assert used > count / 10
    assert refused > count / 10
    assert lines == 0, "a reason is one line"


def test_damaged_images_in_many_threads_leave_the_warnings_as_they_were() -> None:
    odd = encode(plain_palette(), "PNG", transparency=bytes([9, 0]))
    data = [odd, encode(scene(), "TIFF")[:-9], png_claiming(900, 900), encode(scene(), "JPEG")] * 50

    def outcome(one: bytes) -> str:
        try:
            return decode_whole(one).format
        except ImageError as error:
            return str(error)

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(outcome, data))
    assert warnings.filters == before
    assert found == found[:4] * 50
    assert found[0] == "PNG"


def circle(width: int, height: int) -> Image.Image:
    """Return a white circle in the middle of a black image, as wide as half the shorter side."""
    y, x = np.mgrid[:height, :width]
    radius = min(width, height) / 4
    inside = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) < radius
    return Image.fromarray(np.repeat(inside[..., None], 3, axis=2).astype(np.uint8) * 255)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("width", "height"), [(640, 200), (200, 640), (301, 299), (70, 50), (1500, 900)]
)
def test_the_square_keeps_circles_round_and_in_the_middle(
    width: int, height: int, image_format: str
) -> None:
    square = decode_square(encode(circle(width, height), image_format), 96)
    y, x = np.nonzero(square[..., 0] > 127)
    expected = 96 / 2 * 8 / 7  # half the shorter side, of which the square shows 7/8
    for values in (x, y):
        assert abs((values.max() - values.min() + 1) - expected) <= max(
            2.5, 150 / min(width, height)
        )
        assert abs(values.mean() - 47.5) <= 1


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
@settings(max_examples=25)
@given(width=st.integers(8, 300), height=st.integers(8, 300), size=st.integers(1, 130))
def test_the_square_has_the_wanted_shape_whatever_the_image(
    image_format: str, width: int, height: int, size: int
) -> None:
    square = decode_square(encode(scene(width, height), image_format), size)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    assert square.flags.c_contiguous


@pytest.mark.parametrize(
    ("width", "height"), [(500, 375), (1600, 1200), (2400, 700), (260, 240), (225, 225)]
)
@pytest.mark.parametrize("quality", [75, 95])
def test_leaving_out_detail_in_the_dct_changes_the_square_little(
    width: int, height: int, quality: int
) -> None:
    data = encode(scene(width, height), "JPEG", quality=quality)
    full = simplejpeg.decode_jpeg(data, "RGB")
    side = round(min(width, height) * 7 / 8)
    top, left = (height - side) // 2, (width - side) // 2
    expected = cv2.resize(
        full[top : top + side, left : left + side], (96, 96), interpolation=cv2.INTER_AREA
    )
    assert difference(decode_square(data, 96), expected) < 2.5


def test_a_jpeg_and_the_same_pixels_as_png_give_nearly_the_same_square() -> None:
    data = encode(scene(220, 180), "JPEG", quality=95)
    lossless = encode(Image.fromarray(decode_whole(data).pixels), "PNG")
    assert difference(decode_square(data, 160), decode_square(lossless, 160)) < 1


def test_the_decoders_give_the_same_bits_each_time() -> None:
    for _, data in SEEDS:
        assert (decode_square(data, 40) == decode_square(data, 40)).all()
        assert (decode_whole(data).pixels == decode_whole(data).pixels).all()


def test_the_versions_of_all_that_decodes_are_known() -> None:
    assert set(decoder_versions()) == {
        "algorithm",
        "simplejpeg",
        "pillow",
        "pi-heif",
        "opencv-python-headless",
    }
    assert all(decoder_versions().values())


@pytest.mark.skipif(not ODD.is_dir(), reason="the shared odd images are not here")
@pytest.mark.parametrize(
    ("name", "image_format", "mode", "notes"),
    [
        ("Cat1035_is_webp.png", "WEBP", "RGB", ()),
        ("weather_cloudy131_is_png.jpg", "PNG", None, None),
        ("weather_rain136_is_png.jpg", "PNG", None, None),
        ("weather_rain141_is_gif.jpg", "GIF", None, None),
        ("weather_shine127_is_png_rgba.jpg", "PNG", "RGBA", ("converted from RGBA",)),
        ("weather_shine131_is_gif.jpg", "GIF", None, None),
        ("imageNotFound.gif", "GIF", None, None),
    ],
)
def test_odd_images_from_the_wild_are_decoded_and_noted(
    name: str, image_format: str, mode: str | None, notes: tuple[str, ...] | None
) -> None:
    image = decode_whole((ODD / name).read_bytes())
    assert image.format == image_format
    assert mode is None or image.mode == mode
    assert notes is None or image.notes == notes
    assert decode_square((ODD / name).read_bytes(), 64).std() > 1


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 50, png_claiming(30_000, 30_000), encode(scene(), "PNG")[:200]]
)
def test_the_square_decoder_refuses_what_is_no_image(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^(0 bytes|not an image|too large|damaged)"):
        decode_square(data, 32)
