"""Images held out: whole groups, the same ones whatever else is there, and never a whole class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heads.folds import TRAINED_ON, _draws, assign_folds, assign_holdout
from pipeline.heads.rows import Rows
from tests.heads.examples import blobs, rows_of


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    """Rows of up to five classes in groups of any sizes, which now and then mix classes."""
    n, classes = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    groups = rng.integers(0, draw(st.integers(1, 40)), n)
    labels = (groups % classes) if draw(st.booleans()) else rng.integers(0, classes, n)
    return rows_of(np.zeros((n, 1), np.float16), labels, classes, groups, rng.random(n) < 0.5)


shares, seeds = st.floats(0, 0.99), st.integers(0, 2**32 - 1)


@given(any_rows(), shares, seeds)
def test_groups_stay_whole_and_no_class_loses_all_its_rows(
    rows: Rows, share: float, seed: int
) -> None:
    held_out = assign_holdout(rows, share, seed)
    for group in np.unique(rows.groups):
        assert len(set(held_out[rows.groups == group])) == 1
    assert set(rows.labels[~held_out]) == set(rows.labels)


@given(any_rows(), st.integers(2, 7), seeds)
def test_a_fold_has_whole_groups_and_leaves_rows_of_every_class(
    rows: Rows, folds: int, seed: int
) -> None:
    fold = assign_folds(rows, folds, seed)
    assert set(fold) <= {TRAINED_ON, *range(folds)}
    for group in np.unique(rows.groups):
        assert len(set(fold[rows.groups == group])) == 1
    for number in range(folds):
        assert set(rows.labels[fold != number]) == set(rows.labels)


@given(any_rows(), shares, seeds, st.integers(100, 999), st.integers(0, 4))
def test_another_image_moves_no_group_but_of_a_class_that_was_drawn_whole(
    rows: Rows, share: float, seed: int, group: int, label: int
) -> None:
    other = rows_of(np.zeros((1, 1), np.float16), np.array([label % rows.classes]), groups=[group])
    moved = assign_holdout(rows.join(other), share, seed)[:-1] != assign_holdout(rows, share, seed)
    drawn = _draws(rows.groups, f"fold {seed}") < share
    whole = ~np.isin(rows.labels, rows.labels[~drawn])  # so were spared until another image came
    assert not moved[~np.isin(rows.groups, rows.groups[whole])].any()


def test_copies_follow_their_original() -> None:
    rows = blobs([20, 20], copies=2)
    held_out = assign_holdout(rows, 0.3, 7).reshape(-1, 3)
    assert (held_out == held_out[:, :1]).all()
    assert 0 < held_out[:, 0].sum() < 40


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_about_the_share_is_held_out_of_each_class(share: float) -> None:
    rows = blobs([2000, 1000])
    held_out = assign_holdout(rows, share, 7)
    for label in (0, 1):
        assert abs(held_out[rows.labels == label].mean() - share) < 0.05


def test_folds_are_of_about_one_size_and_hold_everything() -> None:
    counts = np.bincount(assign_folds(blobs([1000, 1000]), 5, 7))
    assert counts.sum() == 2000
    assert (abs(counts - 400) < 80).all()


def test_another_seed_draws_others_and_the_order_of_rows_changes_nothing() -> None:
    rows = blobs([50, 50])
    held_out = assign_holdout(rows, 0.3, 7)
    assert (held_out != assign_holdout(rows, 0.3, 8)).any()
    order = np.random.default_rng(0).permutation(100)
    assert (assign_holdout(rows.take(order), 0.3, 7) == held_out[order]).all()


def test_nothing_is_held_out_by_a_share_of_0_or_of_a_single_group() -> None:
    assert not assign_holdout(blobs([9, 9]), 0.0, 7).any()
    assert (assign_folds(blobs([1, 1]), 5, 7) == TRAINED_ON).all()
    assert not assign_holdout(blobs([1, 1]), 0.99, 7).any()
