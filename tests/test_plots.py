"""The templates of `dvc plots`: they are filled, and draw columns that the stages write."""

import json
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega import VegaRenderer

from pipeline.reporting.results import (
    CALIBRATION_COLUMNS,
    HISTORY_COLUMNS,
    PRECISION_RECALL_COLUMNS,
    ROC_COLUMNS,
)

TEMPLATES = Path(__file__).parents[1] / ".dvc" / "plots"
COLUMNS = {
    "history": HISTORY_COLUMNS,
    "roc": ("class", *ROC_COLUMNS, "threshold"),
    "precision_recall": ("class", *PRECISION_RECALL_COLUMNS, "threshold"),
    "calibration": CALIBRATION_COLUMNS,
    "confusion": ("actual", "predicted"),
}
AXES = {
    "history": ("epoch", "log_loss"),
    "roc": ("fpr", "tpr"),
    "precision_recall": ("recall", "precision"),
    "calibration": ("confidence", "accuracy"),
    "confusion": ("predicted", "actual"),
}


def filled(name: str) -> dict[str, Any]:
    """Return the template as `dvc plots` fills it for two revisions."""
    rows = [dict.fromkeys(COLUMNS[name], "0.5") | {"rev": rev} for rev in ("HEAD", "workspace")]
    x, y = AXES[name]
    return VegaRenderer(
        rows, name, template=name, template_dir=TEMPLATES, x=x, y=y
    ).get_filled_template()


def parts(tree: object, key: str) -> list[Any]:
    """Return all values under a key, however deep."""
    if isinstance(tree, list):
        return [value for item in tree for value in parts(item, key)]
    if not isinstance(tree, dict):
        return []
    return [
        value
        for name, item in tree.items()
        for value in ([item] if name == key else parts(item, key))
    ]


@pytest.mark.parametrize("name", COLUMNS)
def test_no_anchor_is_left(name: str) -> None:
    assert "DVC_METRIC" not in json.dumps(filled(name))


@pytest.mark.parametrize("name", COLUMNS)
def test_only_columns_that_exist_are_drawn(name: str) -> None:
    spec = filled(name)
    made = {*parts(spec, "as")} if name != "history" else {"epoch", "value", "split"}
    folded = {column for columns in parts(spec, "fold") for column in columns}
    drawn = {field for field in parts(spec, "field") if isinstance(field, str)}
    assert drawn | folded <= {*COLUMNS[name], *made, "rev"}


def test_history_draws_both_measures_of_all_splits() -> None:
    spec = filled("history")
    assert [field for field in parts(spec, "calculate") if "epoch" not in field] == [
        "toNumber(datum['log_loss'])",
        "toNumber(datum.accuracy)",
    ]
    assert parts(spec, "domain").count(["val", "train", "holdout"]) == 2


@pytest.mark.parametrize("name", ["roc", "precision_recall"])
def test_each_class_and_revision_has_a_curve(name: str) -> None:
    line = filled(name)["layer"][0]["encoding"]
    assert (line["color"]["field"], line["strokeDash"]["field"]) == ("class", "rev")
