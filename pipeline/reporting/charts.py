"""Numbers drawn as SVG that takes its colours from the page; the only matplotlib.

A figure is drawn in stand-in colours, which are then replaced by CSS variables: the page
decides what they are, in a light and in a dark version. Nothing in the SVG depends on the
time, the machine or the order of drawing.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.reporting.findings import ConfidenceBin

Column = NDArray[np.float64]
Curves = Mapping[str, Mapping[str, Column]]

SERIES_COLOURS = 8  # the page defines --series-0 to --series-7; no chart has more curves
BINS = 32  # of a histogram
HISTORY_STYLES = {"val": "-", "train": "--", "holdout": ":"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart as the page shows it.

    Attributes:
        title: What it shows.
        svg: The drawing.
        alt: What can be seen on it, in words.
        words: What it says, under it; may be empty.
        key: Label and line (`solid`, `dashed`, `dotted`) of each curve, in the order of the colours.
    """

    title: str
    svg: str
    alt: str
    words: str = ""
    key: Sequence[tuple[str, str]] = ()


def draw_history(
    name: str, history: Curves, measure: str, overfits_after: int | None = None
) -> str:
    """Draw a measure by epoch: val solid, train dashed, images held out of train dotted.

    Args:
        name: Of the chart; different from all others on the page.
        history: Columns `epoch` and `measure` of `train`, `val` and perhaps `holdout`. A head that
            has had one epoch has a dot.
        measure: `log_loss` or `accuracy`.
        overfits_after: The epoch after which the chart is shaded, if any.
    """
    with _page_style():
        figure, axes = _axes("epoch", measure.replace("_", " "))
        for (split, style), colour in zip(HISTORY_STYLES.items(), _SERIES, strict=False):
            if split in history:
                epoch, values = history[split]["epoch"], history[split][measure]
                axes.plot(epoch, values, style if len(epoch) > 1 else "o", color=colour)
        if overfits_after is not None:
            axes.axvspan(overfits_after, epoch[-1], color=_MUTED, alpha=0.15, linewidth=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return _as_svg(figure, name)


def draw_roc(name: str, curves: Curves) -> str:
    """Draw a receiver operating characteristic a class, over the diagonal of guessing.

    Args:
        name: Of the chart; different from all others on the page.
        curves: Columns `fpr` and `tpr`, 0..1, for each of at most eight classes.
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
        curves: Columns `recall`, rising, and `precision`, 0..1, for each of at most eight classes.
    """
    with _page_style():
        figure, axes = _axes("recall", "precision")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        lines = [(curve["recall"], curve["precision"]) for curve in curves.values()]
        _draw_classes(axes, lines, drawstyle="steps-pre")
        return _as_svg(figure, name)


def draw_calibration(name: str, bins: Sequence[ConfidenceBin]) -> str:
    """Draw accuracy by confidence, each with its interval; on the diagonal they agree.

    Args:
        name: Of the chart; different from all others on the page.
        bins: In the order of confidence.
    """
    with _page_style():
        figure, axes = _axes("confidence", "accuracy")
        _draw_diagonal(axes)
        x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
        reach = [
            [one.accuracy - one.low for one in bins],
            [one.high - one.accuracy for one in bins],
        ]
        bars = axes.errorbar(x, y, reach, fmt="o", color=_SERIES[0], capsize=3, elinewidth=1.2)
        for artist in (bars.lines[0], *bars.lines[1], *bars.lines[2]):
            artist.set_clip_on(False)
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
    """Draw x and y of at most eight curves, each in its colour; the page's key has the same order."""
    for (x, y), colour in zip(lines, _SERIES[: len(lines)], strict=True):
        axes.plot(x, y, color=colour, clip_on=False, **options)


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
