"""Charts: where values lie, what is told of them, the page's colours."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.reporting.charts import (
    SERIES_COLOURS,
    Axis,
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

CHARTS: dict[str, Callable[[], str]] = {
    "history": lambda: draw_history(HISTORY, "log_loss", 2),
    "roc": lambda: draw_roc({"cat": LINE, "dog": LINE}),
    "precision_recall": lambda: draw_precision_recall({"cat": STEPS, "dog": STEPS}),
    "histogram": lambda: draw_histogram(np.array([7, 9, 9, 300]), "pixels"),
    "calibration": lambda: draw_calibration(BINS),
}


def elements_of(svg: str, tag: str, css: str = "") -> list[ElementTree.Element]:
    """Return the elements of a tag and class; fails on what is no XML."""
    found = ElementTree.fromstring(svg).iter(tag)
    return [one for one in found if css in one.get("class", "").split() or not css]


def titles_of(svg: str) -> list[str]:
    return [str(one.text) for one in elements_of(svg, "title")]


def points_of(svg: str, number: int = 0) -> NDArray[np.float64]:
    """Return x and y, from the upper left corner, of a curve's points."""
    (curve,) = elements_of(svg, "path", f"series-{number}")
    return np.array([point.split() for point in curve.attrib["d"][1:].split("L")], float)


@pytest.fixture(params=CHARTS)
def svg(request: pytest.FixtureRequest) -> str:
    return CHARTS[request.param]()


def test_colours_and_ids_are_left_to_the_page(svg: str) -> None:
    assert elements_of(svg, "path", "series-0") or 'series-0"' in svg
    assert not re.search(r"#|style=|fill=|stroke=| id=|http", svg)


def test_both_axes_say_what_they_measure_and_where(svg: str) -> None:
    texts = [str(one.text) for one in elements_of(svg, "text")]
    assert len([text for text in texts if re.fullmatch(r"[\d.,]+", text)]) >= 6
    assert len([text for text in texts if re.fullmatch("[a-z ]+", text)]) >= 2


def test_whoever_points_at_a_figure_is_told_it() -> None:
    assert "epoch 2: val 0.500, train 0.500, held out of train 0.600" in titles_of(
        CHARTS["history"]()
    )
    assert titles_of(CHARTS["calibration"]())[0] == (
        "60.0\u202f% sure, 50.0\u202f% right on 2 images (10.0\u202f% to 90.0\u202f%)"
    )
    assert titles_of(CHARTS["histogram"]())[0] == "7 to 16: 3 images"
    assert titles_of(CHARTS["roc"]()) == ["cat", "dog"]


def test_names_are_text_whatever_they_hold() -> None:
    assert titles_of(draw_roc({"a<b>&": LINE})) == ["a<b>&"]


def test_the_epochs_in_which_val_rises_again_are_shaded_to_the_end_and_named() -> None:
    (shade,) = elements_of(draw_history(HISTORY, "log_loss", 2), "rect", "shade")
    left, *_, right = points_of(draw_history(HISTORY, "log_loss"))[1:, 0]
    assert float(shade.attrib["x"]) == left
    assert left + float(shade.attrib["width"]) == pytest.approx(right, abs=0.1)
    assert "val rises again" in draw_history(HISTORY, "log_loss", 2)
    assert "val rises again" not in draw_history(HISTORY, "log_loss")


def test_a_higher_loss_lies_higher_and_a_later_epoch_further_right() -> None:
    x, y = points_of(draw_history(HISTORY, "log_loss")).T
    assert (np.diff(x) > 0).all()
    assert (np.argsort(-y) == np.argsort(HISTORY["val"]["log_loss"])).all()


def test_a_curve_begins_and_ends_in_the_corners() -> None:
    first, *_, last = points_of(draw_roc({"cat": LINE}))
    frame = [one.attrib["d"] for one in elements_of(draw_roc({"cat": LINE}), "path", "grid")]
    assert f"M{first[0]:.0f} {first[1]}H408" in frame
    assert f"M{last[0]} {last[1]:.0f}V254" in frame


def test_an_interval_reaches_from_its_lower_to_its_upper_bound() -> None:
    bar, _ = elements_of(draw_calibration(BINS), "path", "curve")
    top, bottom = 12, 254
    low, high = (float(y) for y in re.findall(r"M\S+ ([\d.]+)V([\d.]+)", bar.attrib["d"])[0])
    assert (bottom - low) / (bottom - top) == pytest.approx(BINS[0].low, abs=0.001)
    assert (bottom - high) / (bottom - top) == pytest.approx(BINS[0].high, abs=0.001)


@pytest.mark.parametrize(("draw", "line"), [(draw_roc, LINE), (draw_precision_recall, STEPS)])
def test_each_curve_has_a_colour_of_its_own(
    draw: Callable[..., str], line: dict[str, NDArray[np.float64]]
) -> None:
    svg = draw({str(index): line for index in range(SERIES_COLOURS)})
    assert set(re.findall(r"series-(\d+)", svg)) == set(map(str, range(SERIES_COLOURS)))
    with pytest.raises(ValueError, match="at most 8 curves"):
        draw({str(index): line for index in range(SERIES_COLOURS + 1)})


def test_precision_falls_in_a_step_at_the_recall_before() -> None:
    """Not along a line from 1 to 0.6: no threshold has what lies between."""
    x, y = points_of(draw_precision_recall({"cat": STEPS}))[-4:].T
    assert x[1] == x[2] == pytest.approx((x[0] + x[3]) / 2)
    assert y[0] == y[1] < y[2] == y[3], "an SVG counts from the top"


@pytest.mark.parametrize(
    ("low", "high", "step", "texts"),
    [
        (0, 1, 0.2, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (1, 15, 5, ["1", "5", "10", "15"]),
        (29, 230, 50, ["50", "100", "150", "200"]),
        (1, 4, 1, ["1", "2", "3", "4"]),
        (30, 3000, 1000, ["30", "1,000", "2,000", "3,000"]),
        (0.05, 0.07, 0.01, ["0.05", "0.06", "0.07"]),
    ],
)
def test_ticks_are_round_and_written_with_no_more_digits_than_needed(
    low: float, high: float, step: float, texts: list[str]
) -> None:
    axis = Axis(label="", low=low, high=high, step=step)
    assert [axis.text(tick) for tick in axis.ticks()] == texts


def test_a_loss_that_never_changes_can_be_drawn() -> None:
    flat = {split: {"epoch": EPOCHS, "log_loss": np.zeros(4)} for split in ("train", "val")}
    assert len(set(points_of(draw_history(flat, "log_loss"))[:, 1])) == 1


@pytest.mark.parametrize("values", [[5], [5, 5], [0, 1], list(range(32)), [0, 1_000_000]])
def test_a_histogram_counts_every_value_inside_its_frame(values: list[int]) -> None:
    svg = draw_histogram(np.array(values), "pixels")
    told = [int(title.split(": ")[1].split()[0]) for title in titles_of(svg)]
    assert sum(told) == len(values)
    for bar in elements_of(svg, "rect", "bin"):
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= 408.1
        assert 12 <= float(bar.attrib["y"]) < 164
