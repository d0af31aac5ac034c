"""How well many heads do on folds of the same images: networks of one shape share their batches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HeadError
from pipeline.heads.folds import assign_folds
from pipeline.heads.head import Head
from pipeline.heads.kind import known_kinds
from pipeline.heads.networks import MAY_DIFFER, TrainingSettings, train_networks
from pipeline.heads.rows import Rows, Scaler, Tensors
from pipeline.heads.training import DIGITS, Recipe, fit_head, measure
from pipeline.selection.crossvalidation import OUTER, mean_and_deviation, tell_never_asked
from pipeline.selection.processes import fit_in_processes

BLOCK_WEIGHTS = 3 << 18  # numbers: 6 MB a core, and as much for gradients and for each moment
MOST_TOGETHER = 64  # heads of a block

Block = tuple[Recipe, ...]
Figures = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How heads by one recipe did on the folds: means and deviations over these; NaN without heads.

    Attributes:
        log_loss: In nats.
        log_loss_sd: Its standard deviation.
        accuracy: Share of the originals that was right.
        accuracy_sd: Its standard deviation.
        fault: Why a head cannot be fitted; empty where it can.
    """

    log_loss: float = math.nan
    log_loss_sd: float = math.nan
    accuracy: float = math.nan
    accuracy_sd: float = math.nan
    fault: str = ""


def score_recipes(
    rows: Rows, recipes: Sequence[Recipe], folds: int, seed: int
) -> Iterator[list[tuple[Recipe, Score]]]:
    """Fit heads by each recipe to all folds but one in turn, and ask them for the originals of that one.

    No head depends on those tried beside it, but for rounding in the last bits, which its saved
    form does not have. Heads are dropped as soon as they are measured.

    Args:
        rows: Training rows alone, so that val stays for the winner.
        recipes: Different ones; what stops training early or begins it anew should be off.
        folds: How many, 2 or more.
        seed: Of the folds.

    Yields:
        The scores of some of them, block by block.

    Raises:
        HeadError: There are too few images to hold some out.
    """
    fold = assign_folds(rows, folds, seed, OUTER)
    numbers = np.unique(fold[(fold >= 0) & rows.original]).tolist()
    if not numbers:
        raise HeadError(
            f"cannot compare heads: of {len(rows)} training images none can be held out in {folds} "
            "folds, because every class has all its images in one. Take more images."
        )

    tell_never_asked(rows, [fold])
    blocks = make_blocks(recipes, rows.width, rows.classes)
    jobs = ((block, fold == number) for block in blocks for number in numbers)
    results = fit_in_processes(_try_on_fold, rows, jobs)
    for block in blocks:
        of_folds = [next(results) for _ in numbers]
        yield list(zip(block, map(_score, zip(*of_folds, strict=True)), strict=True))


def make_blocks(recipes: Sequence[Recipe], width: int, classes: int) -> list[Block]:
    """Put recipes together whose heads can be trained on the same batches, some heads a block.

    A few heads of 128 units take less time together than alone, many more: their weights leave
    the core's cache between steps. Linear heads, which are small, gain by each other. A kind that
    is not trained by gradient descent has blocks of one.
    """
    alike: dict[Recipe, list[Recipe]] = {}
    for recipe in recipes:
        alike.setdefault(_without_what_may_differ(recipe), []).append(recipe)
    blocks: list[Block] = []
    for some in alike.values():
        shapes = known_kinds()[some[0].kind].shapes(some[0].own, 1, width, classes)
        weights = sum(math.prod(shape) for shape in shapes.values())
        most = min(MOST_TOGETHER, max(1, BLOCK_WEIGHTS // weights))
        count = -(-len(some) // most)
        blocks += [tuple(some[place::count]) for place in range(count)]
    return blocks


def fit_block(rows: Rows, block: Block) -> list[Head]:
    """Fit the heads of a block, each as `fit_head` would fit it alone.

    Raises:
        HeadError: One of them cannot be fitted.
    """
    first = block[0]
    if not isinstance(first.own, TrainingSettings):
        return [fit_head(rows, recipe).head for recipe in block]
    scaler = Scaler.fit(first.scaling, rows.features)
    own = [recipe.own for recipe in block if isinstance(recipe.own, TrainingSettings)]
    trained: list[Tensors] = []
    for trained in train_networks(rows, scaler, own, first.seed):  # noqa: B007 (the last counts)
        pass
    return [
        Head(kind=first.kind, settings=one, scaler=scaler, tensors=tensors).rounded()
        for one, tensors in zip(own, trained, strict=True)
    ]


def _without_what_may_differ(recipe: Recipe) -> Recipe:
    if not isinstance(recipe.own, TrainingSettings):
        return recipe
    names = MAY_DIFFER & type(recipe.own).model_fields.keys()
    return replace(recipe, own=recipe.own.model_copy(update=dict.fromkeys(names)))


def _try_on_fold(rows: Rows, job: tuple[Block, NDArray[np.bool_]]) -> list[Figures | str]:
    block, held_out = job
    with np.errstate(all="ignore"):  # a head that diverges is found by its weights
        return _try_block(block, rows.take(~held_out), rows.take(held_out & rows.original))


def _try_block(block: Block, kept: Rows, asked: Rows) -> list[Figures | str]:
    """Return log loss and accuracy of each head on one fold, or why there is none."""
    try:
        return [measure(head, asked) for head in fit_block(kept, block)]
    except HeadError as error:
        if len(block) == 1:
            return [str(error)]
    middle = len(block) // 2  # the others are not to blame: find the one that is
    return [
        one for half in (block[:middle], block[middle:]) for one in _try_block(half, kept, asked)
    ]


def _score(of_folds: Sequence[Figures | str]) -> Score:
    figures: list[Figures] = []
    for one in of_folds:
        if isinstance(one, str):
            return Score(fault=one)
        if not np.isfinite(one).all():
            return Score(fault="training diverged: the head's probabilities are no numbers")
        figures.append(one)
    loss, accuracy = (mean_and_deviation(values) for values in zip(*figures, strict=True))
    return Score(
        log_loss=round(loss[0], DIGITS),
        log_loss_sd=round(loss[1], DIGITS),
        accuracy=round(accuracy[0], DIGITS),
        accuracy_sd=round(accuracy[1], DIGITS),
    )
