"""What a study is: a module of this package with a function `run`, found under its name."""

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import Protocol

from pipeline import paths
from pipeline.errors import StudyError, did_you_mean
from pipeline.studies.results import Result, split_now, write_results
from pipeline.studies.task import Task

# Does it look at a backbone, or at the dataset alone?
STUDIES = {
    "scratch": False,
    "finetune": True,
    "learning_curve": True,
    "zero_shot": True,
    "bottleneck": True,
    "augmentation": True,
    "frontier": True,
    "advice": True,
}
OF_CANDIDATES = frozenset(
    {"frontier"}
)  # whose backbones studies/params.yaml names, not params.yaml


class Study(Protocol):
    """A module of this package."""

    def run(self, task: Task) -> Iterable[Result]:
        """Try the study's models, and say how each did on val."""
        ...


def run_study(name: str, task: Task) -> str:
    """Run a study, keep its results, and return the line to print.

    Raises:
        StudyError: No study has that name, a backbone is missing or too many, or no candidate.
        ParamsError: params.yaml has no such dataset or backbone.
        PipelineError: What the study raises.
    """
    if name not in STUDIES:
        raise StudyError(
            f"no study is called {name!r}. Known: {', '.join(STUDIES)}.{did_you_mean(name, STUDIES)}"
        )
    if not task.dataset or STUDIES[name] != bool(task.backbone):
        raise StudyError(
            f"study {name} takes DATASET{' BACKBONE' * STUDIES[name]}, "
            f"found {' '.join(filter(None, (task.dataset, task.backbone))) or 'neither'}."
        )
    task.params.dataset(task.dataset)
    if task.backbone:
        _check_backbone(name, task)
    study: Study = import_module(f"pipeline.studies.{name}")  # type: ignore[assignment]
    split = split_now(task.dataset)
    results = [replace(one, split=split) for one in study.run(task)]
    path = paths.results_file(name, task.dataset, task.backbone or None)
    write_results(path, results)
    lines = [f"{name}, {task.dataset} {task.backbone}".rstrip(), *map(_line, results)]
    conclude = getattr(study, "conclude", lambda task, results: "")  # most leave the reader to
    return "\n".join(filter(None, [*lines, conclude(task, results)]))


def _check_backbone(name: str, task: Task) -> None:
    if name not in OF_CANDIDATES:
        task.params.backbone(task.backbone)
        return
    known = task.settings.frontier.candidates
    if task.backbone not in known:
        raise StudyError(
            f"study {name} has no candidate {task.backbone!r}. Known: {', '.join(known)}."
            f"{did_you_mean(task.backbone, known)} (studies/params.yaml, {name}.candidates)"
        )


def _line(result: Result) -> str:
    seconds = "" if result.seconds is None else f", {result.seconds:.1f} s"
    return (
        f"  {result.recipe}: val accuracy {result.accuracy:.4f}, log loss {result.log_loss:.4f} "
        f"({result.n} images; seed {result.seed}; {result.images_a_class:g} a class{seconds})"
    )
