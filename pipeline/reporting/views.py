"""The page's parts: all that it says of a dataset and of a head, as plain values that JSON can hold."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.metrics import wilson_interval
from pipeline.predictions import Answers
from pipeline.provenance import Provenance
from pipeline.reporting.charts import Chart, draw_histogram
from pipeline.reporting.dataset_gallery import DatasetGallery
from pipeline.reporting.findings import (
    Baseline,
    Counts,
    Learning,
    count_confusions,
    find_baseline,
    find_learning,
    find_mixes,
)
from pipeline.reporting.head_charts import draw_charts
from pipeline.reporting.heat_maps import HeatMap, HeatMaps
from pipeline.reporting.image_map import ImageMap
from pipeline.reporting.map_layers import DIFFERENT, draw_layers
from pipeline.reporting.mosaic import TILE_PIXELS, tiles_in_a_row
from pipeline.reporting.prediction_gallery import PredictionGallery
from pipeline.reporting.results import DatasetResult, HeadResult
from pipeline.reporting.story import Outcome, tell_story
from pipeline.reporting.thumbnails import Thumbnail

View = dict[str, Any]

TABLE_CLASSES = 15  # a table of more is no longer readable
LISTED_MIXES = 100
HEAT_LEVELS = 5
PUBLISHED = ("kaggle", "mirror")  # sources whose images are those that the catalogue describes


def dataset_view(result: DatasetResult) -> View:
    """Return all that the page says of one dataset, but for its heads."""
    return {
        "name": result.name,
        "title": _title(result.name, result.archive),
        "archive": asdict(result.archive),
        "data": _data_view(result.data, result.classes),
        "health": _health_view(result.gallery),
        "pictures": pictures_view(result.gallery.thumbnails),
    }


def _title(dataset: str, archive: Provenance) -> str:
    """Say what the images are: the catalogue's words hold for what it describes alone."""
    if archive.source == "drawn":
        return (
            "Cartoons that this project draws itself, so that all can be tried without a download"
        )
    if archive.source in PUBLISHED:
        return CATALOGUE[dataset].title
    return f"From {archive.origin}"


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
        "corrections": data.get("corrections", {}),
        "duplicates": data.get("duplicates", {}),
        "leaks": data.get("leaks", 0),
        "leaks_prevented": data.get("leaks_prevented"),
    }


def _health_view(gallery: DatasetGallery) -> View:
    """Return the images that tell of a dataset's health, and its histograms."""
    charts = []
    if len(gallery.sides):
        for kind, values, label in (
            ("size", gallery.sides, "shorter side, pixels"),
            ("brightness", gallery.brightness, "mean brightness, 0 black, 255 white"),
        ):
            svg = draw_histogram(values, label)
            middle = int(np.median(values))
            alt = f"Images by {label}: from {values.min()} to {values.max()}, half of them at most {middle}"
            charts.append(asdict(Chart(title=f"Images by {kind}", svg=svg, alt=alt)))
    return {
        "charts": charts,
        "quarantined": [asdict(image) for image in gallery.quarantined],
        "groups": [asdict(group) for group in gallery.groups],
        "group_count": gallery.group_count,
    }


def head_view(head: HeadResult, heat_maps: HeatMaps | None = None) -> View:
    """Return all that the page says of one head, with the heat maps that were drawn, if any were."""
    seen = {} if heat_maps is None else {"heat_maps": heat_maps_view(heat_maps)}
    drawn = {} if heat_maps is None else pictures_of_heat_maps(heat_maps)
    made, counts = head.made, count_confusions(head.val)
    losses = [head.history[split]["log_loss"] for split in ("train", "val")]
    learning = find_learning(*losses) if made.has_epochs else None
    baseline = find_baseline(head.val)
    return {
        "backbone": head.backbone,
        "kind": made.kind,
        "fitted_to_all": made.fitted_to_all,
        "has_epochs": made.has_epochs,
        "fingerprint": made.fingerprint,
        "fingerprint_parts": made.fingerprint_parts,
        "story": tell_story(_outcome(head, counts, baseline, learning)),
        "metrics": head.metrics,
        "baseline": asdict(baseline),
        "answers": _answers(head.val),
        "classes": list(head.val.classes),
        "per_class": head.per_class,
        "confusion": _confusion_view(counts, head.val.classes),
        "charts": draw_charts(head, learning),
        "gallery": _plain(head.gallery) | seen,
        "map": map_view(head.image_map, head.mosaic, head.gallery),
        "pictures": pictures_view(
            head.thumbnails | dict([head.mosaic] if head.mosaic else []) | drawn
        ),
    }


def heat_maps_view(heat_maps: HeatMaps) -> View:
    """Return the maps of each image, in words and by the names of their pictures."""
    return {
        "wrong": heat_maps.wrong,
        "lacking": heat_maps.lacking,
        "of": {
            sha256: [
                {"name": one.name, "picture": _picture_name(one), "strongest": one.strongest}
                for one in maps
            ]
            for sha256, maps in heat_maps.of.items()
        },
    }


def pictures_of_heat_maps(heat_maps: HeatMaps) -> dict[str, Thumbnail]:
    """Return the pictures of all maps by their names."""
    return {_picture_name(one): one.picture for maps in heat_maps.of.values() for one in maps}


def _picture_name(heat_map: HeatMap) -> str:
    """Return what the page calls a picture that is no image's own: by what it shows."""
    return hashlib.sha256(heat_map.picture.webp).hexdigest()


def _plain(value: Any) -> Any:
    """Return records as dictionaries, however deep they lie; `asdict` would copy each number as well."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple) and value and is_dataclass(value[0]):
        return [_plain(one) for one in value]
    return value


def map_view(
    image_map: ImageMap, mosaic: tuple[str, Thumbnail] | None, gallery: PredictionGallery
) -> View:
    """Return what the page shows of the map; points name the image only where it is shown large too."""
    return {
        "height": image_map.height,
        "classes": _plain(image_map.classes),
        "layers": _plain(draw_layers(image_map)),
        "repeats": len(image_map.classes) > DIFFERENT,
        "n": len(image_map.sha256),
        "points": {
            "x": image_map.x,
            "y": image_map.y,
            "label": image_map.label,
            "called": image_map.called,
            "path": image_map.path,
            "shown": [sha256 if sha256 in gallery.images else "" for sha256 in image_map.sha256],
            "mosaic": mosaic[0] if mosaic else "",
            "tile": TILE_PIXELS,
            "columns": tiles_in_a_row(len(image_map.sha256)),
        },
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


def _outcome(
    head: HeadResult, counts: Counts, baseline: Baseline, learning: Learning | None
) -> Outcome:
    """Return the figures that the head's story is made of."""
    right, n = int(counts.trace()), len(head.val)
    low, high = wilson_interval(right, n)
    asked = counts.sum(axis=1) > 0
    absent = [name for name, is_asked in zip(head.val.classes, asked, strict=True) if not is_asked]
    return Outcome(
        right=right,
        n=n,
        low=low,
        high=high,
        mixes=find_mixes(counts, head.val.classes),
        absent=absent,
        missed=int((asked & (counts.diagonal() == 0)).sum()),
        classes=int(asked.sum()),
        baseline=baseline,
        learning=learning,
    )


def _answers(val: Answers) -> View:
    """Return which images were asked, and of each, in the order of their sha256, whether it is right."""
    order = sorted(range(len(val)), key=lambda row: val.sha256[row])
    is_right = val.predicted == val.labels
    images = hashlib.sha256(" ".join(val.sha256[row] for row in order).encode()).hexdigest()
    return {"images": images, "right": "".join(str(int(is_right[row])) for row in order)}


def _confusion_view(counts: Counts, classes: Sequence[str]) -> View:
    """Return the table of few classes; of many the worst pairs, and a picture of all."""
    if len(classes) <= TABLE_CLASSES:
        return {"rows": _confusion_rows(counts, classes)}
    mixes = find_mixes(counts, classes)
    return {
        "mixes": [asdict(mix) for mix in mixes[:LISTED_MIXES]],
        "mix_count": len(mixes),
        "heat_map": _heat_map(counts),
    }


def _confusion_rows(counts: Counts, classes: Sequence[str]) -> list[View]:
    """Return a row an actual class: its name and, for each predicted class, count and share of the row."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return [
        {
            "actual": name,
            "cells": list(zip(counts[row].tolist(), shares[row].tolist(), strict=True)),
        }
        for row, name in enumerate(classes)
    ]


def _heat_map(counts: Counts) -> list[View]:
    """Return the cells that hold images as paths of squares, one for each of five strengths.

    A mistake's strength is its share of the class's images; the diagonal is told apart.
    """
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    strengths = np.ceil(shares * HEAT_LEVELS)
    is_hit = np.eye(len(counts), dtype=bool)
    paths = []
    for hit in (True, False):
        for level in range(1, HEAT_LEVELS + 1):
            cells = np.argwhere((strengths == level) & (is_hit == hit))
            if len(cells):
                path = "".join(f"M{column} {row}h1v1h-1z" for row, column in cells)
                paths.append({"hit": hit, "strength": level / HEAT_LEVELS, "path": path})
    return paths
