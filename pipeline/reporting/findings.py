"""What a head's predictions and history amount to: the few numbers that its story is made of.

Nothing is read or written, and nothing is in words: `pipeline.reporting.story` has those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.comparison import mcnemar_p_value
from pipeline.metrics import wilson_interval
from pipeline.predictions import Answers

Column = NDArray[np.float64]
Counts = NDArray[np.int64]

RISE = 0.05  # a log loss of val that ends higher by this share above its lowest has risen again
CONFIDENCE_BINS = 5
GRID = np.linspace(0, 1, 101)  # where the curves of classes are averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Images of one class that were taken for another.

    Attributes:
        actual: The class they are of.
        predicted: The class they were taken for.
        count: How many, >= 1.
        of: How many images `actual` has.
    """

    actual: str
    predicted: str
    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What always naming the largest class would give.

    Attributes:
        name: That class; of equals, the first.
        right: On how many images that would be right.
        p_value: How likely the head's lead over it, or its arrears, would be by chance, 0..1.
    """

    name: str
    right: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How a head that learns by epochs did on val while it learned.

    Attributes:
        epochs: How many there were.
        best: The epoch with the lowest log loss on val, from 1; of equals, the first.
        lowest: That log loss, nats.
        last: The log loss on val after the last epoch.
        rises: Has it risen since by more than a twentieth?
        overfits: Has it, while that of train has fallen?
    """

    epochs: int
    best: int
    lowest: float
    last: float
    rises: bool
    overfits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBin:
    """Images of about the same confidence.

    Attributes:
        confidence: Its mean, 0..1.
        n: How many images, >= 1.
        accuracy: Share of them that are right.
        low: Lower bound of the accuracy's 95 % interval (Wilson).
        high: Its upper bound.
    """

    confidence: float
    n: int
    accuracy: float
    low: float
    high: float


def count_confusions(answers: Answers) -> Counts:
    """Return how many images of each class (row) were given each class (column), int64 `(k, k)`."""
    k = len(answers.classes)
    cells = answers.labels * k + answers.predicted
    return np.bincount(cells, minlength=k * k).reshape(k, k)


def find_mixes(counts: Counts, classes: Sequence[str]) -> list[Mix]:
    """Return the pairs of classes that were mixed up, the most images first, then by name."""
    sizes = counts.sum(axis=1)
    mixes = [
        Mix(
            actual=classes[row],
            predicted=classes[column],
            count=int(counts[row, column]),
            of=int(sizes[row]),
        )
        for row, column in zip(*np.nonzero(counts), strict=True)
        if row != column
    ]
    return sorted(mixes, key=lambda mix: (-mix.count, mix.actual, mix.predicted))


def find_baseline(answers: Answers) -> Baseline:
    """Compare a head with a rule that names the largest class of these images each time."""
    sizes = np.bincount(answers.labels, minlength=len(answers.classes))
    largest = int(sizes.argmax())
    is_right = answers.predicted == answers.labels
    is_largest = answers.labels == largest
    return Baseline(
        name=answers.classes[largest],
        right=int(sizes[largest]),
        p_value=mcnemar_p_value(
            int((is_right & ~is_largest).sum()), int((is_largest & ~is_right).sum())
        ),
    )


def find_learning(train: Column, val: Column) -> Learning:
    """Tell where learning stopped helping.

    Args:
        train: float64 `(epochs,)`, log loss on train after each epoch.
        val: The same on val.
    """
    best = int(val.argmin())
    rises = bool(val[-1] > (1 + RISE) * val[best])
    return Learning(
        epochs=len(val),
        best=best + 1,
        lowest=float(val[best]),
        last=float(val[-1]),
        rises=rises,
        overfits=rises and bool(train[-1] < train[best]),
    )


def join_confidence_bins(points: Mapping[str, Column]) -> list[ConfidenceBin]:
    """Join the fine bins of a calibration to five of equal width, each with an interval.

    Args:
        points: Columns `confidence`, `accuracy` and `n`, as the stage evaluate writes them.
    """
    bins = np.ceil(points["confidence"] * CONFIDENCE_BINS).clip(1, CONFIDENCE_BINS)
    joined = []
    for number in np.unique(bins):
        chosen = bins == number
        n = points["n"][chosen]
        total = int(n.sum())
        right = round(float((points["accuracy"][chosen] * n).sum()))
        low, high = wilson_interval(right, total)
        confidence = float(np.average(points["confidence"][chosen], weights=n))
        joined.append(
            ConfidenceBin(
                confidence=confidence, n=total, accuracy=right / total, low=low, high=high
            )
        )
    return joined


def average_roc(curves: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return the mean true positive rate of classes over a grid of false positive rates."""
    rates = [np.interp(GRID, curve["fpr"], curve["tpr"]) for curve in curves]
    return {"fpr": np.append(0.0, GRID), "tpr": np.append(0.0, np.mean(rates, axis=0))}


def average_precision_recall(curves: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return the mean precision of classes over a grid of recalls, each curve taken in steps."""
    rows = [
        np.searchsorted(curve["recall"], GRID).clip(max=len(curve["recall"]) - 1)
        for curve in curves
    ]
    precisions = [curve["precision"][row] for curve, row in zip(curves, rows, strict=True)]
    return {"recall": GRID, "precision": np.mean(precisions, axis=0)}
