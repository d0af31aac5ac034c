"""A head fitted and measured as one row of a study's results."""

import time

from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head, measure
from pipeline.params import HeadParams
from pipeline.studies.results import Result


def measure_head(recipe: str, train: Rows, val: Rows, settings: HeadParams) -> Result:
    """Fit a head to some rows, originals and copies, and ask it for the originals of val.

    Raises:
        HeadError: The settings do not lead to a head.
    """
    began = time.perf_counter()
    head = fit_head(train, Recipe.of(settings)).head
    seconds = time.perf_counter() - began
    asked = val.originals()
    log_loss, accuracy = measure(head, asked)
    return Result(
        recipe=recipe,
        images_a_class=int(train.original.sum()) / train.classes,
        seed=settings.seed,
        n=len(asked.labels),
        accuracy=accuracy,
        log_loss=log_loss,
        seconds=seconds,
    )
