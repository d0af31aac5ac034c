"""What predictions and histories amount to."""

import numpy as np
import pytest

from pipeline.predictions import Answers, Predictions
from pipeline.reporting.findings import (
    Mix,
    average_precision_recall,
    average_roc,
    count_confusions,
    find_baseline,
    find_learning,
    find_mixes,
    join_confidence_bins,
)

CLASSES = ("cat", "dog", "fox")


def answers_of(pairs: list[tuple[int, int]]) -> Answers:
    """Return predictions with these labels and answers."""
    n = len(pairs)
    labels, answers = np.array(pairs).T
    probabilities = np.full((n, len(CLASSES)), 0.2)
    probabilities[np.arange(n), answers] = 0.6
    return Predictions(
        splits=("val",) * n,
        sha256=tuple(f"{row:064}" for row in range(n)),
        path=tuple(f"val/{CLASSES[label]}/{row}.jpg" for row, label in enumerate(labels)),
        labels=labels,
        classes=CLASSES,
        probabilities=probabilities,
    ).answers()


VAL = answers_of([(0, 0)] * 5 + [(0, 1)] * 2 + [(1, 1), (1, 0), (2, 0)])


def test_confusions_are_counted_actual_by_row() -> None:
    assert count_confusions(VAL).tolist() == [[5, 2, 0], [1, 1, 0], [1, 0, 0]]


def test_the_worst_mix_comes_first_and_each_way_counts_by_itself() -> None:
    mixes = find_mixes(count_confusions(VAL), CLASSES)
    assert mixes[0] == Mix(actual="cat", predicted="dog", count=2, of=7)
    assert [(mix.actual, mix.predicted) for mix in mixes[1:]] == [("dog", "cat"), ("fox", "cat")]


def test_the_baseline_is_the_largest_class_and_chance_is_told_apart() -> None:
    baseline = find_baseline(VAL)
    assert (baseline.name, baseline.right) == ("cat", 7)
    assert baseline.p_value > 0.05, "right on 6, the baseline on 7"
    sure = find_baseline(answers_of([(0, 0)] * 20 + [(1, 1)] * 19))
    assert sure.p_value < 0.001


@pytest.mark.parametrize(
    ("train", "val", "best", "rises", "overfits"),
    [
        ([0.9, 0.5, 0.3], [0.9, 0.6, 0.8], 2, True, True),
        ([0.9, 0.5, 0.3], [0.9, 0.6, 0.61], 2, False, False),  # a rise of less than a twentieth
        ([0.9, 0.5, 0.7], [0.9, 0.6, 0.8], 2, True, False),  # train gets worse too: it diverges
        ([0.9, 0.5, 0.3], [0.9, 0.6, 0.5], 3, False, False),
        ([0.9], [0.9], 1, False, False),
    ],
)
def test_overfitting_is_a_rise_on_val_while_train_falls(
    train: list[float], val: list[float], best: int, rises: bool, overfits: bool
) -> None:
    learning = find_learning(np.array(train), np.array(val))
    assert (learning.best, learning.rises, learning.overfits) == (best, rises, overfits)
    assert (learning.lowest, learning.last) == (min(val), val[-1])


def test_fine_bins_of_confidence_are_joined_by_their_images() -> None:
    points = {
        "confidence": np.array([0.65, 0.75, 0.95]),
        "accuracy": np.array([1.0, 0.5, 1.0]),
        "n": np.array([1.0, 3.0, 4.0]),
    }
    first, second = join_confidence_bins({**points, "accuracy": np.array([1.0, 1 / 3, 1.0])})
    assert (first.n, first.accuracy, first.confidence) == (4, 0.5, pytest.approx(0.725))
    assert first.low < 0.5 < first.high
    assert (second.n, second.accuracy, second.high) == (4, 1.0, 1.0)


def test_the_mean_of_two_roc_curves_lies_half_way() -> None:
    perfect = {"fpr": np.array([0.0, 0.0, 1.0]), "tpr": np.array([0.0, 1.0, 1.0])}
    guessing = {"fpr": np.array([0.0, 1.0]), "tpr": np.array([0.0, 1.0])}
    mean = average_roc([perfect, guessing])
    assert np.interp(0.5, mean["fpr"], mean["tpr"]) == pytest.approx(0.75)
    assert (mean["tpr"][0], mean["tpr"][-1]) == (0, 1)


def test_the_mean_precision_is_taken_in_steps() -> None:
    """Between two recalls holds the precision of the higher one: nothing is interpolated."""
    curve = {"recall": np.array([0.0, 0.5, 1.0]), "precision": np.array([1.0, 0.8, 0.6])}
    mean = average_precision_recall([curve, curve])
    at = dict(zip(mean["recall"].round(2).tolist(), mean["precision"].tolist(), strict=True))
    assert (at[0.0], at[0.3], at[0.5], at[0.51], at[1.0]) == pytest.approx((1, 0.8, 0.8, 0.6, 0.6))
