"""Is an experiment really better than another? Their predictions, image by image, and the answer in words."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from scmrepo.exceptions import SCMError

from pipeline import paths
from pipeline.comparison import SIGNIFICANT, Comparison, compare_predictions
from pipeline.errors import ExperimentsError, PredictionsError, did_you_mean
from pipeline.predictions import Predictions, join_predictions
from pipeline.predictions_file import parse_blocks
from pipeline.tools.experiment_table import LONGEST_VALUE, describe_settings
from pipeline.tools.experiments import DONE, WORKSPACE, Result

HELD = ", as where the workspace holds that very experiment: --against HEAD compares with the last commit"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How an experiment compares with another on the images of split `val`.

    Attributes:
        first: What the experiment is called: its settings, if any, and its name.
        second: What the other one is called.
        dataset: Name.
        backbone: Name.
        comparison: Of the first with the second.
        same: Are the predictions of both the same numbers?
        of_workspace: Is one of them the workspace?
    """

    first: str
    second: str
    dataset: str
    backbone: str
    comparison: Comparison
    same: bool
    of_workspace: bool

    def __str__(self) -> str:
        """Say it in words."""
        found = self.comparison
        lines = [
            f"{self.dataset}, {self.backbone}: {self.first} against {self.second}, {found.n} images of val",
            f"  accuracy: {describe_accuracy(found)}",
            f"  log loss: {describe_log_loss(found)}",
        ]
        if self.same:
            lines.append("  both say the same of every image" + (HELD if self.of_workspace else ""))
        if found.only_first or found.only_second:
            lines.append(
                f"  not compared: {found.only_first} images of the one and {found.only_second} of the "
                "other, which are not in both, or not under the same label"
            )
        return "\n".join(lines)


def compare_experiments(
    results: Sequence[Result],
    name: str,
    against: str,
    dataset: str | None = None,
    backbone: str | None = None,
) -> Iterator[Answer]:
    """Compare two experiments on each dataset and backbone that both have.

    Args:
        results: Those among which the two are.
        name: An experiment's name, `workspace`, `HEAD`, or the beginning of a commit's hash.
        against: The other one.
        dataset: This one alone; None: all.
        backbone: This one alone; None: all.

    Raises:
        ExperimentsError: One is not there or not done, or they have no dataset and backbone in common.
        PredictionsError: A table of predictions cannot be had.
    """
    first, second = find_experiment(results, name), find_experiment(results, against)
    asked_for = [
        pair
        for pair in dict.fromkeys([*first, *second])
        if dataset in (None, pair[0]) and backbone in (None, pair[1])
    ]
    common = [pair for pair in asked_for if pair in first and pair in second]
    done = [pair for pair in common if first[pair].state == second[pair].state == DONE]
    if left_out := [pair for pair in asked_for if pair not in done] if done else []:
        log.warning("not compared, since not both have figures: %s", _list_pairs(left_out))
    if not common:
        asked = " with ".join(filter(None, (dataset, backbone))) or "any dataset and backbone"
        raise ExperimentsError(
            f"{name} and {against} do not both have {asked}: {name} has {_list_pairs(first)}; {against} has "
            f"{_list_pairs(second)}."
        )
    for dataset, backbone in done or common:  # where none is done, to read the first says why
        one, other = first[dataset, backbone], second[dataset, backbone]
        ours = read_val_predictions(one, dataset, backbone)
        theirs = read_val_predictions(other, dataset, backbone)
        yield Answer(
            first=_title(one),
            second=_title(other),
            dataset=dataset,
            backbone=backbone,
            comparison=compare_predictions(ours, theirs),
            same=ours.sha256 == theirs.sha256
            and np.array_equal(ours.probabilities, theirs.probabilities),
            of_workspace=WORKSPACE in (one.experiment, other.experiment),
        )


def find_experiment(results: Sequence[Result], name: str) -> dict[tuple[str, str], Result]:
    """Return an experiment's results by dataset and backbone.

    Raises:
        ExperimentsError: No experiment, or more than one, has the name.
    """
    found = [one for one in results if one.experiment == name]
    found = found or [one for one in results if len(name) >= 4 and one.revision.startswith(name)]
    revisions = {one.revision for one in found}
    if not found:
        known = list(dict.fromkeys(one.experiment for one in results))
        raise ExperimentsError(
            f"no experiment is called {name!r}. Known: {', '.join(known)}.{did_you_mean(name, known)} "
            "(--all-commits looks for those that started from other commits too)"
        )
    if len(revisions) > 1:
        raise ExperimentsError(
            f"{len(revisions)} experiments are called {name!r}: name the one by its commit: "
            f"{', '.join(sorted(revision[:7] for revision in revisions))}."
        )
    return {(one.dataset, one.backbone): one for one in found if one.dataset and one.backbone}


def read_val_predictions(result: Result, dataset: str, backbone: str) -> Predictions:
    """Read the predictions for split `val` as they are at a result's revision.

    Raises:
        ExperimentsError: The experiment is not done, so it has none of its own.
        PredictionsError: The table is neither in DVC's cache nor in its remote, or damaged.
    """
    if result.state != DONE:
        raise ExperimentsError(
            f"{result.experiment} has nothing to compare on {dataset}, {backbone}: {result.state}."
        )
    file = paths.predictions_file(dataset, backbone).as_posix()
    try:
        files = DVCFileSystem(rev=None if result.revision == WORKSPACE else result.revision)
        with files.open(file, "r", encoding="utf-8", newline="") as lines:
            blocks = parse_blocks(lines, f"{file} of {result.experiment}")
            val = join_predictions(block.of_split("val") for block in blocks)
    except (DvcException, SCMError, DataIndexDirError, OSError) as error:
        back = f"`{'dvc exp apply' if result.base else 'git checkout'} {result.experiment}` and "
        raise PredictionsError(
            f"{file} of {result.experiment} is neither in DVC's cache nor in a remote ({error}). "
            f"To make it anew: {'' if result.revision == WORKSPACE else back}`dvc repro`."
        ) from None
    return val


def describe_accuracy(found: Comparison) -> str:
    """Say who is right where the other is wrong, and whether chance alone explains it."""
    counts = (
        f"right on {found.first_right} images where the other is wrong, "
        f"wrong on {found.second_right} where it is right"
    )
    better = found.first_right > found.second_right
    verdict = _verdict(better, found.p_value < SIGNIFICANT)
    return f"{counts}: p = {found.p_value:.2g}, {verdict}"


def describe_log_loss(found: Comparison) -> str:
    """Say how the log losses differ, and whether the interval of the difference leaves out 0."""
    interval = f"{found.log_loss_low:+.4f} to {found.log_loss_high:+.4f}"
    leaves_out_zero = found.log_loss_low > 0 or found.log_loss_high < 0
    verdict = _verdict(found.log_loss_difference < 0, leaves_out_zero)
    return f"{found.log_loss_difference:+.4f} (95 % interval {interval}), {verdict}"


def _verdict(is_better: bool, is_evident: bool) -> str:
    if not is_evident:
        return "no evidence of a difference"
    return f"evidence that it is {'better' if is_better else 'worse'}"


def _list_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(" with ".join(pair) for pair in pairs) or "none"


def _title(result: Result) -> str:
    settings = describe_settings(result.settings, LONGEST_VALUE)
    return f"{settings} ({result.experiment})" if settings else result.experiment
