"""Two heads compared: against tables computed by hand, against SciPy, and what holds for any two."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from pipeline.comparison import (
    Comparison,
    compare_predictions,
    mcnemar_p_value,
    mean_interval,
)
from pipeline.errors import PredictionsError
from pipeline.metrics import MeasuredRows, compute_metrics
from pipeline.predictions import Predictions


def table(
    images: Sequence[str],
    labels: Sequence[int],
    second_class: Sequence[float],
    classes: tuple[str, str] = ("cat", "dog"),
) -> Predictions:
    """Return predictions of split val for two classes, given the second one's probabilities."""
    p = np.asarray(second_class, np.float64)
    return Predictions(
        splits=("val",) * len(images),
        sha256=tuple(images),
        path=tuple(f"val/{image}.jpg" for image in images),
        labels=np.asarray(labels, np.int64),
        classes=classes,
        probabilities=np.stack([1 - p, p], axis=1),
    )


@pytest.mark.parametrize(
    ("first_right", "second_right", "p_value"),
    [
        (0, 0, 1.0),  # nothing tells them apart
        (4, 4, 1.0),  # twice the tail would be more than 1
        (1, 0, 1.0),  # 2 / 2
        (5, 0, 2 / 32),
        (5, 1, 2 * (1 + 6) / 64),
        (5, 3, 2 * (1 + 8 + 28 + 56) / 256),  # 0.727
    ],
)
def test_mcnemar_by_hand(first_right: int, second_right: int, p_value: float) -> None:
    assert mcnemar_p_value(first_right, second_right) == pytest.approx(p_value)
    assert mcnemar_p_value(second_right, first_right) == pytest.approx(p_value)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_scipys_binomial_test(first_right: int, second_right: int) -> None:
    n = max(first_right + second_right, 1)
    expected = binomtest(first_right, n).pvalue if first_right + second_right else 1.0
    assert mcnemar_p_value(first_right, second_right) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_thousands_is_finite() -> None:
    assert mcnemar_p_value(2000, 2000) == 1
    assert mcnemar_p_value(3000, 0) == 0


def test_four_images_by_hand() -> None:
    labels = [0, 0, 1, 1]
    first = table("abcd", labels, [0.1, 0.6, 0.9, 0.8])  # right, wrong, right, right
    second = table("abcd", labels, [0.2, 0.3, 0.4, 0.3])  # right, right, wrong, wrong
    found = compare_predictions(first, second)
    ratios = [0.8 / 0.9, 0.7 / 0.4, 0.4 / 0.9, 0.3 / 0.8]
    differences = [math.log(ratio) for ratio in ratios]
    assert (found.n, found.only_first, found.only_second) == (4, 0, 0)
    assert (found.first_right, found.second_right) == (2, 1)
    assert found.p_value == 1
    assert found.log_loss_difference == pytest.approx(sum(differences) / 4)
    half = 3.182446 * np.std(differences, ddof=1) / 2  # of t with 3 degrees of freedom
    assert found.log_loss_low == pytest.approx(found.log_loss_difference - half)
    assert found.log_loss_high == pytest.approx(found.log_loss_difference + half)


def test_the_difference_of_log_losses_is_that_of_the_metrics() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 50).tolist()
    images = [str(row) for row in range(50)]
    first, second = (table(images, labels, rng.random(50).round(1)) for _ in range(2))
    losses = [compute_metrics(MeasuredRows.of([one]))["val"]["log_loss"] for one in (first, second)]
    found = compare_predictions(first, second)
    assert found.log_loss_difference == pytest.approx(losses[0] - losses[1], abs=2e-6)


def test_only_the_same_image_under_the_same_label_is_compared() -> None:
    first = table("abcx", [0, 1, 1, 0], [0.1, 0.9, 0.9, 0.1])
    second = table("ycba", [0, 0, 1, 0], [0.9, 0.9, 0.2, 0.1])  # c has another label
    found = compare_predictions(first, second)
    assert (found.n, found.only_first, found.only_second) == (2, 2, 2)
    assert (found.first_right, found.second_right) == (1, 0)  # b


def test_labels_go_by_their_names() -> None:
    first = table("ab", [0, 1], [0.1, 0.9], classes=("cat", "dog"))
    second = table("ab", [1, 0], [0.9, 0.9], classes=("ant", "cat"))  # a is a cat in both
    found = compare_predictions(first, second)
    assert (found.n, found.only_first, found.only_second) == (1, 1, 1)
    assert (found.first_right, found.second_right) == (0, 0)


def test_tables_without_a_common_image_cannot_be_compared() -> None:
    with pytest.raises(PredictionsError, match="no image with the same label in common"):
        compare_predictions(table("ab", [0, 1], [0.1, 0.9]), table("cd", [0, 1], [0.1, 0.9]))


def test_the_interval_is_scipys_of_students_t() -> None:
    differences = np.random.default_rng(3).normal(0.1, 1.0, 60)
    theirs = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert mean_interval(differences) == pytest.approx(tuple(theirs), rel=1e-9)


def test_the_interval_of_equal_differences_is_a_point() -> None:
    assert mean_interval(np.full(9, 0.25)) == (0.25, 0.25)


def test_one_image_is_no_evidence_of_anything() -> None:
    assert mean_interval(np.array([-3.0])) == (-math.inf, math.inf)


@pytest.mark.parametrize("n", [2, 3, 5, 20, 106])
def test_heads_that_differ_by_chance_alone_are_seldom_told_apart(n: int) -> None:
    rng = np.random.default_rng(n)
    sizes = rng.lognormal(sigma=2, size=(2_000, n))  # a few images decide, as with log losses
    intervals = np.array([mean_interval(row) for row in sizes * rng.choice([-1, 1], (2_000, n))])
    leaves_out_zero = (intervals[:, 0] > 0) | (intervals[:, 1] < 0)
    assert leaves_out_zero.mean() <= 0.06  # 0.05, and what 2,000 draws may add


shares = st.lists(st.floats(0, 1), min_size=6, max_size=6)


@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 1), min_size=6, max_size=6), shares, shares, st.permutations(range(6))
)
def test_swapping_turns_the_signs_and_the_order_of_rows_changes_nothing(
    labels: list[int], first: list[float], second: list[float], order: list[int]
) -> None:
    def at(rows: Sequence[int], p: list[float]) -> Predictions:
        return table(["abcdef"[r] for r in rows], [labels[r] for r in rows], [p[r] for r in rows])

    found = compare_predictions(at(range(6), first), at(range(6), second))
    assert compare_predictions(at(range(6), first), at(order, second)) == found
    swapped = compare_predictions(at(order, second), at(range(6), first))
    assert swapped == Comparison(
        n=6,
        only_first=0,
        only_second=0,
        first_right=found.second_right,
        second_right=found.first_right,
        p_value=found.p_value,
        log_loss_difference=pytest.approx(-found.log_loss_difference),
        log_loss_low=pytest.approx(-found.log_loss_high),
        log_loss_high=pytest.approx(-found.log_loss_low),
    )
