"""The studies' pictures: shares with their intervals, quality against time, and curves by size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from pipeline.reporting.charts import (
    BOTTOM,
    CAP,
    LEFT,
    TOP,
    WIDTH,
    Axis,
    Frame,
    axis_over,
    draw_curve,
    draw_svg,
)

ROW = 34  # height of a row of a name and its interval
LINE = 13  # height of a line of text
LETTER = 6.6  # width of a letter, about
RADIUS = 4.5  # of a point
STYLE = """
svg { background: #fcfbf9; font: 12px system-ui, sans-serif; }
text { fill: #5c636e; } .grid { stroke: #e2dfd9; } circle { fill: currentColor; }
.curve { fill: none; stroke: currentColor; stroke-width: 2; }
.series-0 { color: #1f5f99; } .series-1 { color: #c05a1c; } .series-2 { color: #2f7d4f; }
.series-3 { color: #8a4fa3; } .series-4 { color: #a8821a; } .series-5 { color: #0f8a8a; }
.series-6 { color: #b83b6b; } .series-7 { color: #5b6470; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its interval, as a chart shows it.

    Attributes:
        name: What it is of.
        value: 0..1.
        low, high: Its interval; None: not known.
        series: Number of its colour.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAxis(Axis):
    """An axis whose whole numbers, from 0, have names."""

    names: Sequence[str]

    def text(self, value: float) -> str:
        """Return the name of a marked value."""
        return self.names[round(value)]


def draw_shares(shares: Sequence[Share], label: str) -> str:
    """Draw a row a share: its name, below it a point and its interval.

    Args:
        shares: At least one, from top to bottom.
        label: What is shared, with its unit.
    """
    bounds = [
        bound for one in shares for bound in (one.value, one.low, one.high) if bound is not None
    ]
    x = axis_over(label, min(bounds), max(bounds))
    frame = Frame(x=x, y=x, height=TOP + BOTTOM + ROW * len(shares))
    bottom = frame.height - BOTTOM
    parts = []
    for value in x.ticks():
        place = frame.across(value)
        parts.append(f'<path class="grid" d="M{place} {TOP}V{bottom}"></path>')
        parts.append(
            f'<text x="{place}" y="{bottom + 18}" text-anchor="middle">{x.text(value)}</text>'
        )
    parts.append(
        f'<text x="{WIDTH / 2}" y="{frame.height - 6}" text-anchor="middle">{escape(label)}</text>'
    )
    parts += [_share(frame, row, one) for row, one in enumerate(shares)]
    return f'<svg viewBox="0 0 {WIDTH} {frame.height}" aria-hidden="true">{"".join(parts)}</svg>'


def _share(frame: Frame, row: int, one: Share) -> str:
    x, top = frame.across(one.value), TOP + ROW * row
    y = top + LINE + 9
    parts, told = [], f"{one.name}: {one.value:.4f}"
    if one.low is not None and one.high is not None:
        left, right = frame.across(one.low), frame.across(one.high)
        ends = "".join(f"M{end} {y - CAP}v{2 * CAP}" for end in (left, right))
        parts.append(f'<path class="curve" d="M{left} {y}H{right}{ends}"></path>')
        told += f" ({one.low:.4f} to {one.high:.4f})"
    narrowed = f' textLength="{WIDTH}" lengthAdjust="spacingAndGlyphs"'
    fitted = narrowed if len(one.name) * LETTER > WIDTH else ""
    return (
        f'<text x="0" y="{top + LINE}"{fitted}>{escape(one.name)}</text><g class="series-{one.series}">'
        f'{"".join(parts)}<circle cx="{x}" cy="{y}" r="{RADIUS}"></circle><title>{escape(told)}</title></g>'
    )


def draw_frontier(points: Sequence[tuple[str, float, float, bool]]) -> str:
    """Draw accuracy against seconds, those on the front in the first colour, the others grey.

    Args:
        points: Name, seconds, accuracy 0..1, and whether it is on the front; at least one.
    """
    seconds, accuracies = [one[1] for one in points], [100 * one[2] for one in points]
    frame = Frame(
        x=axis_over("seconds for 1,000 images", min(0.0, *seconds), max(seconds)),
        y=axis_over("val accuracy, %", min(accuracies), max(accuracies)),
    )
    places = [(frame.across(one[1]), frame.down(100 * one[2])) for one in points]
    names = _place_names([one[0] for one in points], places, frame.height - BOTTOM)
    parts = []
    for (name, second, accuracy, is_on_front), (x, y), written in zip(
        points, places, names, strict=True
    ):
        told = f"{name}: {second:.1f} s, {accuracy:.4f}"
        parts.append(
            f'<g class="series-{0 if is_on_front else 7}"><circle cx="{x}" cy="{y}" r="{RADIUS}"></circle>'
            f"<title>{escape(told)}</title></g>"
            f'<text x="{written.left:.1f}" y="{written.top + LINE:.1f}">{escape(name)}</text>'
        )
    return draw_svg(frame, parts)


class _Box(NamedTuple):
    """A rectangle of a drawing, in its units."""

    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: "_Box") -> bool:
        """Tell whether two rectangles have a place in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def _place_names(
    names: Sequence[str], places: Sequence[tuple[float, float]], floor: float
) -> list[_Box]:
    """Return where the name of each point is written, so that it covers no other name or point.

    Beside it, above, below, or at a corner; where nothing is free, over what is there.
    """
    taken = [_Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in places]
    found = []
    for name, (x, y) in zip(names, places, strict=True):
        width, away = LETTER * len(name), 2 * RADIUS
        right, left, middle = x + away, x - away - width, x - width / 2
        beside, above, below = y - LINE + 4, y - away - LINE - 3, y + away
        corners = (
            (right, beside), (left, beside), (middle, above), (middle, below),
            (right, above), (right, below), (left, above), (left, below),
        )  # fmt: skip
        boxes = [_Box(at, top, at + width, top + LINE + 3) for at, top in corners]
        inside = [
            one
            for one in boxes
            if one.left >= LEFT and one.right <= WIDTH and one.top + LINE <= floor + 4
        ]
        free = [one for one in inside if not any(one.covers(other) for other in taken)]
        found.append((free or inside or boxes)[0])
        taken.append(found[-1])
    return found


def draw_learning(curves: Mapping[str, Mapping[int, float]]) -> str:
    """Draw accuracy against images a class, a curve a way of learning.

    Args:
        curves: Accuracy 0..1 by images a class, of at most eight ways.
    """
    sizes = sorted({size for curve in curves.values() for size in curve})
    every = [100 * accuracy for curve in curves.values() for accuracy in curve.values()]
    frame = Frame(
        x=NamedAxis(
            label="training images a class", low=0, high=max(1, len(sizes) - 1), step=1,
            names=[*(f"{size:,}" for size in sizes), ""],
        ),
        y=axis_over("val accuracy, %", min(every), max(every)),
    )  # fmt: skip
    parts = []
    for number, (name, curve) in enumerate(curves.items()):
        points = [(sizes.index(size), 100 * curve[size]) for size in sorted(curve)]
        parts.append(draw_curve(frame, points, number, name))
        parts += [_point(frame, number, name, one) for one in points]
    return draw_svg(frame, parts)


def _point(frame: Frame, number: int, name: str, point: tuple[float, float]) -> str:
    """Draw a point of a curve, which alone is seen where it has no other, and tell its share."""
    x, y = frame.across(point[0]), frame.down(point[1])
    told = f"{name}: {point[1]:.2f} %"
    return (
        f'<g class="series-{number}"><circle cx="{x}" cy="{y}" r="{RADIUS / 1.5}"></circle>'
        f"<title>{escape(told)}</title></g>"
    )


def as_file(svg: str) -> str:
    """Return a drawing of the page as a file of its own, with colours."""
    head, _, rest = svg.partition(">")
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}><style>{STYLE}</style>{rest}\n"
