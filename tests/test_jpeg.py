"""What a JPEG's bytes tell: each kind of damage is named, and nothing harmless is taken for damage."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images import decode_grey, decode_square, decode_whole
from pipeline.jpeg import find_damage, find_excess, read_size, start_of_scan
from tests.sample_images import encode, scene

Change = Callable[[bytes], bytes]


def photo(seed: int, **options: object) -> bytes:
    """Return a JPEG as full of detail as a photo."""
    noise = np.random.default_rng(seed).normal(0, 12, (300, 400, 3))
    pixels = np.clip(np.asarray(scene(400, 300, seed), np.float64) + noise, 0, 255)
    return encode(Image.fromarray(pixels.astype(np.uint8)), "JPEG", **{"quality": 85, **options})


PHOTOS = {
    "baseline": [photo(seed) for seed in range(5)],
    "optimized": [photo(seed, optimize=True) for seed in range(5)],
    "progressive": [photo(seed, progressive=True) for seed in range(5)],
    "fine progressive": [  # the last bit of which shows in no pixel
        encode(scene(400, 300, seed), "JPEG", progressive=True, qtables=[[1] * 64] * 2)
        for seed in range(5)
    ],
    "restarting": [photo(seed, restart_marker_rows=1) for seed in range(5)],
    "full colour": [photo(seed, subsampling=0) for seed in range(5)],
    "cmyk": [
        encode(Image.open(io.BytesIO(photo(seed))).convert("CMYK"), "JPEG") for seed in range(5)
    ],
}


def overwritten(data: bytes, start: int, filling: bytes) -> bytes:
    return data[:start] + filling + data[start + len(filling) :]


def zeroed_from_a_tenth(data: bytes) -> bytes:
    return overwritten(data, len(data) // 10, bytes(len(data) - len(data) // 10))


def cut_and_ended(data: bytes) -> bytes:
    return data[: len(data) // 5] + b"\xff\xd9"


def with_a_zero_block(data: bytes) -> bytes:
    return overwritten(data, len(data) // 2 // 4096 * 4096, bytes(4096))


def claiming(width: int, height: int) -> Change:
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")

    def change(data: bytes) -> bytes:
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        return overwritten(data, frame + 5, size)

    return change


def with_a_noisy_block(data: bytes) -> bytes:
    return overwritten(data, len(data) // 2, np.random.default_rng(len(data)).bytes(4096))


DAMAGES = [
    zeroed_from_a_tenth,
    cut_and_ended,
    with_a_zero_block,
    claiming(9000, 9000),
    claiming(400, 600),
    with_a_noisy_block,
]


@pytest.mark.parametrize("kind", PHOTOS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_damage_is_refused(damage: Change, kind: str) -> None:
    for data in PHOTOS[kind]:
        assert decode_whole(data).width == 400
        for decode in (decode_whole, lambda data: decode_grey(data, 32)):
            with pytest.raises(ImageError, match=r"^damaged: ."):
                decode(damage(data))


def before_the_end(filling: bytes) -> Change:
    return lambda data: data[:-2] + filling + data[-2:]


def behind_a_segment(filling: bytes) -> Change:
    def change(data: bytes) -> bytes:
        end = 4 + int.from_bytes(data[4:6], "big")
        return data[:end] + filling + data[end:]

    return change


NOISE = np.random.default_rng(0).bytes(2226).replace(b"\xff", b"\xfe")
HARMLESS: dict[str, Change] = {
    "zeros before the end": before_the_end(bytes(300)),
    "many zeros before the end": before_the_end(bytes(9000)),
    "other bytes before the end": before_the_end(NOISE),
    "one byte before the end": before_the_end(b"\x7f"),
    "bytes behind the end": lambda data: data + NOISE,
    "bytes between segments": behind_a_segment(b"ab"),
    "an unknown version": lambda data: data.replace(b"JFIF\0\x01", b"JFIF\0\0"),
    "a marker filled up": behind_a_segment(b"\xff\xff"),
}


@pytest.mark.parametrize("kind", PHOTOS)
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_odd_but_loses_nothing_is_used(name: str, kind: str) -> None:
    for data in PHOTOS[kind]:
        odd = HARMLESS[name](data)
        whole = decode_whole(data).pixels.astype(int)
        assert np.abs(decode_whole(odd).pixels - whole).mean() < 1
        assert np.abs(decode_square(odd, 32) - decode_square(data, 32).astype(int)).mean() < 8
        assert find_damage(odd) == ""


@pytest.mark.parametrize("name", HARMLESS)
def test_damage_is_not_hidden_by_an_oddity(name: str) -> None:
    for data in PHOTOS["baseline"]:
        with pytest.raises(ImageError, match=r"^damaged: "):
            decode_whole(HARMLESS[name](with_a_zero_block(data)))


def test_an_encoder_that_fills_up_with_zeros_is_told_from_one_that_went_astray() -> None:
    """A last byte that does not end in ones, before other bytes, was not written as the last."""
    refused = 0
    for data in PHOTOS["baseline"]:
        for bit in range(7):
            last = data[-3] & ~(1 << bit)
            refused += bool(find_damage(data[:-3] + bytes([last]) + NOISE + data[-2:]))
    assert refused >= len(PHOTOS["baseline"])


def with_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    data = photo(0, progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * (count - data.count(b"\xff\xda")) + data[-2:]


def test_too_many_scans_are_refused_before_they_are_decoded() -> None:
    for decode in (decode_whole, lambda data: decode_square(data, 32)):
        with pytest.raises(
            ImageError, match=r"^too many scans: 5000, at most 100 are read of 400 x"
        ):
            decode(with_scans(5000))
    assert find_excess(with_scans(100), 400, 300) == ""


def test_a_large_image_may_have_fewer_scans() -> None:
    data = with_scans(50) + bytes(1_000_000)
    assert find_excess(data, 4000, 5000) == ""
    assert find_excess(data, 5000, 5000).startswith("too many scans: 50, at most 40 are read")


@pytest.mark.parametrize("progressive", [False, True])
def test_the_video_behind_a_phones_image_holds_no_scans(progressive: bool) -> None:
    data = photo(0, progressive=progressive)
    assert decode_whole(data + b"\xff\xda" * 999).pixels.shape == (300, 400, 3)


def test_scans_of_one_colour_each_are_counted_in_a_sequential_image_too() -> None:
    data = encode(scene(), "JPEG")
    start = start_of_scan(data)
    one_colour = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    many = data[:start] + (one_colour + data[start + 14 : -2]) * 101 + data[-2:]
    assert find_excess(many, 60, 44).startswith("too many scans: 101, at most 100 are read")


def test_a_size_that_the_bytes_cannot_hold_is_refused() -> None:
    flat = encode(Image.new("L", (4000, 4000)), "JPEG", optimize=True)
    assert decode_whole(flat).width == 4000
    assert find_excess(flat, 4000, 4000) == ""
    assert find_excess(bytes(1249), 800, 800) == "damaged: 1,249 bytes cannot hold 800 x 800 pixels"
    assert find_excess(bytes(1250), 800, 800) == ""


def test_size_and_scan_are_found_behind_other_segments() -> None:
    data = photo(0)
    thumbnail = encode(scene(), "JPEG")
    hidden = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    assert read_size(hidden) == read_size(data) == (400, 300)
    assert start_of_scan(hidden) - start_of_scan(data) == len(thumbnail) + 4


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"x"])
def test_what_ends_early_has_no_size(data: bytes) -> None:
    assert read_size(data) is None
    assert start_of_scan(data) == len(data)
    assert find_damage(data) == ""
