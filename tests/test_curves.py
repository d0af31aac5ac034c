"""Curves against points computed by hand, against scikit-learn, and what holds for any predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.curves import (
    CURVE_POINTS,
    average_precision,
    calibration_points,
    precision_recall_curve,
    precision_recall_points,
    roc_area,
    roc_curve,
    roc_points,
)
from pipeline.predictions import Predictions
from tests.tables import any_predictions, binary, table

FOUR = binary([0, 1, 1, 1], [0.6, 0.9, 0.3, 0.8])
CURVES = {"roc": roc_points, "precision_recall": precision_recall_points}


def points_of(
    predictions: Predictions, curve: str, name: str, *columns: str
) -> list[tuple[float, ...]]:
    """Return some columns of one class's curve, a tuple a point."""
    rows = [row for row in CURVES[curve](predictions) if row["class"] == name]
    return [tuple(float(row[column]) for column in columns) for row in rows]


def test_roc_points_by_hand() -> None:
    assert points_of(FOUR, "roc", "b", "fpr", "tpr", "threshold") == [
        (0, 0, 1), (0, 0.333333, 0.9), (0, 0.666667, 0.8), (1, 0.666667, 0.6), (1, 1, 0.3),
    ]  # fmt: skip


def test_precision_recall_points_by_hand() -> None:
    assert points_of(FOUR, "precision_recall", "b", "recall", "precision", "threshold") == [
        (0, 1, 1), (0.333333, 1, 0.9), (0.666667, 1, 0.8), (0.666667, 0.666667, 0.6), (1, 0.75, 0.3),
    ]  # fmt: skip


def test_equal_probabilities_are_one_point() -> None:
    equals = binary([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.25])
    assert points_of(equals, "roc", "b", "fpr", "tpr") == [(0, 0), (0.5, 1), (1, 1)]
    found = points_of(equals, "precision_recall", "b", "recall", "precision")
    assert found == [(0, 1), (1, 0.666667), (1, 0.5)]


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_of_all_or_of_none_has_curves_too(label: int) -> None:
    one = binary([label], [0.25])
    for name, is_class in (("a", label == 0), ("b", label == 1)):
        assert points_of(one, "roc", name, "fpr", "tpr") == [(0, 0), (1, 1)]
        found = points_of(one, "precision_recall", name, "recall", "precision")
        assert found == [(0, 1), (is_class, is_class)]


def test_calibration_averages_the_images_of_a_bin() -> None:
    predictions = binary([1, 1, 0, 1], [0.95, 0.97, 0.99, 0.55])
    assert calibration_points(predictions) == [
        {"confidence": 0.55, "accuracy": 1.0, "n": 1},
        {"confidence": 0.97, "accuracy": 0.666667, "n": 3},
    ]


@settings(max_examples=50)
@given(predictions=any_predictions())
def test_every_image_is_in_a_bin_of_calibration(predictions: Predictions) -> None:
    assert sum(int(row["n"]) for row in calibration_points(predictions)) == len(predictions)


@settings(max_examples=50)
@given(predictions=any_predictions())
def test_whole_curves_are_scikit_learns(predictions: Predictions) -> None:
    for index in range(len(predictions.classes)):
        is_class, scores = predictions.labels == index, predictions.probabilities[:, index]
        if not 0 < is_class.sum() < len(is_class):
            continue  # scikit-learn has no curve there, or another
        fpr, tpr, threshold = sk.roc_curve(is_class, scores, drop_intermediate=False)
        expected = (fpr, tpr, np.append(1.0, threshold[1:]))
        for ours, theirs in zip(roc_curve(is_class, scores), expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)
        precision, recall, threshold = sk.precision_recall_curve(is_class, scores)
        expected = (recall[::-1], precision[::-1], np.append(1.0, threshold[::-1]))
        for ours, theirs in zip(precision_recall_curve(is_class, scores), expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.002])
def test_long_curves_are_thinned_and_keep_their_shape(share: float) -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(25_000) < share).astype(int)
    scores = 1 / (1 + np.exp(-rng.normal(labels * 3.0 - 1.0, 1.0)))
    predictions = binary(labels.tolist(), scores.tolist())
    fpr, tpr = np.array(points_of(predictions, "roc", "b", "fpr", "tpr")).T
    recall, precision = np.array(
        points_of(predictions, "precision_recall", "b", "recall", "precision")
    ).T
    for x, y in ((fpr, tpr), (recall, precision)):
        assert CURVE_POINTS / 2 < len(x) <= CURVE_POINTS
        assert (np.diff(x) >= 0).all()
        assert x[0] == 0
        assert x[-1] == 1
        assert y[-1] == pytest.approx(1 if y is tpr else labels.mean(), abs=1e-6)
    assert (np.diff(tpr) >= 0).all()
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc_area(labels == 1, scores), abs=2e-3)
    area = np.sum(np.diff(recall) * precision[1:])
    assert area == pytest.approx(average_precision(labels == 1, scores), abs=1e-2)


@settings(max_examples=30)
@given(predictions=any_predictions(), seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(predictions: Predictions, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(predictions))
    shuffled = table(predictions.labels[order], predictions.probabilities[order])
    for points in CURVES.values():
        assert list(points(shuffled)) == list(points(predictions))
