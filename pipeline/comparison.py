"""Is one head better than another? Their predictions for the same images, compared image by image."""

from dataclasses import dataclass
from math import comb, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PredictionsError
from pipeline.predictions import Predictions, log_losses

SIGNIFICANT = 0.05  # the p value below which a difference counts as evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a first table of predictions differs from a second one.

    Attributes:
        n: Images that both tables have, under the same label; only these are compared.
        only_first: Images of the first table that are not compared.
        only_second: Images of the second table that are not compared.
        first_right: Images on which the first is right and the second wrong.
        second_right: Images on which the second is right and the first wrong.
        p_value: How likely a split at least as uneven as `first_right` to `second_right` is
            where neither is better, 0 <= p <= 1.
        log_loss_difference: Log loss (nats) of the first minus that of the second; below 0 the
            first is better.
        log_loss_low: Lower bound of the 95 % interval of that difference.
        log_loss_high: Its upper bound.
    """

    n: int
    only_first: int
    only_second: int
    first_right: int
    second_right: int
    p_value: float
    log_loss_difference: float
    log_loss_low: float
    log_loss_high: float


def compare_predictions(first: Predictions, second: Predictions) -> Comparison:
    """Compare two tables on the images that both have.

    An image is the same if its sha256 and the name of its label are; the order of the rows and
    the classes that only one table has change nothing. Swapping the tables swaps the counts and
    turns the signs.

    Args:
        first: The predictions of one split.
        second: Those of another head for the same split.

    Raises:
        PredictionsError: The tables have no image in common.
    """
    rows_of_first, rows_of_second = _rows_by_image(first), _rows_by_image(second)
    common = sorted(rows_of_first.keys() & rows_of_second.keys())
    if not common:
        raise PredictionsError(
            "the two tables of predictions have no image with the same label in common: nothing to compare."
        )
    first_rows = [rows_of_first[image] for image in common]
    second_rows = [rows_of_second[image] for image in common]
    is_right, is_right_second = _is_right(first)[first_rows], _is_right(second)[second_rows]
    first_right = int((is_right & ~is_right_second).sum())
    second_right = int((is_right_second & ~is_right).sum())
    losses = log_losses(first.probabilities, first.labels)[first_rows]
    losses_second = log_losses(second.probabilities, second.labels)[second_rows]
    differences = losses - losses_second
    low, high = mean_interval(differences)
    return Comparison(
        n=len(common),
        only_first=len(first) - len(common),
        only_second=len(second) - len(common),
        first_right=first_right,
        second_right=second_right,
        p_value=mcnemar_p_value(first_right, second_right),
        log_loss_difference=float(differences.mean()),
        log_loss_low=low,
        log_loss_high=high,
    )


def mcnemar_p_value(first_right: int, second_right: int) -> float:
    """Return the exact two-sided p value of McNemar's test.

    Only images on which exactly one is right can tell. Where neither is better, each of them falls
    to either side like a coin, so the smaller count is binomial with p = 1/2.

    Args:
        first_right: Images on which only the first is right, >= 0.
        second_right: Images on which only the second is right, >= 0.

    Reference:
        McNemar 1947, "Note on the sampling error of the difference between correlated proportions
        or percentages", Psychometrika 12.
    """
    n = first_right + second_right
    tail = sum(comb(n, k) for k in range(min(first_right, second_right) + 1))
    return min(1.0, float(2 * tail / 2**n))


def mean_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a mean by Student's t; without bounds where there is one value alone.

    Of two heads that differ by chance alone, an image's difference is as often positive as negative
    and of the same sizes; then t leaves out 0 once in twenty times or less, however few the images are.

    Args:
        differences: float64 `(n,)`, what each image contributes, `n >= 1`. A difference an image
            keeps the two predictions of it together.

    Reference:
        Student 1908, "The probable error of a mean", Biometrika 6.
    """
    from scipy.special import stdtrit  # here, as the stage report needs McNemar's test alone

    n, mean = len(differences), float(differences.mean())
    if n == 1:
        return -inf, inf
    t = float(stdtrit(n - 1, 1 - SIGNIFICANT / 2))
    half = t * float(differences.std(ddof=1)) / sqrt(n)
    return mean - half, mean + half


def _rows_by_image(table: Predictions) -> dict[tuple[str, str], int]:
    """Return where each image is: sha256 and the name of its label to the row."""
    names = (table.classes[label] for label in table.labels)
    return {image: row for row, image in enumerate(zip(table.sha256, names, strict=True))}


def _is_right(table: Predictions) -> NDArray[np.bool_]:
    """Return for each image whether its most probable class is the true one, bool `(n,)`."""
    is_right: NDArray[np.bool_] = table.predicted_labels() == table.labels
    return is_right
