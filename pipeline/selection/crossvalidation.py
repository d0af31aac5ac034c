"""How well kinds of heads do on images that they were not fitted to: folds in turn, several times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from pipeline.heads.cores import on_all_cores, one_blas_thread
from pipeline.heads.folds import assign_folds
from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head, measure

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

    def fit(job: tuple[int, int, int]) -> Record | None:
        repeat, fold, number = job
        held_out = assignments[repeat] == fold
        asked = rows.take(held_out & rows.original)
        if not len(asked):
            return None
        recipe = replace(recipes[number], seed=recipes[number].seed + repeat)
        head = fit_head(rows.take(~held_out), recipe).head
        loss, accuracy = measure(head, asked)
        return Record(
            recipe=number, repeat=repeat, fold=fold, asked=len(asked), log_loss=loss,
            accuracy=accuracy,
        )  # fmt: skip

    assignments = [assign_folds(rows, folds, seed + repeat, OUTER) for repeat in range(repeats)]
    jobs = (
        (repeat, fold, number)
        for repeat in range(repeats)
        for fold in range(folds)
        for number in range(len(recipes))
    )
    with one_blas_thread():
        for record in on_all_cores(fit, jobs):
            if record is not None:
                yield record


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean, and the sample's standard deviation: 0 of a single value."""
    return fmean(values), stdev(values) if len(values) > 1 else 0.0
