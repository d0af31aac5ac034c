"""Rows: scaled alike everywhere, and weights kept to twelve bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.heads import rows as module
from pipeline.heads.rows import Scaler, block_slices, round_weights, scaler_shapes
from tests.heads.examples import blobs, rows_of

numbers = st.floats(-1e30, 1e30, allow_subnormal=False)
SCALINGS = ("none", "standard", "l2")


@given(arrays(np.float64, 5, elements=numbers))
def test_twelve_bits_are_kept_the_nearest_and_once_only(values: np.ndarray) -> None:
    kept = round_weights(values)
    assert (np.abs(kept - values) <= np.abs(values) / 2**12).all()
    assert (round_weights(kept) == kept).all()
    mantissa = np.frexp(kept)[0] * 2**12
    assert (mantissa == np.rint(mantissa)).all()
    assert (np.sign(kept) == np.sign(values)).all()


def test_no_float16_and_no_small_change_is_lost_or_seen() -> None:
    halves = np.arange(1, 31744, dtype=np.uint16).view(np.float16).astype(np.float64)
    assert (round_weights(halves) == halves).all()
    values = np.random.default_rng(0).normal(size=10_000)
    assert (round_weights(values) == round_weights(values * (1 + 1e-14))).all()
    assert (round_weights(values) != round_weights(values * (1 + 1e-3))).any()


def test_kept_weights_are_the_same_in_float32() -> None:
    kept = round_weights(np.random.default_rng(0).normal(size=1000))
    assert (kept.astype(np.float32) == kept).all()


@pytest.mark.parametrize("block_values", [1, 7, 1 << 21])
def test_standard_scaling_gives_mean_0_and_deviation_1(
    block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_VALUES", block_values)
    features = (
        np.random.default_rng(0).normal([5, -3, 0], [0.1, 2, 100], (200, 3)).astype(np.float32)
    )
    scaled = Scaler.fit("standard", features).apply(features)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=2**-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, 1e4, 65504.0])
def test_a_feature_that_never_varies_is_left_in_its_scale(value: float) -> None:
    features = np.full((999, 2), value, np.float16)
    features[:, 1] = np.arange(999)
    scaler = Scaler.fit("standard", features)
    assert scaler.factor[0] == 1
    assert np.abs(scaler.apply(features)[:, 0]).max() <= max(value, 1e-9) * 2**-12


def test_l2_scaling_gives_rows_of_length_1_and_leaves_a_row_of_zeros() -> None:
    features = np.array([[3, 4], [0, 0], [1e-4, 0]], np.float32)
    found = Scaler.fit("l2", features).apply(features)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [1, 0]], atol=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_scaler_comes_back_from_its_tensors(scaling: str) -> None:
    rows = blobs([9, 9])
    scaler = Scaler.fit(scaling, rows.features)
    tensors = scaler.tensors()
    assert {name: values.shape for name, values in tensors.items()} == scaler_shapes(scaling, 6)
    back = Scaler.from_tensors(scaling, 6, {n: v.astype(np.float32) for n, v in tensors.items()})
    assert (back.apply(rows.features) == scaler.apply(rows.features)).all()


def test_scaling_changes_no_features_in_place() -> None:
    features = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float64)
    before = features.copy()
    for scaling in SCALINGS:
        Scaler.fit(scaling, features).apply(features)
    assert (features == before).all()


def test_every_half_is_widened_to_its_value() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[:, None]
    scaler = Scaler(scaling="none", mean=np.zeros(1), factor=np.ones(1))
    np.testing.assert_array_equal(scaler.apply(halves), halves.astype(np.float64))
    np.testing.assert_array_equal(scaler.apply(halves[::2]), halves[::2].astype(np.float64))


def test_blocks_hold_every_row_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_VALUES", 20)
    rows = blobs([9, 8], width=6)
    scaler = Scaler.fit("standard", rows.features)
    parts = list(rows.blocks(scaler))
    assert {len(x) for _, x in parts} == {3, 2}
    assert [number for where, _ in parts for number in range(17)[where]] == list(range(17))
    assert (np.concatenate([x for _, x in parts]) == scaler.apply(rows.features)).all()


def test_rows_wider_than_a_block_come_one_by_one() -> None:
    assert list(block_slices(2, module.BLOCK_VALUES + 1)) == [slice(0, 1), slice(1, 2)]
    assert list(block_slices(0, 5)) == []


def test_taking_originals_and_joining_keep_rows_together() -> None:
    rows = blobs([4, 4], copies=2)
    originals = rows.originals()
    assert len(originals) == 8
    assert originals.original.all()
    assert (originals.features == rows.features[::3]).all()
    joined = originals.join(rows)
    assert (joined.labels == np.concatenate([rows.labels[::3], rows.labels])).all()
    assert (joined.groups == np.concatenate([rows.groups[::3], rows.groups])).all()
    assert (joined.features[8:] == rows.features).all()
    assert (len(joined), joined.width, joined.classes) == (32, 6, 2)
    assert (joined.original.sum()) == 16


def test_rows_without_copies_are_their_own_originals() -> None:
    rows = rows_of(np.ones((2, 3), np.float16), np.array([0, 1]))
    assert rows.originals() is rows
