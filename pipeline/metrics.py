"""Labels and probabilities turned into numbers; every definition of a metric is here or in curves."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.curves import (
    Column,
    Row,
    average_precision,
    calibration_bins,
    is_mixed,
    roc_area,
    rounded,
)
from pipeline.errors import PredictionsError
from pipeline.predictions import Predictions, PredictionsBuilder, log_losses, row_blocks

Figures = dict[str, float | int]

Z_95 = NormalDist().inv_cdf(0.975)  # 95 % of a normal distribution lie within +-1.96 deviations
UNEQUAL_CLASSES = 2  # the largest over the smallest: beyond it, accuracy favours large classes
MANY_CLASSES, TOP = 10, 5
MACRO_AVERAGE = "macro average"
FITTED_TO = "train"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredRows:
    """What is kept of a table of predictions to measure it.

    Of `train`, the largest split, to which the head was fitted, only what its two figures need.

    Attributes:
        train_losses: float64 `(n,)`, the log losses of the images of `train`, nats.
        train_hits: bool `(n,)`, whether the head is right on them.
        asked: The predictions of each other split that has rows, by its name.
    """

    train_losses: Column
    train_hits: NDArray[np.bool_]
    asked: Mapping[str, Predictions]

    @classmethod
    def of(cls, blocks: Iterable[Predictions]) -> Self:
        """Keep what is needed of each block of a table, and let the rest go."""
        losses, hits = [np.empty(0)], [np.empty(0, np.bool_)]
        asked: dict[str, PredictionsBuilder] = defaultdict(PredictionsBuilder)
        for block in blocks:
            for split in dict.fromkeys(block.splits):
                part = block.of_split(split)
                if split != FITTED_TO:
                    asked[split].add(part)
                    continue
                losses.append(log_losses(part.probabilities, part.labels))
                hits.append(part.predicted_labels() == part.labels)
        return cls(
            train_losses=np.concatenate(losses),
            train_hits=np.concatenate(hits),
            asked={split: builder.table() for split, builder in asked.items()},
        )


def compute_metrics(rows: MeasuredRows) -> dict[str, Figures]:
    """Measure how good predictions are, split by split.

    Every figure is finite, whatever the predictions: a share of nothing (the precision of a
    class never predicted, the recall of a class that is absent) is 0, and an area under a ROC
    curve that does not exist is 0.5, as for guessing.

    Args:
        rows: At least one of split `val`.

    Returns:
        For each split that has rows, under its name, figures of six decimals; all but `n` and
        `log_loss` lie in 0..1. Of `train`, which the head was fitted to, `accuracy` and
        `log_loss` (nats). Of `val` and `test` also the bounds `accuracy_low` and
        `accuracy_high` of the accuracy's 95 % interval, `roc_auc`, `ece` and `n` (images);
        `balanced_accuracy` where the largest class of that split has more than twice the
        images of the smallest, as of a class that is absent; and `top5_accuracy` where there
        are more than ten classes.

    Raises:
        PredictionsError: There are no rows of split `val`.
    """
    require_val(rows)
    found = {split: _measure(predictions) for split, predictions in rows.asked.items()}
    if len(rows.train_hits):
        accuracy, loss = rows.train_hits.mean(), rows.train_losses.mean()
        found[FITTED_TO] = {"accuracy": rounded(accuracy), "log_loss": rounded(loss)}
    return dict(sorted(found.items()))


def require_val(rows: MeasuredRows) -> Predictions:
    """Return the predictions for split `val`.

    Raises:
        PredictionsError: There are none.
    """
    if "val" not in rows.asked:
        raise PredictionsError(
            "there are no predictions for split val: nothing to measure. Run the train stage."
        )
    return rows.asked["val"]


def confusion_rows(predictions: Predictions) -> Iterator[Row]:
    """Yield one row an image, `actual` and `predicted` class name; DVC's template counts them."""
    names = predictions.classes
    pairs = zip(predictions.labels, predictions.predicted_labels(), strict=True)
    for actual, predicted in pairs:
        yield {"actual": names[actual], "predicted": names[predicted]}


def per_class_rows(predictions: Predictions) -> list[Row]:
    """Return how each class does against the rest, and as the last row their `macro average`.

    Returns:
        Rows of `class`, `n` (its images; of the last row, all) and what `class_figures` names,
        of six decimals. The last row has the plain means over the classes that have images.
    """
    figures, sizes = class_figures(predictions), _class_sizes(predictions)
    rows: list[Row] = []
    for index, name in enumerate(predictions.classes):
        of_class = {figure: rounded(column[index]) for figure, column in figures.items()}
        rows.append({"class": name, "n": int(sizes[index]), **of_class})
    means = {figure: rounded(column[sizes > 0].mean()) for figure, column in figures.items()}
    return [*rows, {"class": MACRO_AVERAGE, "n": len(predictions), **means}]


def class_figures(predictions: Predictions) -> dict[str, Column]:
    """Return `precision`, `recall`, `specificity`, `f1`, `roc_auc` and `average_precision` by class.

    Returns:
        float64 `(k,)` each, 0..1. A share of nothing is 0, a ROC that does not exist has the
        area 0.5.
    """
    n, k = len(predictions), len(predictions.classes)
    actual, predicted = _class_sizes(predictions), predictions.predicted_labels()
    chosen = np.bincount(predicted, minlength=k)
    hits = np.bincount(predicted[predicted == predictions.labels], minlength=k)
    return {
        "precision": _share(hits, chosen),
        "recall": _share(hits, actual),
        "specificity": _share(n - actual - chosen + hits, n - actual),
        "f1": _share(2 * hits, actual + chosen),
        "roc_auc": _of_each_class(roc_area, predictions),
        "average_precision": _of_each_class(average_precision, predictions),
    }


def wilson_interval(correct: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the score interval of a share, 0..1, for `correct` of `n >= 1`: 95 %, or `z` deviations wide.

    Unlike the resampling of images it has a width when all are correct: 12 of 12 may well be a
    head that is right in 3 of 4.

    Reference:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference"
        (doi:10.1080/01621459.1927.10502953).
    """
    share, spread = correct / n, z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    reach = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def log_loss(predictions: Predictions) -> float:
    """Return the mean of the images' log losses, nats."""
    return float(log_losses(predictions.probabilities, predictions.labels).mean())


def roc_auc(predictions: Predictions) -> float:
    """Return the area under the ROC curve, 0..1.

    Two classes: the second is the positive one. More: the plain mean over the classes, each
    against the rest, of those that some but not all images belong to. 0.5 if there is none.
    """
    k = len(predictions.classes)
    areas = [
        roc_area(predictions.labels == index, predictions.probabilities[:, index])
        for index in (range(k) if k > 2 else [1])
        if is_mixed(predictions.labels == index)
    ]
    return float(np.mean(areas)) if areas else 0.5


def expected_calibration_error(predictions: Predictions) -> float:
    """Return the mean gap between confidence and accuracy over the bins, weighted by images; 0..1."""
    counts, confidences, accuracies = calibration_bins(predictions)
    return float(np.average(np.abs(confidences - accuracies), weights=counts))


def balanced_accuracy(predictions: Predictions) -> float:
    """Return the mean recall over the classes that have images, 0..1."""
    sizes = _class_sizes(predictions)
    hits = predictions.labels[predictions.predicted_labels() == predictions.labels]
    recall = _share(np.bincount(hits, minlength=len(sizes)), sizes)
    return float(recall[sizes > 0].mean())


def top_accuracy(predictions: Predictions, top: int = TOP) -> float:
    """Return how often the true class is among the `top` most probable; of equals, the first are."""
    hits = np.empty(len(predictions), np.bool_)
    for rows in row_blocks(predictions.probabilities):
        falling = np.argsort(-predictions.probabilities[rows], axis=1, kind="stable")
        hits[rows] = (falling[:, :top] == predictions.labels[rows, None]).any(axis=1)
    return float(hits.mean())


def _measure(predictions: Predictions) -> Figures:
    """Return the metrics of a split, at least one row, that the head was not fitted to."""
    n = len(predictions)
    correct = int((predictions.predicted_labels() == predictions.labels).sum())
    figures = {"accuracy": correct / n, "log_loss": log_loss(predictions)}
    figures["accuracy_low"], figures["accuracy_high"] = wilson_interval(correct, n)
    figures["roc_auc"] = roc_auc(predictions)
    figures["ece"] = expected_calibration_error(predictions)
    sizes = _class_sizes(predictions)
    if sizes.max() > UNEQUAL_CLASSES * sizes.min():
        figures["balanced_accuracy"] = balanced_accuracy(predictions)
    if len(sizes) > MANY_CLASSES:
        figures["top5_accuracy"] = top_accuracy(predictions)
    return {"n": n} | {name: rounded(value) for name, value in figures.items()}


def _class_sizes(predictions: Predictions) -> NDArray[np.int64]:
    """Return how many images belong to each class, int64 `(k,)`."""
    return np.bincount(predictions.labels, minlength=len(predictions.classes))


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Column:
    """Return part / whole, 0 where the whole is nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _of_each_class(
    measure: Callable[[NDArray[np.bool_], Column], float], predictions: Predictions
) -> Column:
    """Return what a measure says of each class against the rest, float64 `(k,)`."""
    columns = enumerate(predictions.probabilities.T)
    return np.array([measure(predictions.labels == index, column) for index, column in columns])
