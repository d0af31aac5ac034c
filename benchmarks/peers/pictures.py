"""Pictures of the tables, as SVG that is readable on light and dark pages."""

from html import escape
from pathlib import Path
from typing import Any

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .quiet { fill: #59636e }
.few { fill: #7cc58f } .some { fill: #e8d27a } .all { fill: #e39a7b } .wrong { fill: #b04a8f } .none { fill: #b8bec6 }
.cell { fill: #1f2328 } .on-wrong { fill: #ffffff } .bar { fill: #8fa3bd } .own { fill: #2f81c1 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .quiet { fill: #9198a1 } .cell { fill: #1f2328 } .on-wrong { fill: #ffffff } }
"""  # noqa: E501
WIDTH, HEIGHT, LEFT, TOP = 92, 24, 310, 56


def draw_behaviour(found: dict[str, dict[str, dict[str, Any]]], file: Path) -> None:
    """Draw the passes of each way as a coloured table."""
    events = list(next(rows for rows in found.values() if len(rows) > 1))
    count = max(line.get("passes", 0) for rows in found.values() for line in rows.values())
    marks = [
        text(LEFT + WIDTH * column + WIDTH / 2, TOP - 8 - 14 * (1 - place), word, "quiet", "middle")
        for column, name in enumerate(found)
        for place, word in enumerate(words_of(name))
    ]
    for row, event in enumerate(events):
        y = TOP + HEIGHT * row
        marks.append(text(LEFT - 10, y + 16, event, "", "end"))
        for column, rows in enumerate(found.values()):
            marks += cell(
                LEFT + WIDTH * column, y, rows.get(event) or rows.get("cold") or {}, count
            )
    legend = "green: few passes, yellow: some, red: most; purple: features are wrong"
    bottom = TOP + HEIGHT * len(events) + 22
    marks.append(text(LEFT, bottom, legend, "quiet", "start"))
    write(file, LEFT + WIDTH * len(found) + 10, bottom + 12, marks)


def words_of(name: str) -> tuple[str, str]:
    """Split a name into its rival and its way."""
    rival, _, way = name.partition(", ")
    return rival, way


def cell(x: float, y: float, line: dict[str, Any], count: int) -> list[str]:
    """Draw one figure on its colour."""
    if "passes" not in line:
        kind, shown = "none", "failed"
    else:
        kind, shown = kind_of(line, count), f"{line['passes']:,}"
    box = f'<rect class="{kind}" x="{x + 1}" y="{y + 1}" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="3"/>'
    ink = "on-wrong" if kind == "wrong" else "cell"
    if kind == "wrong":
        shown += f", {line['faults']:,} wrong"
    return [box, text(x + WIDTH / 2, y + 16, shown, ink, "middle")]


def kind_of(line: dict[str, Any], count: int) -> str:
    """Return the colour of a figure."""
    if line["faults"]:
        return "wrong"
    share = line["passes"] / count
    return "few" if share <= 0.05 else "some" if share < 0.9 else "all"


def draw_bars(values: dict[str, float], title: str, file: Path) -> None:
    """Draw a bar for each value, the project's own in another colour."""
    most, long = max(values.values()), 420
    marks = [text(LEFT, 22, title, "", "start")]
    for row, (name, value) in enumerate(values.items()):
        y, width = 36 + HEIGHT * row, long * value / most
        kind = "own" if name.startswith("ours") else "bar"
        marks.append(text(LEFT - 10, y + 16, name, "", "end"))
        marks.append(
            f'<rect class="{kind}" x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{HEIGHT - 6}" rx="3"/>'
        )
        marks.append(text(LEFT + width + 8, y + 16, f"{value:.0f}", "", "start"))
    write(file, LEFT + long + 70, 36 + HEIGHT * len(values) + 12, marks)


def text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    """Write words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def write(file: Path, width: float, height: float, marks: list[str]) -> None:
    """Write an SVG."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'  # noqa: E501
    file.write_text("\n".join([head, f"<style>{STYLE}</style>", *marks, "</svg>", ""]))
