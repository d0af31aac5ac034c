import csv
import io
import json
from datetime import datetime
from typing import Any

import pytest

from pipeline.tools.experiment_table import (
    OTHER_IMAGES,
    describe_settings,
    render_csv,
    render_json,
    render_table,
)
from pipeline.tools.experiments import Result


def result(**changes: Any) -> Result:
    facts: dict[str, Any] = {
        "experiment": "wide", "revision": "b" * 40, "base": "a" * 40,
        "created": datetime(2026, 1, 2, 3, 4), "state": "done", "settings": {"head.units": 256},
        "dataset": "pets", "backbone": "lite", "n": 1064, "accuracy": 0.98437512, "accuracy_low": 0.953,
        "accuracy_high": 1.0, "log_loss": 0.03734567,
    }  # fmt: skip
    return Result(**facts | changes)


QUEUED = result(
    experiment="later",
    state="queued",
    n=None,
    accuracy=None,
    accuracy_low=None,
    accuracy_high=None,
    log_loss=None,
)


def test_the_table_has_a_line_a_result_under_its_dataset() -> None:
    results = [result(dataset="herbs", is_best=True), result(), QUEUED]
    assert render_table(results).splitlines() == [
        "experiment  backbone  images  accuracy  95 % interval   log loss  settings",
        "herbs",
        " * wide     lite       1,064     0.984  0.953 to 1.000    0.0373  head.units=256",
        "pets",
        "   wide     lite       1,064     0.984  0.953 to 1.000    0.0373  head.units=256",
        "   later    lite           -         -  -                      -  (queued) head.units=256",
    ]


def test_a_backbone_that_head_lacks_is_named_and_not_described_to_people() -> None:
    new = {f"backbones.wide.{key}": "x" * 20 for key in ("layer", "network", "pooling", "weights")}
    settings = {"head.kind": "lda", **new, "backbones.lite.pooling": "max"}
    text = " ".join(render_table([result(settings=settings)]).split())
    assert text.endswith("head.kind=lda backbones.lite.pooling=max backbones.wide.*")
    assert "backbones.wide.network=xxxxxxxxxxxxxxxxxxxx" in render_csv(
        [result(settings=settings)], Result
    )


def test_what_was_asked_about_other_images_is_marked_and_the_mark_explained() -> None:
    *_, row, last = render_table([result(is_best=True), result(compares=False)]).splitlines()
    assert row.startswith(" ~ wide ")
    assert last == OTHER_IMAGES


@pytest.mark.parametrize(("width", "widest"), [(60, 100), (100, 100), (110, 110), (500, 120)])
def test_lines_fit_and_nothing_is_left_out(width: int, widest: int) -> None:
    settings = {f"augment.setting_{number}": "/a/long/path" * 9 for number in range(9)}
    name = "an-experiment-with-a-name-that-nobody-would-type"
    text = render_table(
        [result(dataset="d" * 150, experiment=name, backbone="b" * 40, settings=settings)], width
    )
    assert max(map(len, text.splitlines())) <= widest
    assert "0.953 to 1.000" in text
    joined = "".join(text.split())
    assert joined.count("/a/long/path/a/long/path/a/") + text.count("...") >= 9
    assert joined.count("d") >= 150


def test_markup_in_names_is_text() -> None:
    settings = {"datasets.pets.archive": "[red]/x[/red]"}
    assert "archive=[red]/x[/red]" in render_table([result(settings=settings)])


def test_a_result_without_a_dataset_is_shown() -> None:
    text = render_table([result(dataset=None, backbone=None, state="params.yaml is corrupted")])
    assert "(unknown)" in text
    assert "(params.yaml is corrupted)" in text


def test_csv_and_json_have_full_precision() -> None:
    (row, queued) = csv.DictReader(io.StringIO(render_csv([result(), QUEUED], Result)))
    assert (row["accuracy"], row["log_loss"]) == ("0.98437512", "0.03734567")
    assert (row["settings"], row["is_best"]) == ("head.units=256", "False")
    assert (queued["state"], queued["accuracy"]) == ("queued", "")
    (record, other) = json.loads(render_json([result(), QUEUED]))
    assert (record["accuracy"], record["settings"]) == (0.98437512, {"head.units": 256})
    assert record["created"] == "2026-01-02T03:04:00"
    assert other["log_loss"] is None


def test_settings_read_as_they_are_written_in_params_yaml() -> None:
    settings = {"a": None, "b": True, "c": 1e-4, "d": "mlp", "e": "x" * 31}
    assert (
        describe_settings(settings, longest=30) == f"a=null b=true c=0.0001 d=mlp e={'x' * 27}..."
    )
    assert describe_settings(settings).endswith("x" * 31)
