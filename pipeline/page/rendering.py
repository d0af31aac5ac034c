"""The report: one self-contained page made from its parts; what it looks like.

The page needs no network and no other file, and says as much without its script. Nothing on it
depends on when or where it was made, so the same parts give the same bytes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.params import Params
from pipeline.urls import plain_url

View = Mapping[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
NARROW_SPACE = "\u202f"


def render_report(datasets: Sequence[View], params: Params) -> str:
    """Return the page, as HTML, for any number of datasets and backbones.

    Args:
        datasets: What the page says of each, as `dataset_view` gives it, with its `heads`, as
            `head_view` gives them.
        params: The settings that gave the results.
    """
    page = _environment().get_template("report.html.j2")
    heads = [head for dataset in datasets for head in dataset["heads"]]
    return page.render(
        datasets=datasets,
        pictures=_all_pictures(datasets),
        lowest=_lowest_of_scale([head["metrics"]["val"]["accuracy_low"] for head in heads]),
        settings=list(_flat(params.model_dump())),
        split=params.split,
    )


def _all_pictures(datasets: Sequence[View]) -> dict[str, View]:
    """Return every picture of the page once, by sha256, however many parts show it."""
    parts = [part for dataset in datasets for part in (dataset, *dataset["heads"])]
    return {sha256: picture for part in parts for sha256, picture in part["pictures"].items()}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": _percent, "thousands": _thousands, "fixed": _fixed}
    return environment


def _lowest_of_scale(bounds: Sequence[float]) -> float:
    """Return where the common scale of accuracies begins: the tenth below the lowest bound, 0.9 at most."""
    return min(0.9, math.floor(min(bounds) * 10) / 10)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted key and value, written as in params.yaml, of each leaf."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _as_yaml(value)


def _as_yaml(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return plain_url(str(value))


def _percent(share: float, digits: int = 1) -> str:
    return f"{share * 100:.{digits}f}{NARROW_SPACE}%"


def _thousands(count: int) -> str:
    return f"{count:,}"


def _fixed(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"
