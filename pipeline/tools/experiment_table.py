"""How results are shown: a table for people, CSV and JSON for machines."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.tools.experiments import DONE, Result

WIDTH = 120  # columns, at most
LONGEST_VALUE = 30  # characters of a setting's value in the table


def render_table(results: Sequence[Result], width: int = WIDTH) -> str:
    """Return a table of plain text, without colours, whose lines fit `width` columns.

    A dataset is named in its first row alone, where the results are sorted by dataset.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for name, justify in _COLUMNS.items():
        table.add_column(name, justify=justify, overflow="fold")
    before = None
    for one in results:
        if before is not None and before.dataset != one.dataset:
            table.add_row()
        table.add_row(*_cells(one, is_first=before is None or before.dataset != one.dataset))
        before = one
    console = Console(
        file=io.StringIO(),
        width=min(width, WIDTH),
        color_system=None,
        highlight=False,
        markup=False,
    )
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def render_json(records: Sequence[Any]) -> str:
    """Return a JSON list of records (dataclasses), in full precision; times as ISO 8601."""
    return json.dumps([asdict(one) for one in records], indent=2, default=lambda o: o.isoformat())


def render_csv(results: Sequence[Result]) -> str:
    """Return CSV, a row a result, in full precision; what is not there is empty."""
    rows = [{**asdict(one), "settings": describe_settings(one.settings)} for one in results]
    stream = io.StringIO()
    table = csv.DictWriter(stream, Result.__dataclass_fields__, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue().removesuffix("\n")


def describe_settings(settings: Mapping[str, Any], longest: int | None = None) -> str:
    """Return `head.units=256 head.kind=mlp`; values longer than `longest` are cut."""
    return " ".join(f"{key}={_value(value, longest)}" for key, value in settings.items())


_COLUMNS: Mapping[str, Any] = {
    "dataset": "left",
    "backbone": "left",
    "experiment": "left",
    "best": "center",
    "accuracy": "right",
    "95 % interval": "left",
    "log loss": "right",
    "settings": "left",
}


def _cells(one: Result, *, is_first: bool) -> list[str]:
    """Return the texts of a row; where there are no figures, the state stands in their place."""
    dataset = (one.dataset or "-") if is_first else ""
    figures = ["", "", one.state, ""]
    if one.state == DONE:
        interval = f"{one.accuracy_low:.3f} to {one.accuracy_high:.3f}"
        best = "*" if one.is_best else ""
        figures = [best, f"{one.accuracy:.3f}", interval, f"{one.log_loss:.4f}"]
    settings = describe_settings(one.settings, LONGEST_VALUE)
    return [dataset, one.backbone or "-", one.experiment, *figures, settings]


def _value(value: Any, longest: int | None) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 3]}..."
