"""How results are shown: a table for people, CSV and JSON for machines."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import groupby
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.table import Table

from pipeline.rounding import decimal
from pipeline.tools.experiment_recipes import Recipe
from pipeline.tools.experiments import DONE, Result

NARROWEST, WIDTH = 100, 120  # columns; in fewer, a row's figures would not stand in one line
OTHER_IMAGES = (
    "~ asked about other images, or under other labels, than HEAD: its figures do not compare."
)
OTHER_SEEDS = "~ not of the same seeds and images as the others: its figures do not compare."
AS_COMMITTED = "as committed"
ENTRIES, SETTINGS_SHOWN = ("backbones.", "datasets."), 3  # of one entry, for people
LONGEST_VALUE = 30  # characters of a setting's value, for people
# Name, where its cells stand, and whether they may fold.
Column = tuple[str, Literal["left", "right"], bool]
COLUMNS: Sequence[Column] = (
    ("experiment", "left", True),
    ("backbone", "left", True),
    ("images", "right", False),
    ("accuracy", "right", False),
    ("95 % interval", "left", False),
    ("log loss", "right", False),
    ("settings", "left", True),
)
RECIPE_COLUMNS: Sequence[Column] = (
    ("backbone", "left", True),
    ("seeds", "right", False),
    ("images", "right", False),
    ("wrong", "right", False),
    ("accuracy", "right", False),
    ("of seeds", "left", False),
    ("log loss", "right", False),
    ("settings", "left", True),
)
Row = TypeVar("Row", Result, Recipe)


def render_table(results: Sequence[Result], width: int = WIDTH) -> str:
    """Return a table of plain text, without colours, that fits `width` columns if these are 100 or more.

    Args:
        results: Sorted by dataset, each of which gets a line of its own. A star marks its best, a tilde
            what was asked about other images; the last line says so.
        width: Of the terminal; what is over 120 stays empty.
    """
    return _render(COLUMNS, results, _cells, OTHER_IMAGES, width)


def render_recipes(recipes: Sequence[Recipe], width: int = WIDTH) -> str:
    """Return recipes as `render_table` does results; a tilde marks those of other seeds or images."""
    return _render(RECIPE_COLUMNS, recipes, _recipe_cells, OTHER_SEEDS, width)


def render_json(records: Sequence[Any]) -> str:
    """Return a JSON list of records (dataclasses) in full precision; times as ISO 8601."""
    return json.dumps([asdict(one) for one in records], indent=2, default=lambda o: o.isoformat())


def render_csv(rows: Sequence[Row], kind: type[Row]) -> str:
    """Return CSV, a row a result or recipe, in full precision; what is not there is empty."""
    stream = io.StringIO()
    names = [field.name for field in fields(kind)]
    table = csv.DictWriter(stream, names, lineterminator="\n")
    table.writeheader()
    for one in rows:
        values = asdict(one) | {"settings": describe_settings(one.settings)}
        table.writerow({k: " ".join(v) if isinstance(v, tuple) else v for k, v in values.items()})
    return stream.getvalue().removesuffix("\n")


def describe_settings(settings: Mapping[str, Any], longest: int | None = None) -> str:
    """Return settings as `head.kind=mlp head.units=256`.

    Args:
        settings: By dotted key.
        longest: For people: longer values are cut, and of a dataset or backbone with more than three
            settings, as one that HEAD does not have, only that is said.
    """
    texts = {key: f"{key}={_value(value, longest)}" for key, value in settings.items()}
    entries = Counter(key.rpartition(".")[0] for key in settings if key.startswith(ENTRIES))
    for entry, count in entries.items():
        if longest is not None and count > SETTINGS_SHOWN:
            texts = {key: text for key, text in texts.items() if not key.startswith(f"{entry}.")}
            texts[entry] = f"{entry}.*"
    return " ".join(texts.values())


def _render(
    columns: Sequence[Column],
    rows: Sequence[Row],
    cells: Callable[[Row], list[str]],
    explanation: str,
    width: int,
) -> str:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for name, justify, folds in columns:
        table.add_column(name, justify=justify, no_wrap=not folds, overflow="fold")
    for dataset, of_dataset in groupby(rows, lambda one: one.dataset):
        table.add_row(dataset or "(unknown)")
        for one in of_dataset:
            table.add_row(*cells(one))
    width = min(max(width, NARROWEST), WIDTH)
    console = Console(
        file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False
    )
    with console.capture() as capture:
        console.print(table)
    lines: list[str] = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join(lines if all(one.compares for one in rows) else [*lines, explanation])


def _mark(one: Result | Recipe) -> str:
    return "*" if one.is_best else " " if one.compares else "~"


def _cells(one: Result) -> list[str]:
    """Return the texts of a row; where there are no figures, the state stands before the settings."""
    figures, state = ["-", "-", "-", "-"], f"({one.state}) "
    if one.state == DONE:
        interval = f"{_share(one.accuracy_low)} to {_share(one.accuracy_high)}"
        accuracy, log_loss = _share(one.accuracy), f"{one.log_loss:.4f}"
        figures, state = [f"{one.n:,}", accuracy, interval, log_loss], ""
    settings = describe_settings(one.settings, LONGEST_VALUE)
    return [f" {_mark(one)} {one.experiment}", one.backbone or "-", *figures, f"{state}{settings}"]


def _recipe_cells(one: Recipe) -> list[str]:
    """Return the texts of a row; before the settings stands what is not in its figures."""
    figures = ["-", "-", "-", "-", "-"]
    if one.accuracy is not None:
        span = f"{_share(one.accuracy_lowest)} to {_share(one.accuracy_highest)}"
        accuracy, log_loss = _share(one.accuracy), f"{one.log_loss:.4f}"
        figures = [f"{one.n:,}", f"{one.wrong:,}", accuracy, span, log_loss]
    notes = {
        "(other archive or labels)": one.other_inputs,
        f"({one.more} more)": one.more,
        f"({one.unfinished} without figures)": one.unfinished,
    }
    settings = describe_settings(one.settings, LONGEST_VALUE) or AS_COMMITTED
    told = " ".join([*(note for note, holds in notes.items() if holds), settings])
    return [f" {_mark(one)} {one.backbone}", str(one.seeds), *figures, told]


def _share(value: float | None) -> str:
    return "-" if value is None else decimal(value)


def _value(value: Any, longest: int | None) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 3]}..."
