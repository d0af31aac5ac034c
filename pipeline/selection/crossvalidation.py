"""How well kinds of heads do on images that they were not fitted to: folds in turn, several times."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.folds import TRAINED_ON, assign_folds
from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head, measure
from pipeline.selection.processes import fit_in_processes

log = logging.getLogger(__name__)
OUTER = "outer fold"  # the salt: heads hold out images of their own inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How one head did on one fold.

    Attributes:
        recipe: Place of its recipe among those asked for.
        repeat: Which round of folds, from 0; its number is added to the seeds.
        fold: The fold that was held out, from 0.
        asked: How many original images that was.
        log_loss: Mean over them, in nats.
        accuracy: Share of them that was right.
    """

    recipe: int
    repeat: int
    fold: int
    asked: int
    log_loss: float
    accuracy: float


def crossvalidate(
    rows: Rows, recipes: Sequence[Recipe], folds: int, repeats: int, seed: int
) -> Iterator[Record]:
    """Fit a head by each recipe to all folds but one, and ask it for the originals of that one.

    Copies join the fits with their groups, and are never asked. A fold with nothing to ask for
    is left out. Heads are fitted on all cores, and come in the order of repeats, folds, recipes.

    Args:
        rows: Of all groups, whatever their split.
        recipes: How heads are fitted.
        folds: How many, 2 or more.
        repeats: How often groups are assigned to folds, 1 or more.
        seed: Of the first assignment.

    Raises:
        HeadError: As `fit_head`.
    """
    assignments = [assign_folds(rows, folds, seed + repeat, OUTER) for repeat in range(repeats)]
    tell_never_asked(rows, assignments)
    places = [
        (number, repeat, fold)
        for repeat, assigned in enumerate(assignments)
        for fold in range(folds)
        if ((assigned == fold) & rows.original).any()
        for number in range(len(recipes))
    ]
    jobs = (
        (replace(recipes[number], seed=recipes[number].seed + repeat), assignments[repeat] == fold)
        for number, repeat, fold in places
    )
    figures = fit_in_processes(_fit_without, rows, jobs)
    for (number, repeat, fold), (asked, loss, accuracy) in zip(places, figures, strict=True):
        yield Record(
            recipe=number, repeat=repeat, fold=fold, asked=asked, log_loss=loss, accuracy=accuracy
        )


def tell_never_asked(rows: Rows, assignments: Sequence[NDArray[np.int64]]) -> None:
    """Warn of images that some rounds never ask about: without them nothing of their class would be left."""
    lacking = [int(((one == TRAINED_ON) & rows.original).sum()) for one in assignments]
    if any(lacking):
        log.warning(
            "in %d of %d rounds of folds up to %d of %d images are never asked about, since all images of "
            "their class are in one fold: the figures are of the others",
            sum(map(bool, lacking)), len(lacking), max(lacking), int(rows.original.sum()),
        )  # fmt: skip


def _fit_without(rows: Rows, job: tuple[Recipe, NDArray[np.bool_]]) -> tuple[int, float, float]:
    """Return how many originals of a fold there are, and a head's log loss and accuracy on them."""
    recipe, held_out = job
    asked = rows.take(held_out & rows.original)
    return len(asked), *measure(fit_head(rows.take(~held_out), recipe).head, asked)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean, and the sample's standard deviation: 0 of a single value."""
    return fmean(values), stdev(values) if len(values) > 1 else 0.0
