"""What all studies found about a dataset, put together: a row a model, its seeds in one."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.metrics import wilson_interval
from pipeline.params import Params
from pipeline.studies.pareto import mark_pareto
from pipeline.studies.results import Result, read_results, split_now
from pipeline.studies.study import OF_CANDIDATES, STUDIES

if TYPE_CHECKING:  # so that the settings of one study change no other
    from pipeline.studies.settings import StudiesParams

MEASURED, QUOTED = "measured here", "quoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How one model did on val, over all its seeds.

    Attributes:
        study: Name.
        backbone: Name in params.yaml, of a candidate, or empty.
        recipe: What was tried, in words.
        images_a_class: Training images that a class had on average.
        seeds: How many models were trained alike.
        n: How many val images each was asked for.
        accuracy: Mean over the seeds.
        accuracy_low, accuracy_high: 95 %, by Wilson, of so many images; None: not known.
        log_loss: Mean over the seeds, nats; None: not known.
        seconds: Mean over the seeds; None: not measured.
        is_on_front: Of the frontier: no other is as fast and as accurate, or better.
        source: Was it measured here, or is it quoted?
    """

    study: str
    backbone: str
    recipe: str
    images_a_class: float
    seeds: int
    n: int
    accuracy: float
    accuracy_low: float | None
    accuracy_high: float | None
    log_loss: float | None
    seconds: float | None
    is_on_front: bool | None = None
    source: str = MEASURED


def _quote(recipe: str, accuracy: float) -> Entry:
    return Entry(
        study="Keras blog", backbone="", recipe=recipe, images_a_class=1000, seeds=1, n=800,
        accuracy=accuracy, accuracy_low=None, accuracy_high=None, log_loss=None, seconds=None,
        source=QUOTED,
    )  # fmt: skip


# Chollet 2016, "Building powerful image classification models using very little data": Kaggle's cats
# and dogs, 1,000 training images a class, 400 others of each asked.
QUOTATIONS = {
    "cats_vs_dogs": (
        _quote("a small network from nothing", 0.80),
        _quote("a head on VGG16's features", 0.90),
        _quote("VGG16, its last block fine-tuned", 0.94),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the studies found about a dataset.

    Attributes:
        entries: The models, study by study.
        missing: Results that are not there, as arguments of the command.
        of_other_split: Results that ask about other images than are val now, and are left out.
        without_row: Results that hold no model, since there was nothing to try.
    """

    entries: Sequence[Entry]
    missing: Sequence[str]
    of_other_split: Sequence[str]
    without_row: Sequence[str]


def gather(dataset: str, params: Params, settings: "StudiesParams") -> Found:
    """Read what the studies found about a dataset.

    Raises:
        StudyError: A table is damaged.
    """
    entries, missing, of_other_split, without_row = [], [], [], []
    split = split_now(dataset)
    for study, of_backbones in STUDIES.items():
        found = []
        for name in _second_names(study, of_backbones, params, settings):
            path = paths.results_file(study, dataset, name or None)
            arguments = " ".join(filter(None, (study, dataset, name)))
            results = read_results(path) if path.is_file() else None
            if results is None:
                missing.append(arguments)
            elif any(one.split not in ("", split) for one in results):
                of_other_split.append(arguments)
            elif results:
                found += list(merge_seeds(study, name, results))
            else:
                without_row.append(arguments)
        entries += mark_front(found) if study in OF_CANDIDATES else found
    return Found(
        entries=entries, missing=missing, of_other_split=of_other_split, without_row=without_row
    )


def _second_names(
    study: str, of_backbones: bool, params: Params, settings: "StudiesParams"
) -> Iterable[str]:
    if study in OF_CANDIDATES:
        return settings.frontier.candidates
    return params.backbones if of_backbones else [""]


def merge_seeds(study: str, backbone: str, results: Iterable[Result]) -> Iterator[Entry]:
    """Make one row of those that differ in their seed alone, in the order in which each first came."""
    kinds: dict[tuple[str, float], list[Result]] = {}
    for one in results:
        kinds.setdefault((one.recipe, round(one.images_a_class)), []).append(one)
    for some in kinds.values():
        first, count = some[0], len(some)
        accuracy = sum(one.accuracy for one in some) / count
        low, high = wilson_interval(accuracy * first.n, first.n)
        seconds = [one.seconds for one in some if one.seconds is not None]
        yield Entry(
            study=study,
            backbone=backbone,
            recipe=first.recipe,
            images_a_class=sum(one.images_a_class for one in some) / count,
            seeds=count,
            n=first.n,
            accuracy=accuracy,
            accuracy_low=low,
            accuracy_high=high,
            log_loss=sum(one.log_loss for one in some) / count,
            seconds=sum(seconds) / len(seconds) if seconds else None,
        )


def mark_front(entries: list[Entry]) -> list[Entry]:
    """Mark the candidates that no other beats."""
    points = [(one.seconds or 0.0, one.accuracy) for one in entries]
    marks = mark_pareto(points)
    return [replace(one, is_on_front=mark) for one, mark in zip(entries, marks, strict=True)]


def to_csv(entries: Iterable[Entry]) -> str:
    """Return a table, a row a model; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Entry)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in entries)
    return text.getvalue()
