"""How well probabilities order and describe images, as curves, and the areas under them.

Each class stands against the rest: `is_class` is bool `(n,)`, whether an image belongs to the
class, and `scores` `(n,)`, the probabilities that it does. All is computed in float64.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.predictions import Predictions

Column = NDArray[np.float64]
Row = dict[str, str | float | int]

CALIBRATION_BINS = 15
CURVE_POINTS = 200  # of a class: more than a page can show
DIGITS = 6  # rounding keeps a file the same where summing in another order would not


def roc_points(predictions: Predictions) -> Iterator[Row]:
    """Yield a receiver operating characteristic a class, that class against the rest.

    Yields:
        Rows of `class`, `fpr`, `tpr` and `threshold`, from (0, 0) to (1, 1); at most 200 a
        class, evenly spread along the curve.
    """
    for index, name in enumerate(predictions.classes):
        curve = roc_curve(predictions.labels == index, predictions.probabilities[:, index])
        fpr, tpr, _ = curve
        yield from _thinned(name, ("fpr", "tpr", "threshold"), curve, position=fpr + tpr)


def precision_recall_points(predictions: Predictions) -> Iterator[Row]:
    """Yield a precision-recall curve a class, that class against the rest.

    Yields:
        Rows of `class`, `recall`, `precision` and `threshold`, recall rising; at most 200 a
        class, half of them spread by recall, half by rank.
    """
    for index, name in enumerate(predictions.classes):
        is_class, scores = predictions.labels == index, predictions.probabilities[:, index]
        recall, precision, threshold = precision_recall_curve(is_class, scores)
        position = recall + np.linspace(0, 1, len(recall))
        curve = (recall, precision, threshold)
        yield from _thinned(name, ("recall", "precision", "threshold"), curve, position)


def calibration_points(predictions: Predictions) -> list[Row]:
    """Return a row for each of 15 equal-width bins of confidence that holds images.

    Returns:
        Rows of `confidence` (mean in the bin), `accuracy` (share correct) and `n` (images).
    """
    counts, confidences, accuracies = calibration_bins(predictions)
    return [
        {"confidence": rounded(confidence), "accuracy": rounded(accuracy), "n": int(count)}
        for count, confidence, accuracy in zip(counts, confidences, accuracies, strict=True)
    ]


def roc_curve(is_class: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[Column, Column, Column]:
    """Return false positive rate, true positive rate and threshold, from (0, 0) to (1, 1).

    One point a different score, the highest first, after a point (0, 0) at threshold 1. A class
    that all or none of the images belong to has the diagonal, as of guessing.
    """
    if not is_mixed(is_class):
        return np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    hits, false_alarms, threshold = _count_from_the_top(is_class, scores)
    tpr = hits / is_class.sum()
    fpr = false_alarms / (~is_class).sum()
    return np.append(0.0, fpr), np.append(0.0, tpr), np.append(1.0, threshold)


def roc_area(is_class: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Return the area under `roc_curve`, 0..1: 0.5 where all or none of the images are of the class.

    It is how often an image of the class has a higher score than another, equals counting half.

    Reference:
        Fawcett 2006, "An introduction to ROC analysis" (doi:10.1016/j.patrec.2005.10.010).
    """
    fpr, tpr, _ = roc_curve(is_class, scores)
    return float(np.trapezoid(tpr, fpr))


def precision_recall_curve(
    is_class: NDArray[np.bool_], scores: NDArray[Any]
) -> tuple[Column, Column, Column]:
    """Return recall, precision and threshold, recall rising from 0.

    One point a different score, the highest first, after a point (0, 1) at threshold 1. A class
    without images stays at recall 0.
    """
    hits, false_alarms, threshold = _count_from_the_top(is_class, scores)
    recall = hits / max(1, is_class.sum())
    precision = hits / (hits + false_alarms)
    return np.append(0.0, recall), np.append(1.0, precision), np.append(1.0, threshold)


def average_precision(is_class: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Return the area under `precision_recall_curve` drawn in steps, 0..1: 0 for a class without images.

    It is the precision at each image of the class, averaged; a straight line between points
    would promise more than any threshold gives.

    Reference:
        Davis and Goadrich 2006, "The relationship between Precision-Recall and ROC curves"
        (doi:10.1145/1143844.1143874).
    """
    recall, precision, _ = precision_recall_curve(is_class, scores)
    return float(np.sum(np.diff(recall) * precision[1:]))


def calibration_bins(predictions: Predictions) -> tuple[NDArray[np.int64], Column, Column]:
    """Return count, mean confidence and accuracy of each bin that holds images.

    Confidence is the probability of the predicted class; bin `i` of 15 holds the confidences
    in `(i / 15, (i + 1) / 15]`.

    Reference:
        Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).
    """
    confidence = predictions.probabilities.max(axis=1).astype(np.float64)
    is_correct = predictions.predicted_labels() == predictions.labels
    bins = np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1
    bins = np.clip(bins, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    kept = counts > 0

    def mean_by_bin(values: NDArray[Any]) -> Column:
        return np.bincount(bins, weights=values, minlength=CALIBRATION_BINS)[kept] / counts[kept]

    return counts[kept], mean_by_bin(confidence), mean_by_bin(is_correct)


def is_mixed(is_class: NDArray[np.bool_]) -> bool:
    """Tell whether some images belong to the class and some do not: else there is no ROC."""
    return bool(is_class.any() and not is_class.all())


def rounded(value: float) -> float:
    """Return a plain float of six decimals, as files hold it."""
    return round(float(value), DIGITS)


def _count_from_the_top(
    is_class: NDArray[np.bool_], scores: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Column]:
    """Return, for each different score from the highest down, what a threshold there lets through.

    Returns:
        How many images of the class and how many others have that score or a higher one, int64
        `(scores,)`, and the score itself.
    """
    scores = scores.astype(np.float64)
    falling = np.argsort(-scores, kind="stable")
    ordered = scores[falling]
    last_of_equals = np.flatnonzero(np.append(np.diff(ordered), 1))
    hits = np.cumsum(is_class[falling], dtype=np.int64)[last_of_equals]
    return hits, last_of_equals + 1 - hits, ordered[last_of_equals]


def _thinned(
    name: str, columns: tuple[str, ...], curve: tuple[Column, ...], position: Column
) -> list[Row]:
    """Return rows for at most 200 points of a class's curve, evenly spread by a rising position.

    The first and the last point are always kept.
    """
    kept = np.arange(len(position))
    if len(position) > CURVE_POINTS:
        targets = np.linspace(position[0], position[-1], CURVE_POINTS)
        kept = np.unique(np.searchsorted(position, targets))
    points = np.column_stack(curve)[kept]
    return [
        {"class": name} | dict(zip(columns, map(rounded, point), strict=True)) for point in points
    ]
