"""Charts: the page's colours, their own ids, the same bytes each time."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.reporting.charts import (
    SERIES_COLOURS,
    draw_calibration,
    draw_histogram,
    draw_history,
    draw_precision_recall,
    draw_roc,
)
from pipeline.reporting.findings import ConfidenceBin

EPOCHS = np.arange(1.0, 5.0)
HISTORY = {
    "train": {"epoch": EPOCHS, "log_loss": 1 / EPOCHS},
    "val": {"epoch": EPOCHS, "log_loss": np.array([0.9, 0.5, 0.7, 0.8])},
    "holdout": {"epoch": EPOCHS, "log_loss": np.array([0.8, 0.6, 0.6, 0.9])},
}
LINE = {"fpr": np.array([0.0, 0.2, 1.0]), "tpr": np.array([0.0, 0.9, 1.0])}
STEPS = {"recall": np.array([0.0, 0.5, 1.0]), "precision": np.array([1.0, 1.0, 0.6])}
BINS = [
    ConfidenceBin(confidence=0.6, n=2, accuracy=0.5, low=0.1, high=0.9),
    ConfidenceBin(confidence=0.9, n=4, accuracy=1.0, low=0.5, high=1.0),
]

CHARTS = {
    "history": lambda name: draw_history(name, HISTORY, "log_loss"),
    "roc": lambda name: draw_roc(name, {"cat": LINE, "dog": LINE}),
    "precision_recall": lambda name: draw_precision_recall(name, {"cat": STEPS, "dog": STEPS}),
    "histogram": lambda name: draw_histogram(name, np.array([7, 9, 9, 300]), "pixels"),
    "calibration": lambda name: draw_calibration(name, BINS),
}


@pytest.fixture(params=CHARTS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_colours_come_from_the_page(kind: str) -> None:
    svg = CHARTS[kind]("a")
    assert "var(--series-0)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_nothing_refers_outside(kind: str) -> None:
    svg = CHARTS[kind]("a")
    assert svg.startswith("<svg viewBox=")
    assert svg.endswith("</svg>")
    assert "http" not in svg
    assert "<metadata" not in svg


def test_two_charts_share_no_id(kind: str) -> None:
    first, second = (set(re.findall(r' id="([^"]*)"', CHARTS[kind](name))) for name in ("a", "b"))
    assert first
    assert not first & second


def test_what_an_id_refers_to_is_there(kind: str) -> None:
    svg = CHARTS[kind]("a")
    ids = set(re.findall(r' id="([^"]*)"', svg))
    assert (
        set(re.findall(r"url\(#([^)]*)\)", svg)) | set(re.findall(r'href="#([^"]*)"', svg)) <= ids
    )


def test_the_users_own_style_changes_nothing(kind: str) -> None:
    plain = CHARTS[kind]("a")
    with mpl.rc_context(
        {"lines.linewidth": 9, "font.size": 20, "axes.labelsize": 30, "svg.fonttype": "path"}
    ):
        assert CHARTS[kind]("a") == plain


def test_the_epochs_of_overfitting_are_shaded() -> None:
    assert draw_history("a", HISTORY, "log_loss", 2) != draw_history("a", HISTORY, "log_loss", 3)
    plain, shaded = (draw_history("a", HISTORY, "log_loss", after) for after in (None, 2))
    assert "opacity: 0.15" in shaded
    assert "opacity: 0.15" not in plain


def test_a_wider_interval_is_drawn_longer() -> None:
    """The bars are the intervals: another bound gives another drawing."""
    wider = [BINS[0], replace(BINS[1], low=0.2)]
    assert draw_calibration("a", wider) != draw_calibration("a", BINS)


@pytest.mark.parametrize(("draw", "line"), [(draw_roc, LINE), (draw_precision_recall, STEPS)])
def test_each_curve_has_a_colour_of_its_own(
    draw: Callable[..., str], line: dict[str, NDArray[np.float64]]
) -> None:
    svg = draw("a", {str(index): line for index in range(SERIES_COLOURS)})
    assert set(re.findall(r"--series-(\d+)", svg)) == set(map(str, range(SERIES_COLOURS)))
    with pytest.raises(ValueError, match="shorter"):
        draw("a", {str(index): line for index in range(SERIES_COLOURS + 1)})


def test_precision_falls_in_a_step_at_the_recall_before() -> None:
    """Not along a line from 1 to 0.6: no threshold has what lies between."""
    svg = draw_precision_recall("a", {"cat": STEPS})
    (path,) = re.findall(r'<path d="([^"]*)" style="fill: none; stroke: var\(--series-0\)', svg)
    x, y = np.array(re.findall(r"[ML] (\S+) (\S+)", path), float)[-4:].T
    assert x[1] == x[2] == pytest.approx((x[0] + x[3]) / 2)
    assert y[0] == y[1] < y[2] == y[3], "an SVG counts from the top"


def test_a_history_of_one_epoch_is_drawn_without_a_warning() -> None:
    one = {
        split: {name: column[:1] for name, column in columns.items()}
        for split, columns in HISTORY.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "<svg" in draw_history("a", one, "log_loss")


@pytest.mark.parametrize("values", [[5], [5, 5], [0, 1], list(range(32)), [0, 1_000_000]])
def test_any_values_make_a_histogram_without_a_warning(values: list[int]) -> None:
    assert "<svg" in draw_histogram("a", np.array(values), "pixels")
