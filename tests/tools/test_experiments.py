"""What came of experiments: of states made by hand, and of what DVC itself says of a repository."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from dvc.repo.experiments.serialize import (
    ExpExecutor,
    ExpOut,
    ExpRange,
    ExpState,
    SerializableError,
    SerializableExp,
)

from pipeline.errors import ExperimentsError
from pipeline.tools.experiments import (
    Result,
    _settings_for,
    read_results,
    results_of,
    select_results,
    sort_results,
)
from pipeline.tools.lock_file import LockFile
from tests.experiment_project import (
    BACKBONE,
    SETTINGS,
    ExperimentProject,
    run_experiments_command,
    run_in,
    val_metrics,
)

PETS = {"datasets": {"pets": {"source": "drawn"}}, "backbones": {"lite": {"layer": None}}}


def state(
    rev: str,
    accuracy: float | None = None,
    log_loss: float = 0.5,
    *,
    params: Any = PETS,
    metrics: dict[str, Any] | None = None,
    minute: int = 0,
    name: str | None = None,
    experiments: Sequence[ExpRange] = (),
    images: str = "1.dir",
) -> ExpState:
    """Return what DVC knows of a revision with the dataset pets and the backbone lite."""
    files = {}
    if accuracy is not None:
        files = {"metrics/pets/lite.json": {"data": val_metrics(accuracy, log_loss)}}
    data = SerializableExp(
        rev=rev,
        timestamp=None if rev == "workspace" else datetime(2026, 1, 1, 12, minute),
        params={"params.yaml": {"data": params}, "other.yaml": {"data": {"noise": rev}}},
        metrics=files if metrics is None else metrics,
        outs={"data/split/pets": ExpOut(images, 1, 1, use_cache=True, is_data_source=False)},
    )
    return ExpState(rev=rev, name=name, data=data, experiments=list(experiments))


def experiment(one: ExpState, progress: str | None = None) -> ExpRange:
    return ExpRange([one], executor=ExpExecutor(progress) if progress else None, name=one.name)


def results(
    *experiments: ExpRange,
    workspace: ExpState | None = None,
    locks: Mapping[str, LockFile] = MappingProxyType({}),
) -> list[Result]:
    """Return the results of the workspace, of HEAD (accuracy 0.8) and of experiments."""
    head = state("a" * 40, 0.8, name="main", experiments=experiments)
    return results_of([workspace or state("workspace", 0.8), head], locks)


def test_the_workspace_and_head_come_first_and_differ_in_nothing() -> None:
    workspace, head = results()
    assert (workspace.experiment, workspace.revision, workspace.created) == ("workspace",) * 2 + (
        None,
    )
    assert (head.experiment, head.revision) == ("HEAD", "a" * 40)
    assert (head.dataset, head.backbone, head.state) == ("pets", "lite", "done")
    assert (head.accuracy, head.accuracy_low, head.accuracy_high) == (0.8, 0.7, 0.9)
    assert head.log_loss == 0.5
    assert head.n == 20
    assert workspace.settings == head.settings == {}
    assert workspace.base is head.base is None


def test_settings_are_those_that_differ_from_heads_and_of_params_yaml_alone() -> None:
    params = {"datasets": {"pets": {"source": "mirror"}}, "backbones": {"lite": {"pooling": "max"}}}
    *_, one = results(experiment(state("b" * 40, 0.9, params=params, name="wide")))
    assert (one.experiment, one.base) == ("wide", "a" * 40)
    assert one.settings == {
        "backbones.lite.layer": None,
        "backbones.lite.pooling": "max",
        "datasets.pets.source": "mirror",
    }


@pytest.mark.parametrize("progress", ["queued", "running", "failed"])
def test_what_is_not_done_is_shown_without_the_figures_of_its_base(progress: str) -> None:
    *_, one = results(experiment(state("b" * 40, 0.99, name="odd"), progress))
    assert (one.experiment, one.state, one.dataset) == ("odd", progress, "pets")
    assert (one.accuracy, one.log_loss, one.is_best) == (None, None, False)


def test_what_the_queue_ran_is_done() -> None:
    *_, one = results(experiment(state("b" * 40, 0.9, name="queued"), "success"))
    assert (one.state, one.accuracy) == ("done", 0.9)


def test_figures_of_other_settings_are_not_shown_as_an_experiments_own() -> None:
    def lock(seed: int) -> LockFile:
        params = {"params.yaml": {"datasets": PETS["datasets"], "seed": seed}}
        stage = {"params": params, "outs": [{"path": "metrics/pets/lite.json", "md5": "1"}]}
        return LockFile({"evaluate": stage}, PETS | {"seed": 1})

    one = experiment(state("b" * 40, 0.9, name="one"))
    locks = {"workspace": lock(2), "a" * 40: lock(1), "b" * 40: lock(3)}
    found = results(one, locks=locks)
    assert [(one.experiment, one.state, one.accuracy) for one in found] == [
        ("workspace", "not run with these settings", None),
        ("HEAD", "done", 0.8),
        ("one", "not run with these settings", None),
    ]


LACKING = val_metrics(0.8, 0.5)
del LACKING["val"]["log_loss"]


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({}, "no metrics"),
        ({"metrics/pets/lite.json": {"error": FileNotFoundError()}}, "no metrics"),
        ({"metrics/pets/lite.json": {"error": ValueError("x")}}, "damaged metrics"),
        ({"metrics/pets/lite.json": {"data": LACKING}}, "no val.log_loss in the metrics"),
        (
            {"metrics/pets/lite.json": {"data": {"train": {}}}},
            "no val.accuracy in the metrics",
        ),
    ],
)
def test_what_lacks_figures_says_why(metrics: dict[str, Any], fault: str) -> None:
    *_, one = results(experiment(state("b" * 40, metrics=metrics, name="odd")))
    assert (one.state, one.accuracy, one.log_loss) == (fault, None, None)


def test_a_revision_that_cannot_be_read_is_a_result_that_says_so() -> None:
    broken = ExpState(rev="workspace", error=SerializableError("params.yaml is corrupted"))
    workspace, head = results(workspace=broken)
    assert (workspace.state, workspace.dataset) == ("params.yaml is corrupted", None)
    assert (workspace.settings, head.state) == ({}, "done")
    empty, _ = results(workspace=state("workspace", params={}))
    assert empty.state == "params.yaml names no dataset and backbone"


def test_the_best_has_the_highest_accuracy_then_the_lowest_log_loss() -> None:
    found = results(
        experiment(state("b" * 40, 0.9, 0.4, name="b")),
        experiment(state("c" * 40, 0.9, 0.3, name="c")),
        experiment(state("d" * 40, 0.7, 0.1, name="d")),
        experiment(state("e" * 40, 0.9, 0.3, name="e")),
    )
    assert [one.experiment for one in found if one.is_best] == ["c", "e"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("accuracy", ["c", "b", "workspace", "HEAD", "d", "q"]),
        ("log_loss", ["d", "c", "b", "workspace", "HEAD", "q"]),
        ("name", ["HEAD", "b", "c", "d", "q", "workspace"]),
        ("created", ["workspace", "q", "d", "c", "b", "HEAD"]),
    ],
)
def test_each_order(order: str, names: list[str]) -> None:
    found = results(
        experiment(state("b" * 40, 0.9, 0.4, name="b", minute=1)),
        experiment(state("c" * 40, 0.9, 0.3, name="c", minute=2)),
        experiment(state("d" * 40, 0.7, 0.1, name="d", minute=3)),
        experiment(state("e" * 40, name="q", minute=4), "queued"),
    )
    assert [one.experiment for one in sort_results(found, order)] == names


def test_datasets_are_sorted_first_and_what_has_none_comes_last() -> None:
    two = {"datasets": {"pets": {}, "herbs": {}}, "backbones": {"lite": {}}}
    broken = ExpState(rev="workspace", error=SerializableError("?"))
    found = results(experiment(state("b" * 40, params=two, name="b")), workspace=broken)
    ranked = [(one.dataset, one.experiment) for one in sort_results(found, "accuracy")]
    assert ranked == [("herbs", "b"), ("pets", "HEAD"), ("pets", "b"), (None, "workspace")]


def test_the_best_is_one_of_those_that_were_asked_about_the_same_images() -> None:
    found = results(
        experiment(state("b" * 40, 0.95, name="b", images="2.dir")),
        experiment(state("c" * 40, 0.85, name="c")),
        experiment(state("d" * 40, name="d", metrics={}, images="2.dir")),
    )
    told = {one.experiment: (one.compares, one.is_best) for one in found}
    assert told == {
        "workspace": (True, False),
        "HEAD": (True, False),
        "b": (False, False),
        "c": (True, True),
        "d": (True, False),
    }, "without figures there is nothing to compare"


def test_where_head_has_no_figures_the_workspace_says_which_images_are_meant() -> None:
    head = state("a" * 40, metrics={}, name="main")
    workspace = state("workspace", 0.8, images="2.dir")
    found = results_of([workspace, head])
    assert [(one.compares, one.is_best) for one in found] == [(True, True), (True, False)]


def test_an_unknown_dataset_or_backbone_is_named_with_those_that_are_known() -> None:
    assert len(select_results(results(), "pets", "lite")) == 2
    with pytest.raises(ExperimentsError, match=r"no experiment has 'pet'. Known: pets. Did you"):
        select_results(results(), "pet", None)
    with pytest.raises(ExperimentsError, match=r"no experiment has 'pets'. Known: lite"):
        select_results(results(), None, "pets")


# Of a repository, as DVC itself sees it.


def summary(found: Sequence[Result]) -> set[tuple[Any, ...]]:
    return {
        (one.experiment, one.state, one.accuracy, one.log_loss, one.settings.get("head.units"))
        for one in found
    }


@pytest.mark.usefixtures("project")
def test_dvcs_experiments_are_read_with_their_figures_and_settings() -> None:
    found = read_results()
    assert len(found) == 2 * 5
    assert {(one.dataset, one.backbone) for one in found} == {
        ("herbs", BACKBONE),
        ("pets", BACKBONE),
    }
    assert summary(found) == {
        ("workspace", "done", 0.75, 0.5, None),
        ("HEAD", "done", 0.75, 0.5, None),
        ("wide", "done", 0.85, 0.4, 16),
        ("wider", "done", 0.85, 0.3, 32),
        ("later", "queued", None, None, 64),
    }
    assert {one.experiment for one in found if one.is_best} == {"wider"}
    assert all(one.settings.keys() <= {"head.units"} for one in found)
    assert summary(read_results()) == summary(found), "from DVC's memory of what it read"


@pytest.mark.usefixtures("project")
def test_what_changes_in_the_workspace_is_seen() -> None:
    def states() -> dict[str | None, str]:
        workspace = [one for one in read_results() if one.experiment == "workspace"]
        return {one.dataset: one.state for one in workspace}

    params, metrics = Path("params.yaml"), Path("metrics/pets/lite.json")
    old = params.read_text(), metrics.read_text()
    try:
        other = json.loads(old[1])
        other["val"]["accuracy"] = 0.99
        metrics.write_text(json.dumps(other))
        assert states() == {"herbs": "done", "pets": "not the metrics of dvc.lock"}
        metrics.write_text("{")
        assert states() == {"herbs": "done", "pets": "damaged metrics"}
        params.write_text(yaml.safe_dump(SETTINGS | {"head": {"units": 9, "kind": "mlp"}}))
        assert set(states().values()) == {"not run with these settings"}
        params.write_text("head: [")
        (broken,) = states().values()
        assert "params.yaml" in broken
    finally:
        params.write_text(old[0])
        metrics.write_text(old[1])


@pytest.mark.usefixtures("project")
def test_the_command_prints_a_table_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_experiments_command(monkeypatch, "--dataset", "pets", "--sort", "log_loss") == 0
    shown = capsys.readouterr()
    assert [line.split()[-2:] for line in shown.out.splitlines()[2:]] == [
        ["0.3000", "head.units=32"],
        ["0.4000", "head.units=16"],
        ["0.850", "0.5000"],
        ["0.850", "0.5000"],
        ["(queued)", "head.units=64"],
    ]
    assert shown.err == ""
    assert run_experiments_command(monkeypatch, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["log_loss"] for row in rows} == {0.3, 0.4, 0.5, None}


def test_before_the_first_experiment_the_command_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = ExperimentProject(tmp_path)
    project.enter(monkeypatch)
    project.run_experiment("old", 16)
    (tmp_path / "more.txt").touch()
    project.commit()
    assert run_experiments_command(monkeypatch) == 0
    shown = capsys.readouterr()
    assert shown.out.count("workspace") == shown.out.count("HEAD") == 2
    assert "old" not in shown.out
    assert "`dvc exp run -S head.units=256` makes one" in shown.err
    for option in ("--commits=2", "--all-commits"):
        assert run_experiments_command(monkeypatch, option) == 0
        shown = capsys.readouterr()
        assert "old" in shown.out
        assert shown.err == ""


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ([], "not inside of a DVC repository"),
        ([["git", "init", "--quiet"]], "not inside of a DVC repository"),
        ([["dvc", "init", "--no-scm", "--quiet"]], "Only supported for Git repositories"),
        ([["git", "init", "--quiet"], ["dvc", "init", "--quiet"]], "there is no commit yet"),
    ],
)
def test_without_a_repository_the_command_says_what_it_expects(
    commands: list[list[str]],
    message: str,
    project: ExperimentProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands:
        run_in(tmp_path, *command)
    assert run_experiments_command(monkeypatch) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: the experiments cannot be listed: ")
    assert message in shown.err
    assert "Expected a git repository with a commit" in shown.err


@pytest.mark.slow
def test_heads_that_an_experiment_did_not_run_have_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ExperimentProject(tmp_path)
    project.enter(monkeypatch)
    run = ("dvc", "exp", "run", "--quiet", "--name", "part", "--set-param", "head.units=16")
    project.run(*run, f"head@pets-{BACKBONE}")
    for name in ("part", "workspace"):
        found = {one.dataset: one.state for one in read_results() if one.experiment == name}
        assert found == {"pets": "done", "herbs": "not run with these settings"}


@pytest.mark.slow
def test_an_experiment_that_failed_in_the_queue_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ExperimentProject(tmp_path)
    project.enter(monkeypatch)
    for name, units in (("fine", 16), ("fails", 99)):
        project.queue_experiment(name, units)
    project.run("dvc", "exp", "run", "--run-all", "--quiet")
    assert summary(read_results()) >= {
        ("fine", "done", 0.85, 0.4, 16),
        ("fails", "failed", None, None, 99),
    }


@pytest.mark.parametrize(
    ("dataset", "backbone", "shown"),
    [
        ("pets", "wide", {"datasets.pets.source", "backbones.wide.layer", "head.units"}),
        ("pets2", "wide", {"backbones.wide.layer", "head.units"}),
        ("pets", "narrow", {"datasets.pets.source", "head.units"}),
    ],
)
def test_settings_of_other_datasets_and_backbones_are_not_shown(
    dataset: str, backbone: str, shown: set[str]
) -> None:
    settings = dict.fromkeys(["datasets.pets.source", "backbones.wide.layer", "head.units"], 1)
    assert _settings_for(dataset, backbone, settings).keys() == shown
