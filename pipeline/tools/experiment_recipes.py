"""What came of each recipe: the experiments that differ in their seeds alone, taken together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from statistics import fmean
from typing import Any

from pipeline.tools.experiments import DONE, HEAD, ORDERS, WORKSPACE, Result, merit

SEEDS = ("split.seed", "augment.seed", "head.seed")
Draws = frozenset[
    tuple[tuple[str, ...], str | None]
]  # seeds that differ from HEAD's, and the images


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How experiments do on one dataset with one backbone whose settings are the same but for SEEDS.

    Attributes:
        dataset: Name.
        backbone: Name.
        settings: What differs from HEAD's params.yaml, by dotted key, without SEEDS.
        experiments: Whose figures these are, a name a seed.
        seeds: With how many seeds there are figures.
        unfinished: With how many more it was tried, and there are none.
        n: Images of split `val`, of all seeds together: one that several drew counts each time.
        wrong: How many of these it got wrong.
        accuracy: Of split `val`, 0..1, the mean over the seeds; None where there are no figures.
        accuracy_lowest: Of the seeds.
        accuracy_highest: Of the seeds.
        log_loss: Of split `val`, nats, the mean over the seeds.
        compares: Whether it has the same seeds, and was asked about the same images, as the recipe of the
            dataset that has most seeds (of several, HEAD's or else the newest).
        is_best: Whether none of those that compare does better on the dataset: by the highest mean
            accuracy, among equals by the lowest log loss. Equals share it. Nothing is the best where
            there are others and none of them compares.
    """

    dataset: str
    backbone: str
    settings: Mapping[str, Any]
    experiments: tuple[str, ...]
    seeds: int
    unfinished: int
    n: int = 0
    wrong: int = 0
    accuracy: float | None = None
    accuracy_lowest: float | None = None
    accuracy_highest: float | None = None
    log_loss: float | None = None
    compares: bool = True
    is_best: bool = False


def collect_recipes(results: Iterable[Result]) -> list[Recipe]:
    """Take the results together, commits' too, that differ in their seeds alone, and not in what was split.

    Of several with the same settings, inputs and seeds HEAD's counts, else the newest. The workspace is
    left out, which mostly holds one of the others, and what names no dataset.

    Returns:
        Sorted by dataset, in each by accuracy, among equals by log loss; without figures last.
    """
    groups: dict[tuple[str, str, str, object], list[Result]] = {}
    for one in sorted(results, key=lambda one: (one.experiment != HEAD, ORDERS["created"](one))):
        if one.experiment != WORKSPACE and one.dataset is not None and one.backbone is not None:
            key = (one.dataset, one.backbone, repr(_without_seeds(one)), one.inputs)
            groups.setdefault(key, []).append(one)
    found: dict[str, list[tuple[Recipe, Draws]]] = {}
    for (dataset, backbone, *_), of in groups.items():
        found.setdefault(dataset, []).append(_take_together(dataset, backbone, of))
    return [one for dataset in sorted(found) for one in _rank(found[dataset])]


def _without_seeds(result: Result) -> dict[str, Any]:
    return {key: value for key, value in result.settings.items() if key not in SEEDS}


def _seeds(result: Result) -> tuple[str, ...]:
    """Return the seeds that differ from HEAD's."""
    return tuple(f"{key}={result.settings[key]}" for key in SEEDS if key in result.settings)


def _take_together(dataset: str, backbone: str, results: Sequence[Result]) -> tuple[Recipe, Draws]:
    """Return what came of one recipe, and what it was drawn from."""
    done: dict[tuple[str, ...], Result] = {}
    for one in results:
        if one.state == DONE:
            done.setdefault(_seeds(one), one)
    recipe = Recipe(
        dataset=dataset,
        backbone=backbone,
        settings=_without_seeds(results[0]),
        experiments=tuple(one.experiment for one in done.values()),
        seeds=len(done),
        unfinished=len({_seeds(one) for one in results} - done.keys()),
    )
    figures = [(one.n or 0, one.accuracy or 0.0, one.log_loss or 0.0) for one in done.values()]
    if figures:
        counts, accuracies, log_losses = zip(*figures, strict=True)
        recipe = replace(
            recipe,
            n=sum(counts),
            wrong=sum(round(n * (1 - accuracy)) for n, accuracy, _ in figures),
            accuracy=fmean(accuracies),
            accuracy_lowest=min(accuracies),
            accuracy_highest=max(accuracies),
            log_loss=fmean(log_losses),
        )
    return recipe, frozenset((seeds, one.images) for seeds, one in done.items())


def _rank(found: Sequence[tuple[Recipe, Draws]]) -> list[Recipe]:
    """Mark which recipes of a dataset compare, and which are the best of these, and sort them."""
    most = max((draws for _, draws in found), key=len)
    recipes = [replace(one, compares=not draws or draws == most) for one, draws in found]
    merits = [merit(one.accuracy, one.log_loss) for one in recipes]
    told = [one for one in zip(merits, recipes, strict=True) if one[1].seeds]
    compared = [key for key, one in told if one.compares]
    best = min(compared) if len(compared) > 1 or len(told) == 1 else None
    return [
        replace(one, is_best=one.compares and key == best)
        for key, one in sorted(zip(merits, recipes, strict=True), key=itemgetter(0))
    ]
