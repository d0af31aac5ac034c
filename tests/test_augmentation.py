"""Augmentation: copies are changed within limits, reproducibly, and never framed in black."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.augmentation import Recipe, augment
from tests.sample_images import scene

STILL = Recipe(rotate=0, shift=0, zoom=0, flip=False)
FULL = Recipe(rotate=180, shift=0.5, zoom=0.5, flip=True)
PIXELS = np.asarray(scene(61, 45))
KEYS = [f"{number:064x}" for number in range(40)]


def copies(
    recipe: Recipe, pixels: NDArray[np.uint8] = PIXELS, seed: int = 7
) -> list[NDArray[np.uint8]]:
    return [augment(pixels, recipe, seed=seed, sha256=key, copy=1) for key in KEYS]


def test_with_all_limits_at_zero_nothing_changes() -> None:
    assert all((copy == PIXELS).all() for copy in copies(STILL))


@pytest.mark.parametrize("change", [{"rotate": 20.0}, {"shift": 0.2}, {"zoom": 0.2}])
def test_each_setting_alone_changes_images(change: dict[str, Any]) -> None:
    changed = [
        np.abs(copy.astype(int) - PIXELS).mean() > 1 for copy in copies(replace(STILL, **change))
    ]
    assert sum(changed) > 30


def test_flipping_mirrors_left_to_right_about_half_of_the_copies_and_does_nothing_else() -> None:
    found = copies(replace(STILL, flip=True))
    mirrored = [(copy == PIXELS[:, ::-1]).all() for copy in found]
    assert all(
        (copy == PIXELS).all() for copy, mirror in zip(found, mirrored, strict=True) if not mirror
    )
    assert 10 <= sum(mirrored) <= 30


@pytest.mark.parametrize("colour", [255, 1, 128])
@pytest.mark.parametrize("shape", [(45, 61), (8, 8), (8, 300)])
def test_what_moves_in_from_outside_is_the_images_own_reflection(
    colour: int, shape: tuple[int, int]
) -> None:
    plain = np.full((*shape, 3), colour, np.uint8)
    assert all((copy == colour).all() for copy in copies(FULL, plain))


def test_a_shift_is_at_most_its_share_of_the_side_and_reaches_both_ways() -> None:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[28:32, 48:52] = 255
    moves = []
    for copy in copies(replace(STILL, shift=0.1), pixels):
        y, x = np.nonzero(copy[..., 0] > 127)
        moves.append((x.mean() - 49.5, y.mean() - 29.5))
    x_moves, y_moves = np.array(moves).T
    assert np.abs(x_moves).max() <= 10.5
    assert np.abs(y_moves).max() <= 6.5
    assert x_moves.min() < -5
    assert x_moves.max() > 5
    assert y_moves.min() < -3
    assert y_moves.max() > 3


def test_a_rotation_is_at_most_its_degrees_and_goes_both_ways() -> None:
    pixels = np.zeros((101, 101, 3), np.uint8)
    pixels[48:53, 10:91] = 255
    angles = []
    for copy in copies(replace(STILL, rotate=20), pixels):
        y, x = np.nonzero(copy[20:81, 20:81, 0] > 127)
        angles.append(np.degrees(np.arctan(np.polyfit(x, y, 1)[0])))
    assert max(np.abs(angles)) <= 21
    assert min(angles) < -10
    assert max(angles) > 10


def test_a_zoom_is_at_most_its_share_and_goes_in_and_out() -> None:
    pixels = np.zeros((101, 101, 3), np.uint8)
    pixels[40:61, 40:61] = 255
    sizes = [
        np.sqrt((copy[25:76, 25:76, 0] > 127).sum()) / 21
        for copy in copies(replace(STILL, zoom=0.2), pixels)
    ]
    assert 0.75 <= min(sizes) < 0.9
    assert 1.1 < max(sizes) <= 1.25


def test_copies_differ_by_number_image_and_seed() -> None:
    found = [
        augment(PIXELS, FULL, seed=seed, sha256=key, copy=copy).tobytes()
        for seed in (7, 8)
        for key in KEYS[:3]
        for copy in (1, 2, 3)
    ]
    assert len(set(found)) == len(found)


@settings(max_examples=40)
@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    seed=st.integers(0, 2**32 - 1),
    copy=st.integers(1, 20),
    rotate=st.floats(0, 180),
    shift=st.floats(0, 0.5),
    zoom=st.floats(0, 0.5),
    flip=st.booleans(),
)
def test_any_image_keeps_its_shape_and_the_same_draw_gives_the_same_bytes(
    height: int,
    width: int,
    seed: int,
    copy: int,
    rotate: float,
    shift: float,
    zoom: float,
    flip: bool,
) -> None:
    pixels = np.asarray(scene(width, height))
    before = pixels.copy()
    recipe = Recipe(rotate=rotate, shift=shift, zoom=zoom, flip=flip)
    one = augment(pixels, recipe, seed=seed, sha256=KEYS[0], copy=copy)
    assert one.shape == (height, width, 3)
    assert one.dtype == np.uint8
    assert (pixels == before).all()
    assert (augment(pixels, recipe, seed=seed, sha256=KEYS[0], copy=copy) == one).all()


def test_neither_the_global_random_state_nor_the_order_of_images_matters() -> None:
    first = [copy.tobytes() for copy in copies(FULL)]
    np.random.seed(1)  # noqa: NPY002 (it must not matter)
    again = [augment(PIXELS, FULL, seed=7, sha256=key, copy=1).tobytes() for key in reversed(KEYS)]
    assert again[::-1] == first
