"""Study `augmentation`: what augmented copies buy on cached features, by their number and by their kind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.extraction.joint import JointExtractor
from pipeline.extraction.plan import Row, iterate_rows
from pipeline.heads.rows import Rows
from pipeline.manifest import CopyRow
from pipeline.params import AugmentParams, change_head
from pipeline.stages.augment import write_all_copies
from pipeline.studies.features import look_up
from pipeline.studies.heads import measure_head
from pipeline.studies.results import Result
from pipeline.studies.task import Task

NOTHING = {"rotate": 0.0, "shift": 0.0, "zoom": 0.0, "flip": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Copies that are made in one way.

    Attributes:
        name: What the way is called; empty where all changes are made.
        settings: The limits, and how many copies are made.
        counts: How many of them are tried.
    """

    name: str
    settings: AugmentParams
    counts: tuple[int, ...]


def run(task: Task) -> Iterator[Result]:
    """Fit the head of params.yaml to train with the copies of each trial, and ask it for val.

    Copies are made in a temporary folder and thrown away; their features stay in the store, and
    equal settings make equal copies, so nothing is computed twice.

    Raises:
        ManifestError: The tables or images are missing or damaged.
        HeadError: The head cannot be fitted.
    """
    settings, own = task.settings.augmentation, task.params
    originals = [row for row in iterate_rows(task.dataset) if row.copy == 0 and row.split != "test"]
    extractor = JointExtractor.of(task.backbone, own.backbone(task.backbone), own.extract)
    trials = plan_trials(own.augment, settings.copies, settings.alone)
    for trial in task.progress(iter(trials), len(trials)):
        with TemporaryDirectory() as folder:
            copies = list(write_all_copies(task.dataset, Path(folder), trial.settings))
            for count in trial.counts:
                some = [copy for copy in copies if copy.copy <= count]
                wanted = with_copies(originals, some, Path(folder))
                rows = side_by_side([look_up(wanted, one) for one in extractor.networks])
                for seed in range(own.head.seed, own.head.seed + settings.seeds):
                    head = change_head(own.head, {"seed": seed})
                    name = f"{_count_of(count)}{trial.name}"
                    yield measure_head(name, rows["train"], rows["val"], head)


def plan_trials(settings: AugmentParams, counts: Sequence[int], alone: int) -> list[Trial]:
    """Return what is tried: all changes of the settings, in several numbers, then each by itself."""

    def trial(name: str, counts: Sequence[int], **changes: object) -> Trial:
        made = settings.model_copy(update={**changes, "copies": max(counts)})
        return Trial(name=name, settings=made, counts=tuple(counts))

    changes = [name for name, nothing in NOTHING.items() if getattr(settings, name) != nothing]
    return [
        trial("", (0, *counts)),
        *(
            trial(
                f", {one} alone",
                (alone,),
                **{name: NOTHING[name] for name in NOTHING if name != one},
            )
            for one in changes
        ),
    ]


def side_by_side(networks: Sequence[dict[str, Rows]]) -> dict[str, Rows]:
    """Return the rows of each split with the features of all networks, given those of each."""
    first, *others = networks
    if not others:
        return first
    return {
        split: replace(
            rows, features=np.hstack([rows.features, *(one[split].features for one in others)])
        )
        for split, rows in first.items()
    }


def with_copies(originals: Iterable[Row], copies: Iterable[CopyRow], folder: Path) -> list[Row]:
    """Return each original and then its copies, which lie under a folder."""
    of_parent: dict[str, list[CopyRow]] = {}
    for copy in copies:
        of_parent.setdefault(copy.parent, []).append(copy)
    rows = []
    for row in originals:
        rows.append(row)
        rows += [
            row._replace(sha256=one.sha256, copy=one.copy, path=one.path, folder=folder)
            for one in of_parent.get(row.sha256, ())
        ]
    return rows


def _count_of(copies: int) -> str:
    return f"{copies or 'no'} cop{'y' if copies == 1 else 'ies'}"
