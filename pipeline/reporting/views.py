"""The page's parts: all that it says of a dataset and of a head, as plain values that JSON can hold."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.predictions import Predictions
from pipeline.reporting.charts import (
    SERIES_COLOURS,
    draw_calibration,
    draw_histogram,
    draw_history,
    draw_precision_recall,
    draw_roc,
)
from pipeline.reporting.dataset_gallery import DatasetGallery
from pipeline.reporting.results import DatasetResult, HeadResult
from pipeline.reporting.thumbnails import Thumbnail

View = dict[str, Any]


def dataset_view(result: DatasetResult) -> View:
    """Return all that the page says of one dataset, but for its heads."""
    known = CATALOGUE.get(result.name)
    return {
        "name": result.name,
        "title": known.title if known else result.name,
        "data": _data_view(result.data, result.classes),
        "health": _health_view(result.name, result.gallery),
        "pictures": pictures_view(result.gallery.thumbnails),
    }


def _data_view(data: Mapping[str, Any], sizes: Sequence[Mapping[str, Any]]) -> View:
    """Return counts, and what they say of the balance of the classes."""
    classes = [
        {"name": size["class"], "counts": [size[split] for split in data["splits"]]}
        for size in sizes
    ]
    totals = [sum(row["counts"]) for row in classes]
    for row, total in zip(classes, totals, strict=True):
        row |= {"total": total, "of_largest": total / max(1, *totals)}
    val = [size["val"] for size in sizes]
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


def _health_view(dataset: str, gallery: DatasetGallery) -> View:
    """Return the images that tell of a dataset's health, and its histograms."""
    charts = []
    if len(gallery.sides):
        for kind, values, label in (
            ("size", gallery.sides, "shorter side, pixels"),
            ("brightness", gallery.brightness, "mean brightness, 0 black, 255 white"),
        ):
            svg = draw_histogram(f"{dataset}/{kind}", values, label)
            middle = int(np.median(values))
            alt = f"Images by {label}: from {values.min()} to {values.max()}, half of them below {middle}"
            charts.append({"title": f"Images by {kind}", "svg": svg, "alt": alt})
    return {
        "charts": charts,
        "quarantined": [asdict(image) for image in gallery.quarantined],
        "groups": [asdict(group) for group in gallery.groups],
        "group_count": gallery.group_count,
    }


def head_view(head: HeadResult) -> View:
    """Return all that the page says of one head."""
    name = f"{head.dataset}/{head.backbone}"
    return {
        "backbone": head.backbone,
        "metrics": head.metrics,
        "classes": list(head.val.classes),
        "per_class": head.per_class,
        "confusion": _confusion_view(head.val),
        "epochs": len(head.history["val"]["epoch"]),
        "fitted_to_all": head.fitted_to_all,
        "held_out": "holdout" in head.history,
        "loss_chart": draw_history(f"{name}/loss", head.history, "log_loss"),
        "accuracy_chart": draw_history(f"{name}/accuracy", head.history, "accuracy"),
        "roc_chart": draw_roc(f"{name}/roc", head.roc),
        "precision_recall_chart": draw_precision_recall(
            f"{name}/precision_recall", head.precision_recall
        ),
        "calibration_chart": draw_calibration(f"{name}/calibration", head.calibration),
        "series_colours": SERIES_COLOURS,
        "gallery": asdict(head.gallery),
        "pictures": pictures_view(head.thumbnails),
    }


def pictures_view(thumbnails: Mapping[str, Thumbnail]) -> View:
    """Return each thumbnail's size and, in base64, its bytes, by sha256."""
    return {
        sha256: {
            "width": one.width,
            "height": one.height,
            "webp": base64.b64encode(one.webp).decode("ascii"),
        }
        for sha256, one in sorted(thumbnails.items())
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
