"""What a sweep found, as a picture: the accuracy of its heads against each setting that was tried."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.selection.sweep import Score

COLUMNS = 3
_STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.grid.axis": "y",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "sweep",
}

Tried = Sequence[tuple[Mapping[str, Any], Score]]
Points = dict[str, list[Score]]


def draw_sweep(title: str, tried: Tried) -> str:
    """Return an SVG: a panel a setting with several values, a point a head, its deviation as a bar.

    Equal heads give equal bytes.

    Args:
        title: Of the whole.
        tried: The settings of each head, and how it did; heads with a fault have no point.
    """
    names = dict.fromkeys(name for settings, _ in tried for name in settings)
    panels = {name: _by_value(name, tried) for name in names}
    panels = {name: points for name, points in panels.items() if len(points) > 1}
    rows = max(1, -(-len(panels) // COLUMNS))
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(4 * COLUMNS, 0.6 + 3 * rows), layout="constrained")
        figure.suptitle(title)
        grid = list(figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).flat)
        for axes, (name, points) in zip(grid, panels.items(), strict=False):
            _draw_panel(axes, name, points)
        for axes in grid[len(panels) :]:
            axes.remove()
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _by_value(name: str, tried: Tried) -> Points:
    """Return the heads by their value of a setting, numbers in their order; of those that have it."""
    points: dict[str, tuple[Any, list[Score]]] = {}
    for settings, score in tried:
        if name in settings and not score.fault:
            value = settings[name]
            points.setdefault(_as_text(value), (value, []))[1].append(score)
    by_value = sorted(points.items(), key=lambda one: _place(one[1][0]))
    return {text: scores for text, (_, scores) in by_value}


def _draw_panel(axes: Axes, name: str, points: Points) -> None:
    heads = [(place, score) for place, some in enumerate(points.values()) for score in some]
    axes.errorbar(
        [place for place, _ in heads],
        [score.accuracy for _, score in heads],
        [score.accuracy_sd for _, score in heads],
        fmt="o",
        markersize=4,
        linewidth=0.5,
        alpha=0.6,
    )
    axes.set_xticks(range(len(points)), list(points))
    axes.margins(x=0.2)
    axes.set_xlabel(name)
    axes.set_ylabel("accuracy on folds")


def _place(value: Any) -> float:
    """Return what sorts values: numbers by size, all others as they came."""
    return value if isinstance(value, int | float) else 0.0


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
