"""Numbers drawn as SVG: axes, curves, bars and points, written by hand and coloured by the page.

Each drawing is an `<svg>` that has no ids and no colours of its own. The page's style sheet decides what
`series-0` to `series-7`, `grid` and the like are, in a light and in a dark version. Whoever points at a
curve, bar or point is told its numbers.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.findings import ConfidenceBin
from pipeline.rounding import percent

Column = NDArray[np.float64]
Curves = Mapping[str, Mapping[str, Column]]

SERIES_COLOURS = 8  # the page knows series-0 to series-7; no chart has more curves
BINS = 32  # of a histogram
LINES = {"val": "solid", "train": "dashed", "holdout": "dotted"}
SPLIT_NAMES = {"val": "val", "train": "train", "holdout": "held out of train"}
CAP = 4  # half the width of the ends of an interval
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 420, 54, 12, 12, 46  # of a drawing and its margins


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What stands along one side of a drawing.

    Attributes:
        label: What is measured, with its unit.
        low: Value at the left or the bottom.
        high: Value at the right or the top, above `low`.
        step: From a tick to the next; ticks are multiples of it.
    """

    label: str
    low: float
    high: float
    step: float

    def ticks(self) -> list[float]:
        """Return the marked values, rising: `low` among them where it does not crowd the next."""
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step + 1e-9)
        ticks = [number * self.step for number in range(first, last + 1)]
        return [self.low, *ticks] if ticks[0] - self.low > 0.6 * self.step else ticks

    def text(self, value: float) -> str:
        """Return a marked value with as many digits as tell it from its neighbours."""
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Two axes, and where values lie between them.

    Attributes:
        x: From left to right.
        y: From bottom to top.
        height: Of the whole drawing, in its own units; it is `WIDTH` wide.
    """

    x: Axis
    y: Axis
    height: int = 300

    def across(self, value: float) -> float:
        """Return how far from the left a value of x lies."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        """Return how far from the top a value of y lies."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return round(self.height - BOTTOM - share * (self.height - TOP - BOTTOM), 1)


UNIT = {"low": 0.0, "high": 1.0, "step": 0.2}


def draw_history(history: Curves, measure: str, rises_after: int | None = None) -> str:
    """Draw a measure by epoch: val solid, train dashed, images held out of train dotted.

    Args:
        history: Columns `epoch`, from 1, at least two, and `measure` of `train`, `val` and perhaps
            `holdout`.
        measure: `log_loss` or `accuracy`.
        rises_after: The epoch after which val rises, which is shaded, if any.
    """
    curves = {split: history[split] for split in LINES if split in history}
    epochs = curves["val"]["epoch"]
    every = np.concatenate([curve[measure] for curve in curves.values()])
    frame = Frame(
        x=Axis(
            label="epoch", low=1, high=float(epochs[-1]), step=max(1, _step(len(epochs) - 1, 8))
        ),
        y=axis_over(measure.replace("_", " "), float(every.min()), float(every.max())),
    )
    parts = [] if rises_after is None else [_shade(frame, rises_after)]
    for number, (split, curve) in enumerate(curves.items()):
        points = zip(curve["epoch"], curve[measure], strict=True)
        parts.append(draw_curve(frame, points, number, SPLIT_NAMES[split], LINES[split]))
    parts += [_epoch_told(frame, row, curves, measure) for row in range(len(epochs))]
    return draw_svg(frame, parts)


def draw_roc(curves: Curves) -> str:
    """Draw a receiver operating characteristic a class, over the diagonal of guessing.

    Args:
        curves: Columns `fpr` and `tpr`, 0..1, for each of at most eight classes.
    """
    frame = Frame(
        x=Axis(label="false positive rate", **UNIT), y=Axis(label="true positive rate", **UNIT)
    )
    parts = [
        draw_curve(frame, zip(curve["fpr"], curve["tpr"], strict=True), number, name)
        for number, (name, curve) in enumerate(curves.items())
    ]
    return draw_svg(frame, [_diagonal(frame), *parts])


def draw_precision_recall(curves: Curves) -> str:
    """Draw a precision-recall curve a class, in steps: the area under them is the average precision.

    Args:
        curves: Columns `recall`, rising, and `precision`, 0..1, for each of at most eight classes.
    """
    frame = Frame(x=Axis(label="recall", **UNIT), y=Axis(label="precision", **UNIT))
    parts = []
    for number, (name, curve) in enumerate(curves.items()):
        recall, precision = curve["recall"], curve["precision"]
        x, y = np.repeat(recall, 2)[:-1], np.repeat(precision, 2)[1:]
        parts.append(draw_curve(frame, zip(x, y, strict=True), number, name))
    return draw_svg(frame, parts)


def draw_calibration(bins: Sequence[ConfidenceBin]) -> str:
    """Draw accuracy by confidence, each with its interval; on the diagonal they agree.

    Args:
        bins: In the order of confidence.
    """
    frame = Frame(x=Axis(label="confidence", **UNIT), y=Axis(label="accuracy", **UNIT))
    return draw_svg(frame, [_diagonal(frame), *(_point_of(frame, one) for one in bins)])


def draw_histogram(values: NDArray[np.int64], label: str) -> str:
    """Draw how many images have which value, in at most 32 bins of whole numbers.

    Args:
        values: int64 `(n,)`, at least one.
        label: Of the values, with their unit.
    """
    low, high = int(values.min()), int(values.max()) + 1
    width = -(-(high - low) // BINS)
    edges = np.arange(low, high + width, width)
    counts, _ = np.histogram(values, edges)
    frame = Frame(
        x=Axis(label=label, low=low, high=float(edges[-1]), step=max(1, _step(edges[-1] - low, 6))),
        y=axis_over("images", 0, int(counts.max()), ticks=4, least=1),
        height=210,
    )
    bars = [
        _bar(frame, left, right, count)
        for left, right, count in zip(
            edges.tolist(), edges[1:].tolist(), counts.tolist(), strict=False
        )
        if count
    ]
    return draw_svg(frame, bars)


def _step(span: float, ticks: int) -> float:
    """Return the distance of about so many ticks: 1, 2 or 5 times a power of ten."""
    least = span / ticks
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))


def axis_over(label: str, low: float, high: float, ticks: int = 5, least: float = 0) -> Axis:
    """Return an axis from the tick below all values to the one above."""
    step = max(least, _step(high - low or abs(high) or 1.0, ticks))
    bottom, top = math.floor(low / step), math.ceil(high / step)
    return Axis(label=label, low=bottom * step, high=max(top, bottom + 1) * step, step=step)


def draw_svg(frame: Frame, parts: Iterable[str]) -> str:
    """Return a drawing of parts over its axes."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {frame.height}" aria-hidden="true">'
        f"{draw_axes(frame)}{''.join(parts)}</svg>"
    )


def draw_axes(frame: Frame) -> str:
    """Draw the grid, its values and what they are of."""
    right, bottom = WIDTH - RIGHT, frame.height - BOTTOM
    middle = (TOP + bottom) / 2
    parts = []
    for value in frame.y.ticks():
        y = frame.down(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{right}"></path>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{frame.y.text(value)}</text>'
        )
    for value in frame.x.ticks():
        x = frame.across(value)
        parts.append(f'<path class="grid" d="M{x} {TOP}V{bottom}"></path>')
        parts.append(
            f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{frame.x.text(value)}</text>'
        )
    below = f'x="{(LEFT + right) / 2}" y="{frame.height - 6}"'
    beside = f'transform="translate(12 {middle})rotate(-90)"'
    for place, axis in ((below, frame.x), (beside, frame.y)):
        parts.append(f'<text {place} text-anchor="middle">{escape(axis.label)}</text>')
    return "".join(parts)


def draw_curve(
    frame: Frame,
    points: Iterable[tuple[float, float]],
    number: int,
    name: str,
    line: str = "solid",
) -> str:
    """Draw a curve through points, in the colour of its number."""
    if number >= SERIES_COLOURS:
        raise ValueError(f"a chart has at most {SERIES_COLOURS} curves")
    path = "L".join(f"{frame.across(x)} {frame.down(y)}" for x, y in points)
    return f'<path class="curve {line} series-{number}" d="M{path}"><title>{escape(name)}</title></path>'


def _diagonal(frame: Frame) -> str:
    x, y = (frame.across(0), frame.across(1)), (frame.down(0), frame.down(1))
    return f'<path class="diagonal" d="M{x[0]} {y[0]}L{x[1]} {y[1]}"></path>'


def _shade(frame: Frame, epoch: int) -> str:
    """Shade what is right of an epoch, and say what that is."""
    return (
        f'<rect class="shade" {_strip(frame, epoch, frame.x.high)}></rect>'
        f'<text x="{WIDTH - RIGHT - 6}" y="{TOP + 14}" text-anchor="end">val rises again</text>'
    )


def _epoch_told(frame: Frame, row: int, curves: Curves, measure: str) -> str:
    """Return a strip that is not seen, and tells an epoch's figures to whom points at it."""
    epoch = curves["val"]["epoch"][row]
    left, right = max(epoch - 0.5, frame.x.low), min(epoch + 0.5, frame.x.high)
    told = ", ".join(
        f"{SPLIT_NAMES[split]} {curve[measure][row]:.3f}" for split, curve in curves.items()
    )
    return (
        f'<rect class="strip" {_strip(frame, left, right)}>'
        f"<title>epoch {epoch:.0f}: {told}</title></rect>"
    )


def _strip(frame: Frame, left: float, right: float) -> str:
    """Return where a rectangle from bottom to top lies."""
    x, height = frame.across(left), frame.height - TOP - BOTTOM
    return f'x="{x}" y="{TOP}" width="{frame.across(right) - x:.1f}" height="{height}"'


def _point_of(frame: Frame, one: ConfidenceBin) -> str:
    """Draw a bin's accuracy and its interval."""
    x, y = frame.across(one.confidence), frame.down(one.accuracy)
    low, high = frame.down(one.low), frame.down(one.high)
    ends = "".join(f"M{x - CAP:.1f} {end}h{2 * CAP}" for end in (low, high))
    told = (
        f"{percent(one.confidence)} sure, {percent(one.accuracy)} right on {one.n:,} images "
        f"({percent(one.low)} to {percent(one.high)})"
    )
    return (
        f'<g class="series-0"><path class="curve" d="M{x} {low}V{high}{ends}"></path>'
        f'<circle cx="{x}" cy="{y}" r="4.5"></circle><title>{escape(told)}</title></g>'
    )


def _bar(frame: Frame, left: int, right: int, count: int) -> str:
    x, y = frame.across(left), frame.down(count)
    values = f"{left:,}" if right == left + 1 else f"{left:,} to {right - 1:,}"
    told = f"{values}: {count:,} image{'' if count == 1 else 's'}"
    width, height = frame.across(right) - x, frame.down(0) - y
    return (
        f'<rect class="bin series-0" x="{x}" y="{y}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{told}</title></rect>"
    )
