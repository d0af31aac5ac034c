"""What a sweep found, as a picture: the accuracy of its heads against each setting that was tried."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.heads.sweep import Score

COLUMNS = 3
WIDE = 10  # a setting whose values differ by such a factor is drawn on a logarithmic axis
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "sweep",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.grid": True,
}


def draw_sweep(title: str, tried: Sequence[tuple[Mapping[str, Any], Score]]) -> str:
    """Return an SVG: a panel a setting with several values, a point a head, its deviation as a bar.

    Equal heads give equal bytes.

    Args:
        title: Of the whole.
        tried: The settings of each head, and how it did; heads with a fault have no point.
    """
    sound = [(settings, score) for settings, score in tried if not score.fault]
    names = dict.fromkeys(name for settings, _ in sound for name in settings)
    panels = {name: _points(name, sound) for name in names}
    panels = {name: points for name, points in panels.items() if len(points) > 1} or {"": {}}
    rows = -(-len(panels) // COLUMNS)
    with style.context(_STYLE):
        figure = Figure(figsize=(4 * COLUMNS, 0.6 + 3 * rows), layout="constrained")
        figure.suptitle(title)
        grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).flat
        for axes, (name, points) in zip(grid, panels.items(), strict=False):
            _draw_panel(axes, name, points)
        for axes in list(grid)[len(panels) :]:
            axes.remove()
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _points(
    name: str, tried: Sequence[tuple[Mapping[str, Any], Score]]
) -> dict[str, list[tuple[Any, Score]]]:
    """Return the heads by their value of a setting, values as text; heads without it are left out."""
    points: dict[str, list[tuple[Any, Score]]] = {}
    for settings, score in tried:
        if name in settings:
            points.setdefault(_as_text(settings[name]), []).append((settings[name], score))
    return points


def _draw_panel(axes: Axes, name: str, points: Mapping[str, list[tuple[Any, Score]]]) -> None:
    """Draw one setting: on an axis of numbers where all values are, else side by side."""
    heads = [head for some in points.values() for head in some]
    numbers = [value for value, _ in heads if _is_number(value)]
    if len(numbers) == len(heads):
        places: list[float] = numbers
        if numbers and min(numbers) > 0 and max(numbers) / min(numbers) >= WIDE:
            axes.set_xscale("log")
    else:
        places = [place for place, some in enumerate(points.values()) for _ in some]
        axes.set_xticks(range(len(points)), list(points))
    scores = [score for _, score in heads]
    axes.errorbar(
        places,
        [score.accuracy for score in scores],
        [score.accuracy_sd for score in scores],
        fmt="o",
        markersize=4,
        linewidth=0.5,
        alpha=0.6,
    )
    axes.set_xlabel(name)
    axes.set_ylabel("accuracy on folds")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
