"""Metrics against tables computed by hand, against scikit-learn and SciPy, and for any predictions."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics as sk

from pipeline.errors import PredictionsError
from pipeline.metrics import (
    MACRO_AVERAGE,
    MeasuredRows,
    balanced_accuracy,
    class_figures,
    compute_metrics,
    confusion_rows,
    expected_calibration_error,
    log_loss,
    per_class_rows,
    roc_auc,
    top_accuracy,
    wilson_interval,
)
from pipeline.predictions import SMALLEST_PROBABILITY, Predictions
from tests.tables import any_predictions, binary, table

OF_VAL = {"accuracy", "accuracy_low", "accuracy_high", "log_loss", "roc_auc", "ece", "n"}
FIGURES = ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision")

# By hand: predicted b b a b for a b b b, so one a is taken for b and one b for a.
FOUR = binary([0, 1, 1, 1], [0.6, 0.9, 0.3, 0.8])
THREE_CLASSES = table(
    [0, 0, 1, 2], [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]
)
ABSENT_CLASS = table([0, 0, 1], [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3]])
ONE_CLASS = binary([1, 1, 1], [0.6, 0.9, 0.3])
TIES = binary([0, 1, 1, 0, 1, 0], [0.5, 0.5, 0.7, 0.7, 0.5, 0.2])
SURE = table([0, 1, 2, 0], np.eye(3)[[0, 1, 1, 2]])
CASES = (FOUR, THREE_CLASSES, ABSENT_CLASS, ONE_CLASS, TIES, SURE)


def rows_of(predictions: Predictions) -> dict[Any, tuple[Any, ...]]:
    """Return the rows by class, of each the number of images and the figures."""
    return {
        row["class"]: (row["n"], *(row[figure] for figure in FIGURES))
        for row in per_class_rows(predictions)
    }


def test_two_classes_by_hand() -> None:
    found = compute_metrics(MeasuredRows.of([FOUR]))["val"]
    loss = -(math.log(0.4) + math.log(0.9) + math.log(0.3) + math.log(0.8)) / 4
    assert found["n"] == 4
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(loss, abs=1e-6)
    assert found["roc_auc"] == pytest.approx(2 / 3, abs=1e-6)  # 0.6 is below 0.9 and 0.8, above 0.3
    # Four bins of one image: |0.6 - 0|, |0.9 - 1|, |0.7 - 0|, |0.8 - 1|.
    assert found["ece"] == pytest.approx((0.6 + 0.1 + 0.7 + 0.2) / 4, abs=1e-6)
    assert rows_of(FOUR) == {
        "a": (1, 0, 0, 0.666667, 0, 0.666667, 0.5),
        "b": (3, 0.666667, 0.666667, 0, 0.666667, 0.666667, 0.916667),
        MACRO_AVERAGE: (4, 0.333333, 0.333333, 0.333333, 0.333333, 0.666667, 0.708333),
    }


def test_three_classes_by_hand() -> None:
    found = compute_metrics(MeasuredRows.of([THREE_CLASSES]))["val"]
    assert found["accuracy"] == 0.75
    assert found["roc_auc"] == pytest.approx((1 + 2 / 3 + 1) / 3, abs=1e-6)
    rows = rows_of(THREE_CLASSES)
    assert rows["a"] == (2, 1, 0.5, 1, 0.666667, 1, 1)
    assert rows["b"] == (1, 0.5, 1, 0.666667, 0.666667, 0.666667, 0.5)
    assert rows["c"] == (1, 1, 1, 1, 1, 1, 1)


def test_train_which_the_head_was_fitted_to_has_two_figures_and_the_others_all() -> None:
    both = Predictions(
        splits=("train", "val", "test", "train"),
        sha256=("1", "2", "3", "4"),
        path=("1", "2", "3", "4"),
        labels=np.array([0, 0, 1, 1]),
        classes=("a", "b"),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]),
    )
    found = compute_metrics(MeasuredRows.of([both]))
    assert set(found) == {"train", "val", "test"}
    assert set(found["train"]) == {"accuracy", "log_loss"}
    for split in ("val", "test"):
        assert set(found[split]) == OF_VAL | {"balanced_accuracy"}, "one class has no image"
        assert found[split]["n"] == 1
    assert [found[split]["accuracy"] for split in ("train", "val", "test")] == [1, 0, 1]
    assert compute_metrics(MeasuredRows.of(both.take([row]) for row in range(4))) == found


@pytest.mark.parametrize(("sizes", "is_there"), [((4, 2), False), ((5, 2), True), ((4, 0), True)])
def test_balanced_accuracy_is_there_where_classes_are_unequal(
    sizes: tuple[int, int], is_there: bool
) -> None:
    predictions = binary([0] * sizes[0] + [1] * sizes[1], [0.1] * sum(sizes))
    found = compute_metrics(MeasuredRows.of([predictions]))["val"]
    assert set(found) == OF_VAL | ({"balanced_accuracy"} if is_there else set())
    if is_there:
        assert found["balanced_accuracy"] == (0.5 if sizes[1] else 1)


@pytest.mark.parametrize(("k", "is_there"), [(10, False), (11, True)])
def test_top_5_accuracy_is_there_where_classes_are_many(k: int, is_there: bool) -> None:
    found = compute_metrics(MeasuredRows.of([table(range(k), np.full((k, k), 1 / k))]))["val"]
    assert set(found) == OF_VAL | ({"top5_accuracy"} if is_there else set())
    if is_there:
        assert found["top5_accuracy"] == round(5 / 11, 6), "of equals the first five count"


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_the_interval_is_that_of_a_published_table(
    correct: int, n: int, low: float, high: float
) -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 12, 67, 5000])
def test_the_interval_is_scipys_and_has_a_width_when_all_are_right(n: int) -> None:
    for correct in {0, 1, n // 2, n}:
        expected = binomtest(correct, n).proportion_ci(method="wilson")
        low, high = wilson_interval(correct, n)
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert 0 <= low < high <= 1


def test_images_in_one_bin_of_confidence_are_averaged() -> None:
    predictions = binary([1, 1, 0, 1], [0.95, 0.97, 0.99, 0.55])
    ece = 0.25 * 0.45 + 0.75 * (0.97 - 2 / 3)
    assert expected_calibration_error(predictions) == pytest.approx(ece, abs=1e-9)


def test_confusion_has_a_row_an_image() -> None:
    assert [(row["actual"], row["predicted"]) for row in confusion_rows(FOUR)] == [
        ("a", "b"), ("b", "b"), ("b", "a"), ("b", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize("label", [0, 1])
def test_one_image_has_finite_metrics(label: int) -> None:
    found = compute_metrics(MeasuredRows.of([binary([label], [0.0])]))["val"]
    assert found["roc_auc"] == 0.5
    assert found["log_loss"] == pytest.approx([0, 7 * math.log(10)][label], abs=1e-6)


def test_a_class_without_images_counts_in_no_mean_but_the_table_has_it() -> None:
    found = compute_metrics(MeasuredRows.of([ABSENT_CLASS]))["val"]
    assert found["roc_auc"] == pytest.approx((1 + 0.5) / 2)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    rows = rows_of(ABSENT_CLASS)
    assert rows["c"] == (0, 0, 0, 1, 0, 0.5, 0)
    assert rows[MACRO_AVERAGE][2] == pytest.approx((0.5 + 1) / 2, abs=1e-6)


def test_a_class_may_be_called_like_the_last_row() -> None:
    found = per_class_rows(table([0, 1], np.eye(2), classes=("cat", MACRO_AVERAGE)))
    assert [(row["class"], row["n"]) for row in found] == [
        ("cat", 1), (MACRO_AVERAGE, 1), (MACRO_AVERAGE, 2),
    ]  # fmt: skip


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(PredictionsError, match="no predictions for split val"):
        compute_metrics(MeasuredRows.of([table([0], [[1.0, 0.0]], split="train")]))


def is_mixed(is_class: NDArray[np.bool_]) -> bool:
    return 0 < is_class.sum() < len(is_class)


def check_classes(predictions: Predictions) -> None:
    """Compare the figures of each class with scikit-learn's, before rounding."""
    k, labels, predicted = (
        len(predictions.classes),
        predictions.labels,
        predictions.predicted_labels(),
    )
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        labels, predicted, labels=range(k), zero_division=0
    )
    is_other, says_other = (side[:, None] != np.arange(k) for side in (labels, predicted))
    columns = [(labels == index, predictions.probabilities[:, index]) for index in range(k)]
    expected = {
        "precision": precision,
        "recall": recall,
        "specificity": sk.recall_score(is_other, says_other, average=None, zero_division=0),
        "f1": f1,
        "roc_auc": [sk.roc_auc_score(*each) if is_mixed(each[0]) else 0.5 for each in columns],
        "average_precision": [sk.average_precision_score(*each) for each in columns],
    }
    figures = class_figures(predictions)
    assert tuple(expected) == FIGURES == tuple(figures)
    for name, column in figures.items():
        assert column.dtype == np.float64
        assert column == pytest.approx(np.array(expected[name]), abs=1e-9), name


def check_totals(predictions: Predictions) -> None:
    """Compare what is said of all classes together with scikit-learn, before rounding."""
    k, labels = len(predictions.classes), predictions.labels
    p = np.maximum(predictions.probabilities, SMALLEST_PROBABILITY)
    loss = sk.log_loss(labels, p / p.sum(axis=1, keepdims=True), labels=range(k))
    assert log_loss(predictions) == pytest.approx(loss, abs=1e-9)
    balanced = sk.balanced_accuracy_score(labels, predictions.predicted_labels())
    assert balanced_accuracy(predictions) == pytest.approx(balanced, abs=1e-9)
    present = np.unique(labels)
    if len(present) == k:
        scores = predictions.probabilities if k > 2 else predictions.probabilities[:, 1]
        area = sk.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
        assert roc_auc(predictions) == pytest.approx(area, abs=1e-9)
    if len(present) == 1:
        assert roc_auc(predictions) == 0.5


def check_against_scikit_learn(predictions: Predictions) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a metric does not exist: we say what it is
        check_classes(predictions)
        check_totals(predictions)


@pytest.mark.parametrize("predictions", CASES)
def test_cases_by_hand_are_measured_as_by_scikit_learn(predictions: Predictions) -> None:
    check_against_scikit_learn(predictions)


@settings(max_examples=50)
@given(predictions=any_predictions())
def test_any_predictions_are_measured_as_by_scikit_learn(predictions: Predictions) -> None:
    check_against_scikit_learn(predictions)


def test_top_accuracy_is_scikit_learns_where_no_probabilities_are_equal() -> None:
    rng = np.random.default_rng(2)
    predictions = table(rng.integers(0, 26, 500), rng.dirichlet(np.full(26, 0.3), 500))
    labels, p = predictions.labels, predictions.probabilities
    for top in (1, 5):
        expected = sk.top_k_accuracy_score(labels, p, k=top, labels=range(26))
        assert top_accuracy(predictions, top) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(predictions=any_predictions())
def test_metrics_are_finite_and_in_range(predictions: Predictions) -> None:
    found = compute_metrics(MeasuredRows.of([predictions]))["val"]
    shares = [value for key, value in found.items() if key not in ("n", "log_loss")]
    shares += [row[figure] for row in per_class_rows(predictions) for figure in FIGURES]
    for value in shares:
        assert type(value) is float
        assert 0 <= value <= 1
        assert value == round(value, 6)
    assert found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"]
    assert type(found["n"]) is int
    assert 0 <= found["log_loss"] < 17


@settings(max_examples=30)
@given(predictions=any_predictions(), seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(predictions: Predictions, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(predictions))
    shuffled = table(predictions.labels[order], predictions.probabilities[order])
    before, after = (
        compute_metrics(MeasuredRows.of([each]))["val"] for each in (predictions, shuffled)
    )
    assert after == pytest.approx(before, abs=2e-6)
    assert rows_of(shuffled) == rows_of(predictions)
