"""Labels and probabilities turned into numbers and curves; every definition of a metric is here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from pipeline.errors import PredictionsError
from pipeline.predictions import Predictions

Row = dict[str, str | float | int]
Tree = dict[str, Any]

RESAMPLES = 10_000
CALIBRATION_BINS = 15
CURVE_POINTS = 200
DIGITS = 6  # rounding keeps a metrics file the same where summing in another order would not
SMALLEST_PROBABILITY = (
    1e-7  # float32's resolution near 1; one sure mistake costs 16 nats, not infinity
)


def compute_metrics(predictions: Predictions, seed: int) -> Tree:
    """Measure how good predictions are, split by split.

    Every figure is finite, whatever the predictions: a share of nothing (the precision of a
    class never predicted, the recall of a class that is absent) is 0, and an area under a
    curve that does not exist is 0.5, as for guessing.

    Args:
        predictions: At least one row of split `val`.
        seed: Of the bootstrap.

    Returns:
        For each split that has rows, under its name: `n`, `accuracy` with the bounds
        `accuracy_low` and `accuracy_high` of its 95 % interval, `log_loss` (nats), `roc_auc`,
        `ece`, and `per_class.<class>` with `precision`, `recall`, `specificity` and `f1`.
        Floats have six decimals; all but `log_loss` lie in 0..1.

    Raises:
        PredictionsError: There are no rows of split `val`.
    """
    require_val(predictions)
    return {
        split: _measure(predictions.of_split(split), seed)
        for split in sorted(set(predictions.splits))
    }


def require_val(predictions: Predictions) -> Predictions:
    """Return the rows of split `val`.

    Raises:
        PredictionsError: There are none.
    """
    val = predictions.of_split("val")
    if not len(val):
        raise PredictionsError(
            "there are no predictions for split val: nothing to measure. Run the train stage."
        )
    return val


def confusion_rows(predictions: Predictions) -> list[Row]:
    """Return one row an image, `actual` and `predicted` class name; DVC's template counts them."""
    names = predictions.classes
    pairs = zip(predictions.labels, predictions.predicted_labels(), strict=True)
    return [{"actual": names[actual], "predicted": names[predicted]} for actual, predicted in pairs]


def roc_points(predictions: Predictions) -> list[Row]:
    """Return a receiver operating characteristic a class, that class against the rest.

    Returns:
        Rows of `class`, `fpr`, `tpr` and `threshold`, from (0, 0) to (1, 1); at most 200 a
        class, evenly spread along the curve. A class that all or none of the images belong
        to has the diagonal.
    """
    rows: list[Row] = []
    for index, name in enumerate(predictions.classes):
        is_class = predictions.labels == index
        fpr, tpr, threshold = _roc_curve(is_class, predictions.probabilities[:, index])
        rows += [
            {"class": name, "fpr": _rounded(x), "tpr": _rounded(y), "threshold": _rounded(t)}
            for x, y, t in zip(fpr, tpr, threshold, strict=True)
        ]
    return rows


def calibration_points(predictions: Predictions) -> list[Row]:
    """Return a row for each of 15 equal-width bins of confidence that holds images.

    Confidence is the probability of the predicted class.

    Returns:
        Rows of `confidence` (mean in the bin), `accuracy` (share correct) and `n` (images).

    Reference:
        Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).
    """
    counts, confidences, accuracies = _calibration(predictions)
    return [
        {"confidence": _rounded(confidence), "accuracy": _rounded(accuracy), "n": int(count)}
        for count, confidence, accuracy in zip(counts, confidences, accuracies, strict=True)
    ]


def _measure(predictions: Predictions, seed: int) -> Tree:
    """Return the metrics of one split with at least one row."""
    n = len(predictions)
    correct = int((predictions.predicted_labels() == predictions.labels).sum())
    low, high = _bootstrap_interval(correct, n, seed)
    return {
        "n": n,
        "accuracy": _rounded(correct / n),
        "accuracy_low": _rounded(low),
        "accuracy_high": _rounded(high),
        "log_loss": _rounded(_log_loss(predictions)),
        "roc_auc": _rounded(_roc_auc(predictions)),
        "ece": _rounded(_expected_calibration_error(predictions)),
        "per_class": _per_class(predictions),
    }


def _bootstrap_interval(correct: int, n: int, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of an accuracy over 10,000 resamples of the images.

    How many of `n` images drawn with replacement are correct is binomial, so a resample is
    one draw rather than `n`.

    Reference:
        Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    resampled = np.random.default_rng(seed).binomial(n, correct / n, RESAMPLES) / n
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def _log_loss(predictions: Predictions) -> float:
    """Return the mean of -ln(probability of the true class), no probability below 1e-7."""
    p = np.clip(predictions.probabilities.astype(np.float64), SMALLEST_PROBABILITY, None)
    p /= p.sum(axis=1, keepdims=True)
    return float(sk.log_loss(predictions.labels, p, labels=np.arange(p.shape[1])))


def _roc_auc(predictions: Predictions) -> float:
    """Return the area under the ROC curve.

    Two classes: the second is the positive one. More: the plain mean over the classes, each
    against the rest, of those that some but not all images belong to.
    """
    k = len(predictions.classes)
    areas = [
        sk.roc_auc_score(predictions.labels == index, predictions.probabilities[:, index])
        for index in (range(k) if k > 2 else [1])
        if _is_mixed(predictions.labels == index)
    ]
    return float(np.mean(areas)) if areas else 0.5


def _expected_calibration_error(predictions: Predictions) -> float:
    """Return the mean gap between confidence and accuracy over the bins, weighted by images."""
    counts, confidences, accuracies = _calibration(predictions)
    return float(np.average(np.abs(confidences - accuracies), weights=counts))


def _calibration(
    predictions: Predictions,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return count, mean confidence and accuracy of each bin that holds images.

    Bin `i` of 15 holds the confidences in `(i / 15, (i + 1) / 15]`.
    """
    confidence = predictions.probabilities.max(axis=1).astype(np.float64)
    is_correct = predictions.predicted_labels() == predictions.labels
    bins = np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1
    bins = np.clip(bins, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    kept = counts > 0

    def mean_by_bin(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(bins, weights=values, minlength=CALIBRATION_BINS)[kept] / counts[kept]

    return counts[kept], mean_by_bin(confidence), mean_by_bin(is_correct)


def _per_class(predictions: Predictions) -> Tree:
    """Return precision, recall, specificity and F1 of each class against the rest."""
    labels = np.arange(len(predictions.classes))
    predicted = predictions.predicted_labels()
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        predictions.labels, predicted, labels=labels, zero_division=0
    )
    specificity = [
        sk.recall_score(predictions.labels != label, predicted != label, zero_division=0)
        for label in labels
    ]
    table = zip(predictions.classes, precision, recall, specificity, f1, strict=True)
    return {
        name: {
            "precision": _rounded(p),
            "recall": _rounded(r),
            "specificity": _rounded(s),
            "f1": _rounded(f),
        }
        for name, p, r, s, f in table
    }


def _roc_curve(is_class: NDArray[np.bool_], scores: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return false positive rate, true positive rate and threshold along one class's curve."""
    if not _is_mixed(is_class):
        return [np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0])]
    fpr, tpr, threshold = sk.roc_curve(is_class, scores)
    kept = _evenly_spread(fpr + tpr)
    return [
        fpr[kept],
        tpr[kept],
        np.minimum(threshold, 1.0)[kept],
    ]  # the first threshold is infinite


def _evenly_spread(position: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most 200 indices into rising positions, evenly spread, first and last included."""
    if len(position) <= CURVE_POINTS:
        return np.arange(len(position))
    targets = np.linspace(position[0], position[-1], CURVE_POINTS)
    kept: NDArray[np.int64] = np.unique(np.searchsorted(position, targets))
    return kept


def _is_mixed(is_class: NDArray[np.bool_]) -> bool:
    return bool(is_class.any() and not is_class.all())


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
