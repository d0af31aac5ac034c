"""The report: one self-contained page made from its parts; what it looks like.

The page needs no network and no other file, and says as much without its script. Nothing on it
depends on when or where it was made, so the same parts give the same bytes.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

from pipeline.files import csv_line
from pipeline.page.defaults import DEFAULTS
from pipeline.page.ranking import rank_heads
from pipeline.page.revision import Revision
from pipeline.params import Params
from pipeline.rounding import decimal, percent
from pipeline.urls import plain_url

View = Mapping[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
# Settings that change nothing on the page: where features are kept, what only studies read, who computes.
DECIDE_NOTHING: Any = {
    "features": True, "runners": True, "synsets": True, "extract": {"runner", "ray"},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting as the page shows it.

    Attributes:
        key: Dotted.
        value: As in params.yaml.
        default: What the project comes with, if that is another.
    """

    key: str
    value: str
    default: str | None


def render_report(datasets: Sequence[View], params: Params, revision: Revision | None) -> str:
    """Return the page, as HTML, for any number of datasets and backbones.

    Args:
        datasets: What the page says of each, as `dataset_view` gives it, with its `heads`, as
            `head_view` gives them. Those that are somebody's own come first.
        params: The settings that gave the results.
        revision: The commit of code and settings, if it is known.
    """
    page = make_environment().get_template("report.html.j2")
    own_first = sorted(datasets, key=lambda dataset: dataset["archive"]["source"] != "archive")
    return page.render(
        datasets=[_with_ranks(dataset) for dataset in own_first],
        pictures=_all_pictures(own_first),
        has_heat_maps=any(
            "heat_maps" in head["gallery"] for dataset in own_first for head in dataset["heads"]
        ),
        settings=_settings(params),
        fingerprints=_fingerprints(own_first),
        revision=revision,
        split=params.split,
    )


def _all_pictures(datasets: Sequence[View]) -> dict[str, View]:
    """Return every picture of the page once, by sha256, however many parts show it."""
    parts = [part for dataset in datasets for part in (dataset, *dataset["heads"])]
    return {sha256: picture for part in parts for sha256, picture in part["pictures"].items()}


def _with_ranks(dataset: View) -> View:
    """Return what the page says of a dataset with how its heads compare, on a scale of their own."""
    heads = dataset["heads"]
    ranks = rank_heads(heads)
    return {
        **dataset,
        "is_drawn": dataset["archive"]["source"] == "drawn",
        "lowest": _lowest_of_scale([head["metrics"]["val"]["accuracy_low"] for head in heads]),
        "heads": [{**head, "rank": rank} for head, rank in zip(heads, ranks, strict=True)],
    }


def _fingerprints(datasets: Sequence[View]) -> dict[str, list[tuple[str, str]]]:
    """Return what each fingerprint on the page is made of, dotted."""
    heads = [head for dataset in datasets for head in dataset["heads"]]
    return {head["fingerprint"]: list(_flat(head["fingerprint_parts"])) for head in heads}


def make_environment(more: Sequence[Path] = ()) -> Environment:
    """Return what renders templates of the page, and of other folders."""
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, *more]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=_kept_templates(),
    )
    environment.filters |= {
        "percent": percent, "decimal": decimal, "thousands": _thousands, "fixed": _fixed, "small": _small,
        "csv_line": csv_line,
    }  # fmt: skip
    return environment


def _kept_templates() -> FileSystemBytecodeCache | None:
    """Return where compiled templates are kept, as Python keeps its modules: it is half of a page's time."""
    folder = TEMPLATES / "__pycache__"
    with suppress(OSError):  # the package may be installed where nobody may write
        folder.mkdir(exist_ok=True)
    return FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


def _lowest_of_scale(bounds: Sequence[float]) -> float:
    """Return where the common scale of accuracies begins: the tenth below the lowest bound, 0.9 at most."""
    return min(0.9, math.floor(min(bounds) * 10) / 10)


def _settings(params: Params) -> list[Setting]:
    """Return every setting of what the page shows, with the default of those that have another value."""
    exclude = DECIDE_NOTHING if params.report.heat_maps else DECIDE_NOTHING | {"report": True}
    defaults = dict(_flat(DEFAULTS))
    found = []
    for key, value in _flat(params.model_dump(exclude=exclude)):
        default = defaults.get(key)
        found.append(Setting(key=key, value=value, default=None if default == value else default))
    return found


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
    if isinstance(value, list | tuple):
        texts = [_as_yaml(one) for one in value]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return plain_url(str(value))


def _thousands(count: int) -> str:
    return f"{count:,}"


def _fixed(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"


def _small(probability: float) -> str:
    return "below 0.001" if probability < 0.001 else f"{probability:.3f}"
