"""Numbers drawn as SVG that takes its colours from the page; the only matplotlib.

A figure is drawn in stand-in colours, which are then replaced by CSS variables: the page
decides what they are, in a light and in a dark version. Nothing in the SVG depends on the
time, the machine or the order of drawing.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Column = NDArray[np.float64]
Curves = Mapping[str, Mapping[str, Column]]

SERIES_COLOURS = 8  # the page defines --series-0 to --series-7; a ninth curve begins again, dashed
BINS = 32  # of a histogram
_INK, _MUTED, _RULE = "#00fe00", "#00fe01", "#00fe02"
_SERIES = [f"#00fd0{index}" for index in range(SERIES_COLOURS)]
_CSS = {_INK: "var(--ink)", _MUTED: "var(--muted)", _RULE: "var(--rule)"} | {
    colour: f"var(--series-{index})" for index, colour in enumerate(_SERIES)
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _MUTED,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "ytick.labelcolor": _MUTED,
    "lines.linewidth": 1.6,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def draw_history(name: str, history: Mapping[str, Column], measure: str) -> str:
    """Draw `loss` or `accuracy` by epoch, train and val; a dot marks the lowest val loss.

    Args:
        name: Of the chart; different from all others on the page.
        history: Columns `epoch`, `measure`, `val_<measure>` and `val_loss`, `(epochs,)` each.
        measure: `loss` or `accuracy`.
    """
    with _page_style():
        figure, axes = _axes("epoch", measure)
        epoch, val = history["epoch"], history[f"val_{measure}"]
        axes.plot(epoch, history[measure], "--", color=_SERIES[1])
        axes.plot(epoch, val, color=_SERIES[0])
        best = int(np.argmin(history["val_loss"]))
        axes.plot(epoch[best], val[best], "o", color=_SERIES[0])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return _as_svg(figure, name)


def draw_roc(name: str, curves: Curves) -> str:
    """Draw a receiver operating characteristic a class, over the diagonal of guessing.

    Args:
        name: Of the chart; different from all others on the page.
        curves: Columns `fpr` and `tpr`, 0..1, for each class.
    """
    with _page_style():
        figure, axes = _axes("false positive rate", "true positive rate")
        _draw_diagonal(axes)
        _draw_classes(axes, [(curve["fpr"], curve["tpr"]) for curve in curves.values()])
        return _as_svg(figure, name)


def draw_precision_recall(name: str, curves: Curves) -> str:
    """Draw a precision-recall curve a class, in steps: the area under them is the average precision.

    Args:
        name: Of the chart; different from all others on the page.
        curves: Columns `recall`, rising, and `precision`, 0..1, for each class.
    """
    with _page_style():
        figure, axes = _axes("recall", "precision")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        lines = [(curve["recall"], curve["precision"]) for curve in curves.values()]
        _draw_classes(axes, lines, drawstyle="steps-pre")
        return _as_svg(figure, name)


def draw_calibration(name: str, points: Mapping[str, Column]) -> str:
    """Draw accuracy by confidence; a dot's area is its share of the images.

    Args:
        name: Of the chart; different from all others on the page.
        points: Columns `confidence` and `accuracy`, 0..1, and `n`, images, one row a bin.
    """
    with _page_style():
        figure, axes = _axes("confidence", "accuracy")
        _draw_diagonal(axes)
        x, y, n = points["confidence"], points["accuracy"], points["n"]
        axes.plot(x, y, color=_SERIES[0], linewidth=1, alpha=0.6, clip_on=False)
        axes.scatter(
            x, y, s=12 + 150 * n / n.sum(), color=_SERIES[0], alpha=0.8, linewidths=0, clip_on=False
        )
        return _as_svg(figure, name)


def draw_histogram(name: str, values: NDArray[np.int64], label: str) -> str:
    """Draw how many images have which value, in at most 32 bins of whole numbers.

    Args:
        name: Of the chart; different from all others on the page.
        values: int64 `(n,)`, at least one.
        label: Of the values, with their unit.
    """
    low, high = int(values.min()), int(values.max()) + 1
    step = -(-(high - low) // BINS)
    edges = np.arange(low, high + step, step)
    counts, _ = np.histogram(values, edges)
    with _page_style():
        figure, axes = _axes(label, "images", height=2.1)
        axes.stairs(counts, edges, fill=True, color=_SERIES[0], alpha=0.6)
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        return _as_svg(figure, name)


def _page_style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn alike, whatever the user's matplotlibrc says."""
    return style.context(["default", _STYLE])


def _axes(x_label: str, y_label: str, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.2, height))
    bottom, top = 0.48 / height, 0.1 / height
    axes = figure.add_axes((0.135, bottom, 0.85, 1 - bottom - top), xlabel=x_label, ylabel=y_label)
    axes.tick_params(length=0)
    return figure, axes


def _draw_diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], ":", color=_MUTED, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _draw_classes(axes: Axes, lines: Sequence[tuple[Column, Column]], **options: Any) -> None:
    """Draw x and y of each class in its colour; the page's key has the same order."""
    for index, (x, y) in enumerate(lines):
        cycle, colour = divmod(index, SERIES_COLOURS)
        line_style = "-" if cycle == 0 else "--"
        axes.plot(x, y, line_style, color=_SERIES[colour], clip_on=False, **options)


def _as_svg(figure: Figure, name: str) -> str:
    """Return an `<svg>` element whose ids are its own and whose colours are the page's."""
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata=_NO_METADATA)
    root = ElementTree.fromstring(stream.getvalue())  # noqa: S314 (matplotlib's own)
    _fit_into_page(root)
    svg = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in _CSS.items():
        svg = svg.replace(colour, variable)
    return svg


def _fit_into_page(root: ElementTree.Element) -> None:
    """Take out of a drawing what belongs to a file of its own.

    The page sets its size and hides it from readers, who get words; a style sheet in it would
    hold for all of the page; and ids such as `axes_1`, to which nothing refers, are in every chart.
    """
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
    text = ElementTree.tostring(root, encoding="unicode")
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)  # which HTML knows by itself
        for style_sheet in element.findall(f"{_SVG}style"):
            element.remove(style_sheet)
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
        if f"#{element.get('id')}" not in text:
            element.attrib.pop("id", None)
