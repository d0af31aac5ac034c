"""What came of each recipe: of results made by hand, and by the command."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pipeline.tools.experiment_recipes import Recipe, collect_recipes
from pipeline.tools.experiment_table import OTHER_SEEDS, render_csv, render_recipes
from pipeline.tools.experiments import Result
from tests.experiment_project import ExperimentProject, run_experiments_command

LOGISTIC = {"head.kind": "logistic"}


def result(accuracy: float | None, name: str = "one", **changes: Any) -> Result:
    """Return an experiment's result of 100 images; without an accuracy it has no figures."""
    figures: dict[str, Any] = {"state": "queued"}
    if accuracy is not None:
        figures = {"state": "done", "n": 100, "accuracy": accuracy, "log_loss": 1 - accuracy}
    facts: dict[str, Any] = {
        "experiment": name, "revision": "b" * 40, "base": "a" * 40, "settings": {},
        "created": datetime(2026, 1, 2), "dataset": "pets", "backbone": "lite", "images": "1.dir",
    }  # fmt: skip
    return Result(**facts | figures | changes)


HEAD = result(0.8, "HEAD", base=None)
SECOND = {"split.seed": 8}


def told(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    return [
        (one.settings, one.seeds, one.compares, one.is_best) for one in collect_recipes(results)
    ]


def test_what_differs_in_its_seeds_alone_is_one_recipe_with_the_mean() -> None:
    second = result(0.9, settings=SECOND | {"head.seed": 3}, images="2.dir")
    third = result(0.82, settings={"augment.seed": 5})
    (one,) = collect_recipes([HEAD, second, third])
    assert (one.dataset, one.backbone, one.settings) == ("pets", "lite", {})
    assert (one.seeds, one.unfinished, one.n, one.wrong) == (3, 0, 300, 20 + 10 + 18)
    assert (one.accuracy, one.log_loss) == pytest.approx((0.84, 0.16))
    assert (one.accuracy_lowest, one.accuracy_highest) == (0.8, 0.9)
    assert one.is_best


def test_the_best_is_told_among_those_of_the_same_seeds_and_images() -> None:
    results = [
        HEAD,
        result(0.9, settings=SECOND, images="2.dir"),
        result(0.83, settings=LOGISTIC),
        result(0.91, settings=LOGISTIC | SECOND, images="2.dir"),
        result(0.99, settings={"head.kind": "lda"}),
        result(0.98, settings={"head.kind": "knn"}),
        result(0.98, settings={"head.kind": "knn"} | SECOND, images="3.dir"),
    ]
    assert told(results) == [
        ({"head.kind": "lda"}, 1, False, False),
        ({"head.kind": "knn"}, 2, False, False),
        (LOGISTIC, 2, True, True),
        ({}, 2, True, False),
    ]


def test_seeds_that_only_one_recipe_has_are_left_out_so_that_it_compares() -> None:
    results = [
        HEAD,
        result(0.9, settings=SECOND, images="2.dir"),
        result(0.4, settings={"head.seed": 8}),
        result(0.83, settings=LOGISTIC),
        result(0.93, settings=LOGISTIC | SECOND, images="2.dir"),
        result(0.99, settings={"head.kind": "lda"}),
    ]
    found = [(one.accuracy, one.seeds, one.more, one.compares) for one in collect_recipes(results)]
    assert found == [
        (0.99, 1, 0, False),
        (pytest.approx(0.88), 2, 0, True),
        (pytest.approx(0.85), 2, 1, True),
    ]
    assert "(1 more) as committed" in render_recipes(collect_recipes(results))


def test_seeds_that_overlap_are_compared_on_those_that_both_have() -> None:
    results = [
        result(accuracy, settings=settings | ({"head.seed": seed} if seed != 7 else {}))
        for settings, seeds in (({}, (7, 8, 9)), (LOGISTIC, (7, 8, 10)))
        for seed, accuracy in zip(seeds, (0.8, 0.9, 0.1), strict=True)
    ]
    found = [(one.seeds, one.more, one.compares, one.is_best) for one in collect_recipes(results)]
    assert found == [(2, 1, True, True)] * 2


def test_what_decides_no_figure_makes_no_recipe_and_numbers_are_equal_as_numbers() -> None:
    settings: list[dict[str, Any]] = [
        {"report.heat_maps": True, "extract.ray.cpus": 2}, {"head.l2": 0}, {"head.l2": 0.0},
        {"head.units": [1, 2]}, {"head.units": [1, 2]}, {"reporting.x": 1},
    ]  # fmt: skip
    results = [result(0.5, settings=one | {"head.seed": n}) for n, one in enumerate(settings)]
    found = [(one.settings, one.seeds) for one in collect_recipes([HEAD, *results])]
    assert sorted(found, key=str) == [
        ({"head.l2": 0}, 2), ({"head.units": [1, 2]}, 2), ({"reporting.x": 1}, 1), ({}, 2),
    ]  # fmt: skip


def test_what_has_no_figures_takes_none_from_others() -> None:
    results = [HEAD, result(0.9, settings=SECOND), result(None, settings=LOGISTIC)]
    found = [(one.seeds, one.more, one.compares) for one in collect_recipes(results)]
    assert found == [(2, 0, True), (0, 0, True)]
    none = [result(None, "HEAD"), result(None, settings=LOGISTIC)]
    assert [(one.seeds, one.is_best) for one in collect_recipes(none)] == [(0, False)] * 2


def test_of_as_many_seeds_those_of_head_are_compared_with_and_alone_it_is_not_the_best() -> None:
    others = [result(0.9, settings=LOGISTIC | SECOND, images="2.dir")]
    assert told([*others, HEAD]) == [(LOGISTIC, 1, False, False), ({}, 1, True, False)]
    assert told([HEAD]) == [({}, 1, True, True)]


def test_seeds_on_another_archive_or_under_other_labels_are_another_recipe() -> None:
    results = [
        replace(HEAD, inputs="old"),
        result(0.9, settings=SECOND, images="2.dir", inputs="new"),
        result(0.7, settings=SECOND, images="3.dir", inputs="old"),
    ]
    found = [(one.accuracy, one.seeds, one.compares) for one in collect_recipes(results)]
    assert found == [(0.9, 1, False), (pytest.approx(0.75), 2, True)]


def test_equals_share_the_star_and_the_log_loss_decides_first() -> None:
    results = [
        HEAD,
        result(0.8, settings=LOGISTIC),
        result(0.8, settings={"head.k": 3}, log_loss=1),
    ]
    assert [best for *_, best in told(results)] == [True, True, False]


def test_the_same_seeds_count_once_by_head_or_else_the_newest() -> None:
    def dated(accuracy: float, day: int, **settings: Any) -> Result:
        return result(accuracy, settings=settings, created=datetime(2026, 1, day))

    results = [dated(0.1, 9), HEAD, dated(0.5, 3, c=1), dated(0.6, 4, c=1), dated(0.7, 2, c=1)]
    found = {one.accuracy: one.seeds for one in collect_recipes(results)}
    assert found == {0.8: 1, 0.6: 1}


def test_the_workspace_and_what_names_no_dataset_are_left_out() -> None:
    workspace = result(0.9, "workspace", settings=SECOND)
    broken = result(None, dataset=None, backbone=None)
    assert told([workspace, HEAD, broken]) == [({}, 1, True, True)]


def test_what_has_no_figures_is_counted_and_not_taken_for_a_seed() -> None:
    results = [
        HEAD,
        result(None, settings=SECOND),
        result(None, settings=LOGISTIC),
        result(0.7, settings=LOGISTIC),
        result(None, settings={"head.kind": "lda"}),
    ]
    found = [(one.seeds, one.unfinished, one.accuracy) for one in collect_recipes(results)]
    assert found == [(1, 1, 0.8), (1, 0, 0.7), (0, 1, None)]
    assert "(1 without figures) head.kind=lda" in render_recipes(collect_recipes(results))


def test_datasets_and_backbones_are_recipes_of_their_own() -> None:
    results = [HEAD, result(0.7, dataset="herbs"), result(0.9, backbone="wide")]
    found = [(one.dataset, one.backbone, one.is_best) for one in collect_recipes(results)]
    assert found == [("herbs", "lite", True), ("pets", "wide", True), ("pets", "lite", False)]


def test_the_table_has_a_line_a_recipe_and_explains_its_marks() -> None:
    results = [
        HEAD,
        result(0.9, settings=SECOND, images="2.dir"),
        result(0.83, settings=LOGISTIC | {"split.seed": 9}, images="3.dir", inputs="corrected"),
    ]
    note = "(other archive or labels) head.kind=logistic"
    assert render_recipes(collect_recipes(results)).splitlines() == [
        "backbone  seeds  images  wrong  accuracy  of seeds        log loss  settings",
        "pets",
        "   lite       2     200     30     0.850  0.800 to 0.900    0.1500  as committed",
        f" ~ lite       1     100     17     0.830  0.830 to 0.830    0.1700  {note}",
        OTHER_SEEDS,
    ]
    (row, other) = csv.DictReader(io.StringIO(render_csv(collect_recipes(results), Recipe)))
    assert (row["seeds"], row["wrong"], row["settings"]) == ("2", "30", "")
    assert (row["experiments"], other["experiments"]) == ("HEAD one", "one")


def test_the_command_prints_recipes(
    project: ExperimentProject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run_experiments_command(monkeypatch, "--over-seeds", "--dataset", "pets") == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in shown[2:]] == [
        "head.units=32",
        "head.units=16",
        "committed",
        "head.units=64",
    ]
    assert run_experiments_command(monkeypatch, "--over-seeds", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["dataset"], row["seeds"], row["unfinished"]) for row in rows} == {
        (dataset, *counts) for dataset in ("herbs", "pets") for counts in ((1, 0), (0, 1))
    }
    for options in (["--sort", "name"], ["--compare", "wide"]):
        assert run_experiments_command(monkeypatch, "--over-seeds", *options) == 2
        assert "--over-seeds goes neither with" in capsys.readouterr().err
