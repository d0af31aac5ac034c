"""Duplicates: what the hash sees through, what it tells apart, and what a group may hold."""

import hashlib
import random
import zipfile
from itertools import combinations
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pipeline.images import decode_grey
from pipeline.splitting import duplicates
from pipeline.splitting.duplicates import (
    HASHED_SIDE,
    MAX_DISTANCE,
    MIN_BITS_SET,
    _Neighbours,
    group_near_duplicates,
    perceptual_hashes,
)

Pixels = NDArray[np.uint8]
CATS_VS_DOGS = Path(__file__).parents[3] / "shared" / "data" / "cats_vs_dogs_2000.zip"
needs_photos = pytest.mark.skipif(
    not CATS_VS_DOGS.is_file(), reason="the shared photos are not here"
)


def paint_scene(seed: int, height: int = 375, width: int = 500) -> Pixels:
    """Blobs of any size and colour on a graded ground, with grain: as rich in detail as a photo."""
    rng = np.random.default_rng(seed)
    pixels = cv2.resize(rng.integers(0, 256, (2, 2, 3), np.uint8), (width, height))
    for _ in range(40):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(5, width // 4)), int(rng.integers(5, height // 4)))
        colour = tuple(int(level) for level in rng.integers(0, 256, 3))
        cv2.ellipse(pixels, centre, axes, float(rng.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def paint_grey(seed: int) -> Pixels:
    return cv2.cvtColor(paint_scene(seed, HASHED_SIDE, HASHED_SIDE), cv2.COLOR_RGB2GRAY)


def paint_plain(colour: tuple[int, int, int], height: int = 240, width: int = 300) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def paint_gradient(start: tuple[int, int, int], end: tuple[int, int, int]) -> Pixels:
    return np.linspace(start, end, 300)[None].repeat(240, axis=0).astype(np.uint8)


def encode_again(pixels: Pixels, quality: int) -> Pixels:
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(pixels, quality))


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def brighten(pixels: Pixels, gain: float, lift: float) -> Pixels:
    return np.clip(pixels * gain + lift, 0, 255).astype(np.uint8)


def hash_all(images: list[Pixels]) -> NDArray[np.uint64]:
    files = [simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), 95) for pixels in images]
    return perceptual_hashes(np.stack([decode_grey(file, HASHED_SIDE).pixels for file in files]))


def name_all(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def differ(one: int, other: int) -> int:
    return (int(one) ^ int(other)).bit_count()


# The hash


CHANGES = {
    "encoded again, quality 90": lambda x: encode_again(x, 90),
    "encoded again, quality 40": lambda x: encode_again(x, 40),
    "half the size": lambda x: shrink(x, 250, 187),
    "a thumbnail": lambda x: shrink(x, 128, 96),
    "squashed to a square": lambda x: shrink(x, 224, 224),
    "twice the size": lambda x: cv2.resize(x, (1000, 750), interpolation=cv2.INTER_CUBIC),
    "brighter": lambda x: brighten(x, 1.1, 5),
    "darker": lambda x: brighten(x, 0.8, 0),
    "black and white": lambda x: cv2.cvtColor(
        cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB
    ),
    "2 % cropped": lambda x: x[4:-4, 5:-5],
    "half the size, cropped, encoded": lambda x: encode_again(shrink(x[2:, 3:], 250, 187), 60),
    "grainy": lambda x: brighten(x + np.random.default_rng(0).normal(0, 8, x.shape), 1, 0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("seed", range(3))
def test_a_changed_image_is_grouped_with_its_original(seed: int, change) -> None:
    image = paint_scene(seed)
    hashes = hash_all([image, np.ascontiguousarray(change(image))])
    assert len(set(group_near_duplicates(name_all(2), hashes))) == 1


def test_nearly_all_images_are_found_with_two_percent_cut_off_a_corner() -> None:
    images = [paint_scene(seed, 188, 250) for seed in range(60)]
    found = [differ(*hash_all([image, image[4:, 5:]])) <= MAX_DISTANCE for image in images]
    assert np.mean(found) > 0.95


def test_different_images_are_all_told_apart() -> None:
    hashes = hash_all([paint_scene(seed, 188, 250) for seed in range(150)])
    assert group_near_duplicates(name_all(150), hashes) == name_all(150)


def test_a_hash_depends_neither_on_the_other_images_nor_on_how_the_pixels_lie() -> None:
    greys = np.stack([paint_grey(seed) for seed in range(50)])
    alone = [int(perceptual_hashes(grey[None])[0]) for grey in greys]
    assert perceptual_hashes(greys).tolist() == alone
    assert perceptual_hashes(np.asfortranarray(greys[::-1])).tolist() == alone[::-1]


def test_the_bits_are_those_of_imagehash() -> None:
    greys = np.stack([paint_grey(seed) for seed in range(50)])
    for grey, found in zip(greys, perceptual_hashes(greys), strict=True):
        expected = imagehash.phash(Image.fromarray(grey)).hash
        assert f"{found:016x}" == str(imagehash.ImageHash(expected))


def test_the_hash_of_an_image_stays_what_it_was() -> None:
    ramp = np.arange(HASHED_SIDE**2, dtype=np.uint64)
    image = (ramp * ramp * 2654435761 >> 20).astype(np.uint8).reshape(1, HASHED_SIDE, HASHED_SIDE)
    (found,) = perceptual_hashes(image)
    assert differ(found, 0x875CFA104B74E786) <= 1  # another processor may round another way


# Images that say nothing


PLAIN = {
    "flat": [paint_plain((level, level // 2, 255 - level)) for level in range(0, 256, 15)],
    "flat, encoded": [
        encode_again(paint_plain((level, level // 2, 99)), 70) for level in range(0, 256, 15)
    ],
    "graded": [paint_gradient((level, 10, 20), (255, level, 0)) for level in range(0, 256, 15)],
}


@pytest.mark.parametrize("images", PLAIN.values(), ids=PLAIN.keys())
def test_flat_and_graded_images_are_never_grouped(images: list[Pixels]) -> None:
    names = name_all(len(images))
    assert group_near_duplicates(names, hash_all(images)) == names


def test_too_few_bits_make_no_group_and_enough_do() -> None:
    few, enough = (1 << MIN_BITS_SET - 1) - 1, (1 << MIN_BITS_SET) - 1
    names = sorted(name_all(4))
    groups = group_near_duplicates(names, np.array([few, few, enough, enough], np.uint64))
    assert groups == [names[0], names[1], names[2], names[2]]


# Groups


@st.composite
def crowded_hashes(draw: st.DrawFn) -> list[int]:
    """Hashes around a few centres, so that neighbours, chains and repeats abound."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
    changes = st.lists(st.integers(0, 19) | st.integers(0, 63), max_size=14)
    near = st.tuples(st.sampled_from(centres), changes)
    return [flip(centre, places) for centre, places in draw(st.lists(near, max_size=30))]


def flip(number: int, places: list[int]) -> int:
    for place in places:
        number ^= 1 << place
    return number


def group_slowly(names: list[str], hashes: list[int], max_distance: int) -> list[str]:
    """Say by comparing all with all what `group_near_duplicates` says by tables."""
    groups = dict(zip(names, names, strict=True))
    for (one, a), (other, b) in combinations(zip(names, hashes, strict=True), 2):
        if min(a.bit_count(), b.bit_count()) >= MIN_BITS_SET and differ(a, b) <= max_distance:
            joined = {groups[one], groups[other]}
            groups |= {name: min(joined) for name, group in groups.items() if group in joined}
    return list(groups.values())


@given(hashes=crowded_hashes(), max_distance=st.sampled_from([0, 1, 4, 8, 9, 12, 20]))
def test_groups_are_those_of_comparing_all_with_all(hashes: list[int], max_distance: int) -> None:
    names = name_all(len(hashes))
    found = group_near_duplicates(names, np.array(hashes, np.uint64), max_distance=max_distance)
    assert found == group_slowly(names, hashes, max_distance)


@given(hashes=crowded_hashes(), order=st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(hashes: list[int], order: random.Random) -> None:
    names = name_all(len(hashes))
    shuffled = list(zip(names, hashes, strict=True))
    order.shuffle(shuffled)
    again = group_near_duplicates(
        [n for n, _ in shuffled], np.array([h for _, h in shuffled], np.uint64)
    )
    expected = group_near_duplicates(names, np.array(hashes, np.uint64))
    assert dict(zip((n for n, _ in shuffled), again, strict=True)) == dict(
        zip(names, expected, strict=True)
    )


@given(hashes=crowded_hashes(), kept=st.integers(0, 30))
def test_more_images_never_take_a_group_apart(hashes: list[int], kept: int) -> None:
    names = name_all(len(hashes))
    before = group_near_duplicates(names[:kept], np.array(hashes[:kept], np.uint64))
    after = dict(zip(names, group_near_duplicates(names, np.array(hashes, np.uint64)), strict=True))
    for name, group in zip(names, before, strict=False):
        assert after[name] == after[group] <= group


def test_a_chain_of_small_changes_is_one_group_and_a_broken_one_is_two() -> None:
    chain = [flip(0xAAAAAAAAAAAAAAAA, list(range(length))) for length in range(0, 65, 8)]
    names = name_all(len(chain))
    assert set(group_near_duplicates(names, np.array(chain, np.uint64))) == {min(names)}
    del chain[4], names[4]
    groups = group_near_duplicates(names, np.array(chain, np.uint64))
    assert groups == [min(names[:4])] * 4 + [min(names[4:])] * 4


@pytest.mark.parametrize("others", [0, 24_000])
def test_thousands_that_all_look_alike_are_one_group_without_comparing_all_with_all(
    monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    rng = np.random.default_rng(0)
    changed = rng.permuted(np.tile(np.arange(64) < 4, (20_000, 1)), axis=1)
    hashes = np.packbits(changed, axis=1).view(">u8").ravel().astype(np.uint64)
    pairs_of_others = np.repeat(rng.integers(0, 2**64, others // 2, np.uint64), 2)
    pairs_of_others[::2] ^= np.uint64(1)
    hashes = np.concatenate([hashes ^ np.uint64(0xAAAAAAAAAAAAAAAA), pairs_of_others])
    names, find, pairs = name_all(len(hashes)), _Neighbours.find, []

    def count(self: _Neighbours, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
        asking, found = find(self, rows)
        pairs.append(len(found))
        return asking, found

    monkeypatch.setattr(_Neighbours, "find", count)
    groups = group_near_duplicates(names, hashes)
    assert set(groups[:20_000]) == {min(names[:20_000])}
    assert sum(pairs) < 100 * len(hashes)


def test_equal_sha256_are_one_image_even_if_flat() -> None:
    names = ["a" * 64, "b" * 64, "a" * 64]
    assert group_near_duplicates(names, np.zeros(3, np.uint64)) == names


def test_fifty_thousand_equal_hashes_are_one_group() -> None:
    names = name_all(50_000)
    assert set(group_near_duplicates(names, np.full(50_000, 0x0F0F0F0F0F0F0F0F, np.uint64))) == {
        min(names)
    }


@pytest.mark.parametrize("crowd", [1, duplicates._CROWD])
def test_planted_neighbours_are_all_found_among_many(
    monkeypatch: pytest.MonkeyPatch, crowd: int
) -> None:
    monkeypatch.setattr(duplicates, "_CROWD", crowd)
    rng = np.random.default_rng(0)
    half_set = rng.permuted(np.tile(np.arange(64) < 32, (10_000, 1)), axis=1)
    changed = rng.permuted(np.tile(np.arange(64) < MAX_DISTANCE, (10_000, 1)), axis=1)
    bits = np.concatenate([half_set, half_set ^ changed])
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    groups = group_near_duplicates(name_all(20_000), hashes)
    assert groups[:10_000] == groups[10_000:]


def test_as_many_hashes_as_images_are_needed() -> None:
    with pytest.raises(ValueError, match="2 images have 3 hashes"):
        group_near_duplicates(["a", "b"], np.zeros(3, np.uint64))


def test_no_images_make_no_groups() -> None:
    assert group_near_duplicates([], np.zeros(0, np.uint64)) == []


# Real photos


def group_photos(names: list[str]) -> dict[str, str]:
    with zipfile.ZipFile(CATS_VS_DOGS) as archive:
        contents = [archive.read(name) for name in names]
    hashes = hash_all([simplejpeg.decode_jpeg(content) for content in contents])
    sha256 = [hashlib.sha256(content).hexdigest() for content in contents]
    called = dict(zip(sha256, names, strict=True))
    groups = group_near_duplicates(sha256, hashes)
    return {
        called[own]: called[group]
        for own, group in zip(sha256, groups, strict=True)
        if own != group
    }


@needs_photos
def test_the_known_pair_is_found_among_photos() -> None:
    names = [f"train/{kind}.{number}.jpg" for kind in ("cat", "dog") for number in range(60, 190)]
    pairs = group_photos(names)
    assert [{one, other} for one, other in pairs.items()] == [
        {"train/dog.74.jpg", "train/dog.180.jpg"}
    ]


@pytest.mark.slow
@needs_photos
def test_no_two_other_photos_of_two_thousand_are_grouped() -> None:
    with zipfile.ZipFile(CATS_VS_DOGS) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
    assert len(names) == 2000
    assert len(group_photos(names)) == 1
