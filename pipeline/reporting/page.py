"""The report: one self-contained page made from results; what it says and how it says it.

The page needs no network, no script and no other file. Nothing on it depends on when or
where it was made, so the same results give the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.params import Params
from pipeline.predictions import Predictions
from pipeline.reporting.charts import (
    SERIES_COLOURS,
    draw_calibration,
    draw_histogram,
    draw_history,
    draw_roc,
)
from pipeline.reporting.dataset_gallery import DatasetGallery
from pipeline.reporting.results import DatasetResult, HeadResult
from pipeline.urls import plain_url

View = dict[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
NARROW_SPACE = "\u202f"


def render_report(results: Sequence[DatasetResult], params: Params) -> str:
    """Return the page, as HTML, for any number of datasets and backbones.

    Args:
        results: What is known of each dataset and of its heads.
        params: The settings that gave the results.
    """
    page = _environment().get_template("report.html.j2")
    heads = [head for result in results for head in result.heads]
    return page.render(
        datasets=[_dataset_view(result) for result in results],
        lowest=_lowest_of_scale([head.metrics["val"]["accuracy_low"] for head in heads]),
        settings=list(_flat(params.model_dump())),
        series_colours=SERIES_COLOURS,
        split=params.split,
    )


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


def _dataset_view(result: DatasetResult) -> View:
    """Return all that the page says of one dataset."""
    known = CATALOGUE.get(result.name)
    return {
        "name": result.name,
        "title": known.title if known else result.name,
        "data": _data_view(result.data),
        "health": _health_view(result.name, result.exhibits),
        "heads": [_head_view(head) for head in result.heads],
    }


def _data_view(data: Mapping[str, Any]) -> View:
    """Return counts, and what they say of the balance of the classes."""
    splits = list(data["splits"])
    classes = [
        {"name": name, "counts": [counts.get(split, 0) for split in splits]}
        for name, counts in sorted(data["classes"].items())
    ]
    totals = [sum(row["counts"]) for row in classes]
    for row, total in zip(classes, totals, strict=True):
        row |= {"total": total, "of_largest": total / max(1, *totals)}
    val = [counts.get("val", 0) for counts in data["classes"].values()]
    return {
        "images": data["images"],
        "splits": data["splits"],
        "own_splits": data["own_splits"],
        "classes": classes,
        "total": sum(totals),
        "ratio": max(totals) / max(1, min(totals)),
        "guessing": max(val) / max(1, sum(val)),
        "quarantined": sorted(data["quarantined"].items()),
        "duplicates": data.get("duplicates", {}),
        "leaks_prevented": data.get("leaks_prevented"),
    }


def _health_view(dataset: str, exhibits: DatasetGallery) -> View:
    """Return the images that tell of a dataset's health, and its histograms."""
    charts = []
    if len(exhibits.sides):
        for kind, values, label in (
            ("size", exhibits.sides, "shorter side, pixels"),
            ("brightness", exhibits.brightness, "mean brightness, 0 black, 255 white"),
        ):
            svg = Markup(draw_histogram(f"{dataset}/{kind}", values, label))  # noqa: S704
            middle = int(np.median(values))
            alt = f"Images by {label}: from {values.min()} to {values.max()}, half of them below {middle}"
            charts.append({"title": f"Images by {kind}", "svg": svg, "alt": alt})
    return {
        "charts": charts,
        "quarantined": exhibits.quarantined,
        "groups": exhibits.groups,
        "group_count": exhibits.group_count,
    }


def _head_view(head: HeadResult) -> View:
    """Return all that the page says of one head."""
    name = f"{head.dataset}/{head.backbone}"
    return {
        "backbone": head.backbone,
        "metrics": head.metrics,
        "classes": list(head.val.classes),
        "confusion": _confusion_view(head.val),
        "epochs": len(head.history["epoch"]),
        "best_epoch": int(head.history["epoch"][np.argmin(head.history["val_loss"])]),
        "loss_chart": Markup(draw_history(f"{name}/loss", head.history, "loss")),  # noqa: S704
        "accuracy_chart": Markup(draw_history(f"{name}/accuracy", head.history, "accuracy")),  # noqa: S704
        "roc_chart": Markup(draw_roc(f"{name}/roc", head.roc)),  # noqa: S704
        "calibration_chart": Markup(draw_calibration(f"{name}/calibration", head.calibration)),  # noqa: S704
        "roc_classes": list(head.roc),
        "gallery": head.gallery,
    }


def _confusion_view(val: Predictions) -> list[View]:
    """Return a row an actual class: its name and, for each predicted class, count and share of the row."""
    k = len(val.classes)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (val.labels, val.predicted_labels()), 1)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return [
        {
            "actual": name,
            "cells": list(zip(counts[row].tolist(), shares[row].tolist(), strict=True)),
        }
        for row, name in enumerate(val.classes)
    ]


def _lowest_of_scale(bounds: Sequence[float]) -> float:
    """Return where the common scale of accuracies begins: the tenth below the lowest bound, 0.9 at most."""
    return min(0.9, float(np.floor(min(bounds) * 10) / 10))


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
