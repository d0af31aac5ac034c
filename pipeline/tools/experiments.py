"""What came of the experiments that DVC knows: a result for each one's datasets and backbones."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.experiments.serialize import ExpState
from dvc.utils.flatten import flatten
from scmrepo.exceptions import SCMError

from pipeline import paths
from pipeline.errors import ExperimentsError, did_you_mean
from pipeline.tools.lock_file import LockFile, read_stages

WORKSPACE, HEAD = "workspace", "HEAD"
DONE = "done"
FIGURES = ("accuracy", "accuracy_low", "accuracy_high", "log_loss", "n")  # of `val`


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an experiment does on one dataset with one backbone.

    Attributes:
        experiment: Its name. The workspace and commits are rows too: `workspace`, `HEAD`, and of
            other commits the branch, tag or short hash.
        revision: Its commit (40 hexadecimal digits), or `workspace`.
        base: The commit that it started from; None for the workspace and commits.
        created: When its commit was made, local time; None for the workspace.
        state: `done`, `queued`, `running`, `failed`, or why it has no figures. There are figures if
            it is `done`, and only then.
        settings: What differs from HEAD's params.yaml, by dotted key; None where it lacks a key
            of HEAD's, or where the value is null.
        dataset: Name; None if its params.yaml cannot tell.
        backbone: Name; None if its params.yaml cannot tell.
        images: DVC's hash of the folder of all images by split and class, as dvc.lock has it; where it
            differs, other images were asked about, or under other labels. None where there is none.
        inputs: A digest of what was split: archive and corrected labels. None where it is not known.
        n: Images of split `val`.
        accuracy: Of split `val`, 0..1, with the bounds of its 95 % interval.
        accuracy_low: Lower bound.
        accuracy_high: Upper bound.
        log_loss: Of split `val`, nats.
        compares: Whether the figures are of the same images as HEAD's (the workspace's, where HEAD has
            no figures).
        is_best: Whether none of those that compare does better on the dataset: by the highest accuracy,
            among equals by the lowest log loss. Equals share it.
    """

    experiment: str
    revision: str
    base: str | None
    created: datetime | None
    state: str
    settings: Mapping[str, Any]
    dataset: str | None = None
    backbone: str | None = None
    images: str | None = None
    inputs: str | None = None
    n: int | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    log_loss: float | None = None
    compares: bool = True
    is_best: bool = False


def read_results(commits: int = 1, *, all_commits: bool = False) -> list[Result]:
    """Ask DVC for the workspace, for commits, and for the experiments that started from them.

    DVC keeps what it read of a commit, so only the first time costs (docs/experiments.md).
    `dvc.api.exp_show` asks the same, but says older times to the day and leaves the errors out.

    Args:
        commits: How many of the newest commits, HEAD the first, >= 1.
        all_commits: Take every commit of every branch and tag.

    Raises:
        ExperimentsError: There is no repository of git and DVC, or no commit in it.
    """
    try:
        with Repo() as repo:
            states = repo.experiments.show(revs=[HEAD], num=commits, all_commits=all_commits)
            if not states:
                raise _no_repository("there is no commit yet")
            done = [one for _, _, one, progress in _experiments(states) if progress == DONE]
            locks = {one.rev: _read_lock(repo, one) for one in done}
    except (DvcException, SCMError) as error:
        raise _no_repository(str(error)) from None
    return results_of(states, locks)


def results_of(
    states: Sequence[ExpState], locks: Mapping[str, LockFile] = MappingProxyType({})
) -> list[Result]:
    """Turn what DVC knows into results.

    Args:
        states: As `Repo.experiments.show` returns them: the workspace, HEAD's commit, then any
            other commits; each commit with the experiments that started from it.
        locks: By revision, what tells whether the metrics there were made with its settings.
    """
    head = _settings(states[1])
    results: list[Result] = []
    for name, base, state, progress in _experiments(states):
        settings = _settings(state)
        common = Result(
            experiment=name,
            revision=state.rev,
            base=base,
            created=state.data.timestamp if state.data else None,
            state=progress,
            settings=_differences(settings, head) if state.data else {},
        )
        results += _results(common, state, locks.get(state.rev))
    return _mark_best(results)


def select_results(
    results: Sequence[Result], dataset: str | None, backbone: str | None
) -> list[Result]:
    """Return the results of one dataset, of one backbone, or of both; None is any.

    Raises:
        ExperimentsError: No experiment has such a dataset or backbone.
    """
    for name, known in (
        (dataset, {one.dataset for one in results}),
        (backbone, {one.backbone for one in results}),
    ):
        names = sorted(filter(None, known))
        if name is not None and name not in names:
            raise ExperimentsError(
                f"no experiment has {name!r}. Known: {', '.join(names)}.{did_you_mean(name, names)}"
            )
    return [
        one
        for one in results
        if dataset in (None, one.dataset) and backbone in (None, one.backbone)
    ]


def sort_results(results: Sequence[Result], order: str) -> list[Result]:
    """Sort by dataset, and within a dataset by `order`, a key of ORDERS."""
    key = ORDERS[order]
    return sorted(results, key=lambda one: (one.dataset is None, one.dataset or "", key(one)))


def merit(accuracy: float | None, log_loss: float | None) -> tuple[float, float]:
    """Return a key that is lowest for the best; without figures it is infinite."""
    if accuracy is None or log_loss is None:
        return math.inf, math.inf
    return -accuracy, log_loss


def _merit(result: Result) -> tuple[float, float]:
    return merit(result.accuracy, result.log_loss)


def _age(result: Result) -> float:
    """Return a key that is lowest for the newest; the workspace is newer than any commit."""
    return -result.created.timestamp() if result.created else -math.inf


ORDERS: dict[str, Callable[[Result], Any]] = {
    "accuracy": _merit,
    "log_loss": lambda result: _merit(result)[::-1],
    "name": lambda result: (result.experiment, result.backbone or ""),
    "created": _age,
}


def _experiments(
    states: Sequence[ExpState],
) -> Iterator[tuple[str, str | None, ExpState, str]]:
    """Yield name, base, what DVC knows of it, and its progress."""
    names = {0: WORKSPACE, 1: HEAD}
    for place, baseline in enumerate(states):
        yield names.get(place) or baseline.name or baseline.rev[:7], None, baseline, DONE
        for one in baseline.experiments or ():
            state, progress = one.revs[0], one.executor.state if one.executor else "success"
            progress = DONE if progress == "success" else progress
            yield state.name or state.rev[:7], baseline.rev, state, progress


def _results(common: Result, state: ExpState, lock: LockFile | None) -> Iterator[Result]:
    """Yield a result for each dataset and backbone of the experiment's own params.yaml, or one without."""
    params = _params(state)
    pairs = list(product(params.get("datasets") or (), params.get("backbones") or ()))
    if not pairs:
        fault = state.error.msg if state.error else "params.yaml names no dataset and backbone"
        yield replace(common, state=fault if common.state == DONE else common.state)
    for dataset, backbone in pairs:
        file = paths.metrics_file(dataset, backbone).as_posix()
        figures: dict[str, Any]
        if common.state != DONE:
            figures = {}  # the files that DVC shows are still those of its base
        elif lock is not None and not lock.is_current(file):
            figures = {"state": "not run with these settings"}
        else:
            figures = _figures(state.data.metrics.get(file, {}))
            if "state" not in figures and lock is not None and not lock.is_as_made(file):
                figures = {"state": "not the metrics of dvc.lock"}
        folder = paths.split_folder(dataset).as_posix()
        images = state.data.outs.get(folder) if state.data else None
        yield replace(
            common,
            dataset=dataset,
            backbone=backbone,
            settings=_settings_for(dataset, backbone, common.settings),
            images=images.hash if images else None,
            inputs=lock.inputs_of(folder) if lock else None,
            **figures,
        )


def _settings_for(dataset: str, backbone: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings of other datasets and backbones."""
    own = {"datasets": dataset, "backbones": backbone}
    return {
        key: value
        for key, value in settings.items()
        if (section := key.split(".")[0]) not in own or key.startswith(f"{section}.{own[section]}.")
    }


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a metrics file by name, or a `state` that says why there are none.

    Args:
        found: What DVC read: `data`, or the `error` that kept it from reading.
    """
    if not found.get("data"):
        missing = isinstance(found.get("error", FileNotFoundError()), FileNotFoundError)
        return {"state": "no metrics" if missing else "damaged metrics"}
    val = found["data"].get("val") or {}
    lacking = [name for name in FIGURES if not isinstance(val.get(name), int | float)]
    if lacking:
        return {"state": f"no val.{lacking[0]} in the metrics"}
    return {name: val[name] for name in FIGURES}


def _read_lock(repo: Repo, state: ExpState) -> LockFile:
    """Return the dvc.lock of a state beside its settings; where it cannot be read, one of no stage.

    Changed data and code of the workspace are not looked for: reading all of it would take as long as
    `dvc status`.
    """
    here = Path(repo.root_dir)
    folder = here.relative_to(repo.scm.root_dir)

    def read(path: str) -> bytes | None:
        try:
            if state.rev == WORKSPACE:
                return (here / path).read_bytes()
            with repo.scm.get_fs(state.rev).open((folder / path).as_posix(), "rb") as stream:
                return bytes(stream.read())
        except OSError:
            return None

    try:
        text = (read(paths.LOCK.as_posix()) or b"").decode()
    except UnicodeDecodeError:
        text = ""
    return LockFile(read_stages(text), _params(state), read)


def _params(state: ExpState) -> dict[str, Any]:
    """Return what params.yaml holds at a state; nothing if it cannot be read."""
    files = state.data.params if state.data else {}
    found = files.get(str(paths.PARAMS), {}).get("data")
    return found if isinstance(found, dict) else {}


def _settings(state: ExpState) -> dict[str, Any]:
    """Return the settings by dotted key."""
    return dict(flatten(_params(state)))


def _differences(settings: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    missing = object()
    return {
        key: settings.get(key)
        for key in sorted(settings.keys() | base.keys())
        if settings.get(key, missing) != base.get(key, missing)
    }


def _mark_best(results: Sequence[Result]) -> list[Result]:
    """Tell which results were asked about the same images, and which of these are the best."""
    asked: dict[str | None, str | None] = {}
    for one in sorted(
        results, key=lambda one: (one.experiment != HEAD, one.experiment != WORKSPACE)
    ):
        if one.state == DONE:
            asked.setdefault(one.dataset, one.images)
    compared = [
        replace(one, compares=one.state != DONE or one.images == asked[one.dataset])
        for one in results
    ]
    best: dict[str | None, tuple[float, float]] = {}
    for one in compared:
        if one.compares:
            best[one.dataset] = min(_merit(one), best.get(one.dataset, (math.inf, math.inf)))
    return [
        replace(
            one,
            is_best=one.compares and one.accuracy is not None and _merit(one) == best[one.dataset],
        )
        for one in compared
    ]


def _no_repository(fault: str) -> ExperimentsError:
    return ExperimentsError(
        f"the experiments cannot be listed: {fault.rstrip('.')}. Expected a git repository with a "
        "commit, in which DVC works (`bottleneck doctor`)."
    )
