"""The charts of a head: which curves are drawn, and what they say in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.charts import (
    LINES,
    SERIES_COLOURS,
    SPLIT_NAMES,
    Chart,
    draw_calibration,
    draw_history,
    draw_precision_recall,
    draw_roc,
)
from pipeline.reporting.findings import (
    Learning,
    average_precision_recall,
    average_roc,
    join_confidence_bins,
)
from pipeline.reporting.results import HeadResult
from pipeline.reporting.story import tell_calibration, tell_history
from pipeline.rounding import decimal, percent

Column = NDArray[np.float64]
Curve = Mapping[str, Column]

WEAKEST = 3


def draw_charts(head: HeadResult, learning: Learning | None) -> list[dict[str, Any]]:
    """Draw what there is to draw: a kind that knows no epochs has no history."""
    charts = [*_histories(head, learning)] if learning and learning.epochs > 1 else []
    charts += [_roc(head), _precision_recall(head), _calibration(head)]
    return [asdict(chart) for chart in charts]


def choose_curves(
    curves: Mapping[str, Curve],
    areas: Mapping[str, float],
    average: Callable[[Sequence[Curve]], Curve],
) -> dict[str, Curve]:
    """Return a curve a class; of more classes than can be told apart, their mean and the weakest three.

    Args:
        curves: Of each class.
        areas: The area under each curve; classes without one (they have no images) are left out.
        average: Makes one curve of several.
    """
    known = {name: curves[name] for name in areas}
    if len(known) <= SERIES_COLOURS:
        return known
    weakest = sorted(areas, key=lambda name: (areas[name], name))[:WEAKEST]
    mean = {f"mean of {len(known)} classes": average(list(known.values()))}
    return mean | {f"{name} (weakest)": known[name] for name in weakest}


def _histories(head: HeadResult, learning: Learning) -> list[Chart]:
    """Return the charts of log loss and accuracy by epoch."""
    key = [(SPLIT_NAMES[split], LINES[split]) for split in LINES if split in head.history]
    after = learning.best if learning.overfits else None
    charts = []
    for measure, title in (("log_loss", "Log loss by epoch"), ("accuracy", "Accuracy by epoch")):
        ends = ", ".join(
            f"{SPLIT_NAMES[split]} from {columns[measure][0]:.3f} to {columns[measure][-1]:.3f}"
            for split, columns in head.history.items()
        )
        svg = draw_history(head.history, measure, after)
        shaded = f"; shaded after epoch {after}" if after else ""
        alt = f"{title}, {learning.epochs} epochs: {ends}{shaded}"
        words = tell_history(learning) if measure == "log_loss" else ""
        charts.append(Chart(title=title, svg=svg, alt=alt, words=words, key=key))
    return charts


def _roc(head: HeadResult) -> Chart:
    curves = choose_curves(head.roc, _areas(head, "roc_auc"), average_roc)
    return Chart(
        title="ROC, each class against the rest",
        svg=draw_roc(curves),
        alt=f"ROC curves: {_listed(head, 'roc_auc', 'area')}",
        words="The nearer to the upper left corner, the better; the dotted line is guessing.",
        key=[(name, "solid") for name in curves],
    )


def _precision_recall(head: HeadResult) -> Chart:
    curves = choose_curves(
        head.precision_recall, _areas(head, "average_precision"), average_precision_recall
    )
    return Chart(
        title="Precision and recall, each class against the rest",
        svg=draw_precision_recall(curves),
        alt=f"Precision by recall: {_listed(head, 'average_precision', 'average precision')}",
        words="The nearer to the upper right corner, the better.",
        key=[(name, "solid") for name in curves],
    )


def _calibration(head: HeadResult) -> Chart:
    bins = join_confidence_bins(head.calibration)
    listed = "; ".join(
        f"{percent(one.confidence)} sure and {percent(one.accuracy)} right on {one.n:,} images "
        f"({percent(one.low)} to {percent(one.high)})"
        for one in bins
    )
    return Chart(
        title="Calibration: how often it is right, by how sure it is",
        svg=draw_calibration(bins),
        alt=f"Accuracy by confidence: {listed}",
        words=f"{tell_calibration(bins)} The bars are 95\u202f% intervals.",
    )


def _areas(head: HeadResult, figure: str) -> dict[str, float]:
    """Return an area of each class that has some of the images, but not all of them."""
    *classes, _ = head.per_class
    return {row["class"]: row[figure] for row in classes if 0 < row["n"] < len(head.val)}


def _listed(head: HeadResult, figure: str, name: str) -> str:
    """Say the mean of an area and which class has the least."""
    areas = _areas(head, figure)
    if not areas:
        return "no class that some but not all images are of"
    weakest = min(areas, key=lambda one: (areas[one], one))
    mean = sum(areas.values()) / len(areas)
    return f"mean {name} {decimal(mean)}, the least {decimal(areas[weakest])} of {weakest}"
