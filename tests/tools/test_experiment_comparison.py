"""Which of two experiments is better, from their predictions as DVC has them."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dvc_data.index import DataIndexDirError

from pipeline.comparison import Comparison
from pipeline.errors import ExperimentsError, PredictionsError
from pipeline.predictions_file import write_predictions
from pipeline.tools.experiment_comparison import (
    compare_experiments,
    describe_accuracy,
    describe_log_loss,
    find_experiment,
)
from pipeline.tools.experiments import Result, read_results
from tests.experiment_project import BACKBONE, NARROW, make_predictions, run_experiments_command

SAME = "no evidence of a difference"


def comparison(**changes: Any) -> Comparison:
    facts: dict[str, Any] = {
        "n": 20, "only_first": 0, "only_second": 0, "first_right": 5, "second_right": 3,
        "p_value": 0.7265625, "log_loss_difference": -0.01, "log_loss_low": -0.03, "log_loss_high": 0.01,
    }  # fmt: skip
    return Comparison(**facts | changes)


def test_accuracy_in_words() -> None:
    counts = "right on 5 images where the other is wrong, wrong on 3 where it is right"
    assert describe_accuracy(comparison()) == f"{counts}: p = 0.73, {SAME}"
    assert describe_accuracy(comparison(p_value=0.05)).endswith(SAME)
    assert describe_accuracy(comparison(p_value=0.049)).endswith("evidence that it is better")
    worse = comparison(first_right=3, second_right=5, p_value=0.049)
    assert describe_accuracy(worse).endswith("evidence that it is worse")


def test_log_loss_in_words() -> None:
    interval = "(95 % interval -0.0300 to +0.0100)"
    assert describe_log_loss(comparison()) == f"-0.0100 {interval}, {SAME}"
    assert describe_log_loss(comparison(log_loss_high=0.0)).endswith(SAME)
    assert describe_log_loss(comparison(log_loss_high=-0.001)).endswith("it is better")
    worse = comparison(log_loss_difference=0.02, log_loss_low=0.01, log_loss_high=0.03)
    assert describe_log_loss(worse).endswith("it is worse")


def result(experiment: str, revision: str, dataset: str | None = "pets", **changes: Any) -> Result:
    facts: dict[str, Any] = {"created": datetime(2026, 1, 1), "state": "done", "settings": {}}
    return Result(
        experiment=experiment,
        revision=revision,
        base=None,
        dataset=dataset,
        backbone=dataset and BACKBONE,
        **facts | changes,
    )


RESULTS = [
    result("workspace", "workspace"),
    result("wide", "b" * 40),
    result("wide", "c" * 40),
    result("far", "d" * 40, "herbs"),
    result("broken", "e" * 40, None),
]


def test_an_experiment_is_found_by_its_name_or_its_commit() -> None:
    assert find_experiment(RESULTS, "workspace") == {("pets", BACKBONE): RESULTS[0]}
    assert find_experiment(RESULTS, "cccc") == {("pets", BACKBONE): RESULTS[2]}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wid", r"no experiment is called 'wid'. Known: workspace, wide, far.*Did you mean 'wide'"),
        ("ccc", "no experiment is called 'ccc'"),
        ("wide", "2 experiments are called 'wide': .*bbbbbbb, ccccccc"),
        (
            "far",
            "far and workspace do not both have any dataset and backbone: far has .*; workspace has pets",
        ),
        (
            "broken",
            "broken and workspace do not both have any .*: broken has none; workspace has pets with",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(name: str, message: str) -> None:
    with pytest.raises(ExperimentsError, match=message):
        list(compare_experiments(RESULTS, name, "workspace"))


def test_what_one_of_both_lacks_is_said_and_the_other_still_known() -> None:
    with pytest.raises(
        ExperimentsError, match="workspace and workspace do not both have pets with big"
    ):
        list(compare_experiments(RESULTS, "workspace", "workspace", "pets", "big"))


@pytest.mark.parametrize("state", ["failed", "queued", "running", "no metrics"])
def test_what_is_not_done_is_not_compared_by_the_predictions_of_its_base(state: str) -> None:
    results = [*RESULTS, result("odd", "f" * 40, state=state)]
    with pytest.raises(
        ExperimentsError, match=f"odd has nothing to compare on pets, lite: {state}"
    ):
        list(compare_experiments(results, "odd", "workspace"))


@pytest.mark.usefixtures("project")
def test_the_command_answers_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_experiments_command(monkeypatch, "--compare", "wide", "--dataset", "pets") == 0
    # By hand: of 20 images 17 instead of 15 are right, two of ln(0.2 / 0.8) less.
    head, accuracy, loss = capsys.readouterr().out.splitlines()
    assert head == "pets, lite: head.units=16 (wide) against workspace, 20 images of val"
    assert accuracy == (
        "  accuracy: right on 5 images where the other is wrong, wrong on 3 where it is right: "
        f"p = 0.73, {SAME}"
    )
    assert loss.startswith("  log loss: -0.1386 (95 % interval -0.")
    assert loss.endswith(SAME)


@pytest.mark.usefixtures("project")
def test_the_command_counts_what_is_not_in_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_experiments_command(monkeypatch, "--compare", "wider", "--against", "HEAD") == 0
    shown = capsys.readouterr().out
    assert shown.count("(wider) against HEAD, 16 images of val") == 2  # images 4 to 19
    assert shown.count("not compared: 2 images of the one and 4 of the other") == 2


@pytest.mark.usefixtures("project")
def test_that_two_are_the_same_is_said_with_what_to_compare_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_experiments_command(monkeypatch, "--compare", "wide", "--against", "wide") == 0
    assert capsys.readouterr().out.count("both say the same of every image\n") == 2
    assert run_experiments_command(monkeypatch, "--compare", "HEAD") == 0
    shown = capsys.readouterr().out
    assert shown.count("both say the same of every image, as where the workspace holds that") == 2
    assert shown.count("--against HEAD compares with the last commit") == 2


@pytest.mark.usefixtures("project")
def test_json_has_the_same_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run_experiments_command(monkeypatch, "--compare", "wide", "--json", "--backbone", BACKBONE)
        == 0
    )
    herbs, pets = json.loads(capsys.readouterr().out)
    assert (herbs["dataset"], pets["dataset"]) == ("herbs", "pets")
    assert pets["comparison"]["p_value"] == 0.7265625


@pytest.mark.parametrize("options", ["--compare wide --csv", "--json --csv", "--against wide"])
def test_options_that_do_not_go_together_are_refused(
    options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_experiments_command(monkeypatch, *options.split()) == 2


@pytest.mark.usefixtures("project")
def test_the_workspaces_own_table_counts_not_that_of_head() -> None:
    table = Path(f"models/pets/{BACKBONE}/predictions.csv")
    old = table.read_bytes()
    try:
        write_predictions(table, [make_predictions([not right for right in NARROW], 0.8)])
        answers = {
            one.dataset: one for one in compare_experiments(read_results(), "HEAD", "workspace")
        }
        table.write_text("nonsense")
        with pytest.raises(PredictionsError, match=r"predictions\.csv of workspace is not a table"):
            list(compare_experiments(read_results(), "HEAD", "workspace"))
    finally:
        table.write_bytes(old)
    assert answers["herbs"].comparison.first_right == 0
    assert (answers["pets"].comparison.first_right, answers["pets"].comparison.second_right) == (
        15,
        5,
    )


@pytest.mark.usefixtures("project")
def test_a_folder_of_predictions_that_was_never_made_here_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = read_results()

    def refuse(*_: object, **__: object) -> None:
        raise DataIndexDirError("failed to load directory ('models', 'pets')")

    monkeypatch.setattr("pipeline.tools.experiment_comparison.DVCFileSystem.open", refuse)
    with pytest.raises(
        PredictionsError, match=r"of HEAD is neither .*anew: `git checkout HEAD` and"
    ):
        list(compare_experiments(results, "HEAD", "wide"))


@pytest.mark.usefixtures("project")
def test_predictions_that_dvc_no_longer_has_are_named() -> None:
    results = read_results()
    shutil.move(".dvc/cache", "moved")
    try:
        with pytest.raises(
            PredictionsError,
            match=r"predictions\.csv of wide is neither in DVC's cache.*`dvc exp apply wide`",
        ):
            list(compare_experiments(results, "wide", "HEAD"))
    finally:
        shutil.move("moved", ".dvc/cache")
