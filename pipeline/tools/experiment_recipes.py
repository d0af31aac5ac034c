"""What came of each recipe: the experiments that differ in their seeds alone, taken together."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from operator import itemgetter
from statistics import fmean
from typing import Any

from pipeline.tools.experiments import DONE, HEAD, ORDERS, WORKSPACE, Result, merit

SEEDS = ("split.seed", "augment.seed", "head.seed")
# Keys and sections that decide no figure.
UNDECIDING = ("extract.ray", "extract.runner", "features", "report", "runners", "synsets")
Key = tuple[tuple[str, ...], str | None]  # the seeds that differ from HEAD's, and the images
Keys = frozenset[Key]
Draws = Mapping[Key, Result]


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
        more: With how many seeds more there are figures that are left out, so that it compares.
        other_inputs: Whether another archive or other corrected labels were split than HEAD's.
        compares: Whether the figures are of the same seeds and images as those of the others that
            compare: the most seeds that two recipes of the dataset have, else those of the one with most.
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
    more: int = 0
    other_inputs: bool = False
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
    groups: dict[tuple[str, str, Hashable, str | None], list[Result]] = {}
    inputs: dict[str, str | None] = {}
    for one in sorted(results, key=lambda one: (one.experiment != HEAD, ORDERS["created"](one))):
        if one.experiment != WORKSPACE and one.dataset is not None and one.backbone is not None:
            settings = frozenset((key, _hashable(value)) for key, value in _recipe(one).items())
            key = (one.dataset, one.backbone, settings, one.inputs)
            groups.setdefault(key, []).append(one)
            inputs.setdefault(one.dataset, one.inputs)  # HEAD comes first
    return [
        recipe
        for dataset, of_head in sorted(inputs.items())
        for recipe in _rank([of for key, of in groups.items() if key[0] == dataset], of_head)
    ]


def _recipe(result: Result) -> dict[str, Any]:
    """Return the settings that make a recipe."""
    return {
        key: value
        for key, value in result.settings.items()
        if key not in SEEDS and not f"{key}.".startswith(tuple(f"{one}." for one in UNDECIDING))
    }


def _hashable(value: Any) -> Hashable:
    """Return what equals another where the settings do, as 0 and 0.0."""
    return value if isinstance(value, Hashable) else repr(value)


def _seeds(result: Result) -> tuple[str, ...]:
    """Return the seeds that differ from HEAD's."""
    return tuple(f"{key}={result.settings[key]}" for key in SEEDS if key in result.settings)


def _rank(groups: Sequence[Sequence[Result]], inputs: str | None) -> list[Recipe]:
    """Return the recipes of a dataset, sorted, with what compares and which are the best of these.

    Args:
        groups: The results of each, HEAD's first, then the newest.
        inputs: HEAD's.
    """
    draws = [_one_a_seed(results) for results in groups]
    common = _find_common([one for one in draws if one])
    recipes = [
        replace(_take_together(results, of, common), other_inputs=results[0].inputs != inputs)
        for results, of in zip(groups, draws, strict=True)
    ]
    merits = [merit(one.accuracy, one.log_loss) for one in recipes]
    told = [one for one in zip(merits, recipes, strict=True) if one[1].seeds]
    compared = [key for key, one in told if one.compares]
    best = min(compared) if len(compared) > 1 or len(told) == 1 else None
    return [
        replace(one, is_best=one.compares and key == best)
        for key, one in sorted(zip(merits, recipes, strict=True), key=itemgetter(0))
    ]


def _find_common(draws: Sequence[Draws]) -> Keys:
    """Return the most draws that two recipes have; where no two share one, those of the recipe with most."""
    own = [frozenset(one) for one in draws]
    shared = [one & other for one, other in combinations(own, 2)]
    best = max(shared, key=lambda one: (len(one), sum(one <= other for other in own)), default=None)
    return best or max(own, key=len, default=frozenset())


def _one_a_seed(results: Sequence[Result]) -> Draws:
    """Return the results with figures by seeds and images; of several with the same seeds the first."""
    first: dict[tuple[str, ...], Result] = {}
    for one in results:
        if one.state == DONE:
            first.setdefault(_seeds(one), one)
    return {(seeds, one.images): one for seeds, one in first.items()}


def _take_together(results: Sequence[Result], draws: Draws, common: Keys) -> Recipe:
    """Return what came of one recipe: of the draws that are common, where it has them all."""
    first = results[0]
    compares = common <= draws.keys()
    chosen = [one for draw, one in draws.items() if not compares or draw in common]
    recipe = Recipe(
        dataset=first.dataset or "",
        backbone=first.backbone or "",
        settings=_recipe(first),
        experiments=tuple(one.experiment for one in chosen),
        seeds=len(chosen),
        more=len(draws) - len(chosen),
        unfinished=len({_seeds(one) for one in results} - {seeds for seeds, _ in draws}),
        compares=compares or not draws,
    )
    figures = [(one.n or 0, one.accuracy or 0.0, one.log_loss or 0.0) for one in chosen]
    if not figures:
        return recipe
    counts, accuracies, log_losses = zip(*figures, strict=True)
    return replace(
        recipe,
        n=sum(counts),
        wrong=sum(round(n * (1 - accuracy)) for n, accuracy, _ in figures),
        accuracy=fmean(accuracies),
        accuracy_lowest=min(accuracies),
        accuracy_highest=max(accuracies),
        log_loss=fmean(log_losses),
    )
