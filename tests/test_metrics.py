"""Metrics against tables computed by hand, and what holds for any predictions."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sklearn import metrics as sk

from pipeline.errors import PredictionsError
from pipeline.metrics import (
    CURVE_POINTS,
    calibration_points,
    compute_metrics,
    confusion_rows,
    roc_points,
)
from pipeline.predictions import Predictions


def table(labels: Sequence[int], probabilities: ArrayLike, split: str = "val") -> Predictions:
    """Return predictions for classes a, b, ... as many as there are columns."""
    p = np.asarray(probabilities, np.float64)
    return Predictions(
        splits=(split,) * len(labels),
        sha256=tuple(str(row) for row in range(len(labels))),
        path=tuple(f"{split}/{row}.jpg" for row in range(len(labels))),
        labels=np.asarray(labels, np.int64),
        classes=tuple("abcdefgh"[: p.shape[1]]),
        probabilities=p,
    )


def binary(labels: Sequence[int], second: Sequence[float]) -> Predictions:
    return table(labels, [[1 - p, p] for p in second])


# By hand: predicted b b a b for a b b b, so one a is taken for b and one b for a.
FOUR = binary([0, 1, 1, 1], [0.6, 0.9, 0.3, 0.8])


def test_two_classes_by_hand() -> None:
    found = compute_metrics(FOUR, seed=7)["val"]
    loss = -(math.log(0.4) + math.log(0.9) + math.log(0.3) + math.log(0.8)) / 4
    assert found["n"] == 4
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(loss, abs=1e-6)
    assert found["roc_auc"] == pytest.approx(2 / 3, abs=1e-6)  # 0.6 is below 0.9 and 0.8, above 0.3
    # Four bins of one image: |0.6 - 0|, |0.9 - 1|, |0.7 - 0|, |0.8 - 1|.
    assert found["ece"] == pytest.approx((0.6 + 0.1 + 0.7 + 0.2) / 4, abs=1e-6)
    assert found["per_class"] == {
        "a": {"precision": 0, "recall": 0, "specificity": 0.666667, "f1": 0},
        "b": {"precision": 0.666667, "recall": 0.666667, "specificity": 0, "f1": 0.666667},
    }


def test_three_classes_by_hand() -> None:
    p = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]
    found = compute_metrics(table([0, 0, 1, 2], p), seed=7)["val"]
    assert found["accuracy"] == 0.75
    assert found["roc_auc"] == pytest.approx((1 + 2 / 3 + 1) / 3, abs=1e-6)
    assert found["per_class"] == {
        "a": {"precision": 1, "recall": 0.5, "specificity": 1, "f1": 0.666667},
        "b": {"precision": 0.5, "recall": 1, "specificity": 0.666667, "f1": 0.666667},
        "c": {"precision": 1, "recall": 1, "specificity": 1, "f1": 1},
    }


def test_images_in_one_bin_of_confidence_are_averaged() -> None:
    predictions = binary([1, 1, 0, 1], [0.95, 0.97, 0.99, 0.55])
    assert calibration_points(predictions) == [
        {"confidence": 0.55, "accuracy": 1.0, "n": 1},
        {"confidence": 0.97, "accuracy": 0.666667, "n": 3},
    ]
    ece = 0.25 * 0.45 + 0.75 * (0.97 - 2 / 3)
    assert compute_metrics(predictions, seed=7)["val"]["ece"] == pytest.approx(ece, abs=1e-6)


def test_confusion_has_a_row_an_image() -> None:
    assert [(row["actual"], row["predicted"]) for row in confusion_rows(FOUR)] == [
        ("a", "b"), ("b", "b"), ("b", "a"), ("b", "b"),
    ]  # fmt: skip


def test_roc_points_by_hand() -> None:
    rows = [row for row in roc_points(FOUR) if row["class"] == "b"]
    assert [(row["fpr"], row["tpr"], row["threshold"]) for row in rows] == [
        (0, 0, 1), (0, 0.333333, 0.9), (0, 0.666667, 0.8), (1, 0.666667, 0.6), (1, 1, 0.3),
    ]  # fmt: skip


@pytest.mark.parametrize("label", [0, 1])
def test_one_image_has_finite_metrics(label: int) -> None:
    one = binary([label], [0.0])
    found = compute_metrics(one, seed=7)["val"]
    assert found["roc_auc"] == 0.5
    assert found["log_loss"] == pytest.approx([0, 7 * math.log(10)][label], abs=1e-6)
    assert [(row["fpr"], row["tpr"]) for row in roc_points(one)] == [(0, 0), (1, 1)] * 2


def test_a_class_without_images_counts_in_no_mean_area() -> None:
    p = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3]]
    found = compute_metrics(table([0, 0, 1], p), seed=7)["val"]
    assert found["roc_auc"] == pytest.approx((1 + 0.5) / 2)
    assert found["per_class"]["c"] == {"precision": 0, "recall": 0, "specificity": 1, "f1": 0}


def test_each_split_is_measured_alone() -> None:
    both = Predictions(
        splits=("train", "val", "test", "train"),
        sha256=("1", "2", "3", "4"),
        path=("1", "2", "3", "4"),
        labels=np.array([0, 0, 1, 1]),
        classes=("a", "b"),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]),
    )
    found = compute_metrics(both, seed=7)
    assert {split: (tree["n"], tree["accuracy"]) for split, tree in found.items()} == {
        "train": (2, 1.0), "val": (1, 0.0), "test": (1, 1.0),
    }  # fmt: skip


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(PredictionsError, match="no predictions for split val"):
        compute_metrics(table([0], [[1.0, 0.0]], split="train"), seed=7)


def test_the_interval_is_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    is_correct = np.arange(400) < 340
    resampled = rng.choice(is_correct, (4000, 400)).mean(axis=1)
    found = compute_metrics(binary([1] * 400, np.where(is_correct, 0.8, 0.2).tolist()), seed=7)[
        "val"
    ]
    bounds = [found["accuracy_low"], found["accuracy_high"]]
    assert bounds == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.005)


def test_a_long_roc_is_thinned_and_keeps_its_shape() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 25_000)
    scores = 1 / (1 + np.exp(-rng.normal(labels * 2.0 - 1.0, 1.0)))
    predictions = binary(labels.tolist(), scores.tolist())
    rows = [row for row in roc_points(predictions) if row["class"] == "b"]
    fpr, tpr = (np.array([row[axis] for row in rows], float) for axis in ("fpr", "tpr"))
    assert CURVE_POINTS / 2 < len(rows) <= CURVE_POINTS
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    area = compute_metrics(predictions, seed=7)["val"]["roc_auc"]
    assert sk.auc(fpr, tpr) == pytest.approx(area, abs=1e-3)


@st.composite
def any_predictions(draw: st.DrawFn) -> Predictions:
    """Any predictions, also of one image, of one class, or as sure as can be."""
    k, n = draw(st.integers(2, 4)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    p = rng.dirichlet(np.full(k, draw(st.sampled_from([0.01, 0.5, 5.0]))), n)
    if draw(st.booleans()):
        p = np.eye(k)[rng.integers(0, k, n)]
    return table(rng.integers(0, draw(st.integers(1, k)), n).tolist(), p)


@settings(max_examples=30)
@given(predictions=any_predictions())
def test_metrics_are_finite_and_in_range(predictions: Predictions) -> None:
    found = compute_metrics(predictions, seed=7)["val"]
    shares = {
        key: value for key, value in found.items() if key not in ("n", "log_loss", "per_class")
    }
    for tree in found["per_class"].values():
        assert all(type(value) is float and 0 <= value <= 1 for value in tree.values())
    assert all(type(value) is float and 0 <= value <= 1 for value in shares.values())
    assert found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"]
    assert 0 <= found["log_loss"] < 17
    assert sum(int(row["n"]) for row in calibration_points(predictions)) == found["n"]


@settings(max_examples=30)
@given(predictions=any_predictions(), seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(predictions: Predictions, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(predictions))
    shuffled = table(predictions.labels[order].tolist(), predictions.probabilities[order])
    before, after = (
        compute_metrics(predictions, seed=7)["val"],
        compute_metrics(shuffled, seed=7)["val"],
    )
    assert after.pop("per_class") == before.pop("per_class")
    assert after == pytest.approx(before, abs=2e-6)
    assert roc_points(shuffled) == roc_points(predictions)
