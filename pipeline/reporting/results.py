"""What the stages have written about each dataset and head, read for the report."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.archives import read_members
from pipeline.errors import PipelineError
from pipeline.heads.folder import damage_told, read_description, read_head_predictions
from pipeline.inspections import read_inspections
from pipeline.manifest import SPLITS, read_manifest, read_used
from pipeline.predictions import Answers, join_answers
from pipeline.provenance import Provenance, read_provenance
from pipeline.reporting.dataset_gallery import DatasetGallery, build_dataset_gallery
from pipeline.reporting.image_map import ImageMap, build_map
from pipeline.reporting.mosaic import mosaic_of_files
from pipeline.reporting.prediction_gallery import PredictionGallery, build_prediction_gallery
from pipeline.reporting.shown_images import Knowledge
from pipeline.reporting.thumbnails import Thumbnail, thumbnails_of_files

Column = NDArray[np.float64]
Columns = dict[str, Column]

HISTORY_COLUMNS = ("epoch", "log_loss", "accuracy")
CALIBRATION_COLUMNS = ("confidence", "accuracy", "n")
ROC_COLUMNS = ("fpr", "tpr")
PRECISION_RECALL_COLUMNS = ("recall", "precision")
FIGURES = ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMaking:
    """How a head was made, as `head.json` has it.

    Attributes:
        kind: As `pipeline.heads.kind` knows it.
        settings: Those that the kind reads.
        fitted_to_all: Is it fitted to val too? All that the page says is of its twin, fitted to train.
        fingerprint: Of the features that it takes.
        fingerprint_parts: What that is made of: backbone, weights, decoder, engine, versions.
    """

    kind: str
    settings: dict[str, Any]
    fitted_to_all: bool
    fingerprint: str
    fingerprint_parts: dict[str, Any]

    @property
    def has_epochs(self) -> bool:
        """Does its kind learn by epochs, so that it has a history?"""
        return "epochs" in self.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadResult:
    """How one head does on the validation images of its dataset.

    Attributes:
        dataset: Its name.
        backbone: Its name.
        metrics: As `pipeline.metrics.compute_metrics` returns them.
        per_class: `class`, `n` and `FIGURES` of each class, and as the last row of their average.
        history: Columns `epoch`, `log_loss` and `accuracy` of `train`, `val` and, where some training
            images were held out, `holdout`.
        roc: Columns `fpr` and `tpr` of each class.
        precision_recall: Columns `recall` and `precision` of each class.
        calibration: Columns `confidence`, `accuracy`, `n`.
        val: What it calls the images of split `val`.
        made: What the head's description says of how it was made.
        gallery: Images worth a look.
        image_map: Where the images lie whose features are alike.
        thumbnails: Of the images of the gallery, by sha256.
        mosaic: The images of the map, small, and what that picture is called.
    """

    dataset: str
    backbone: str
    metrics: dict[str, Any]
    per_class: list[dict[str, Any]]
    history: dict[str, Columns]
    roc: dict[str, Columns]
    precision_recall: dict[str, Columns]
    calibration: Columns
    val: Answers
    made: HeadMaking
    gallery: PredictionGallery
    image_map: ImageMap
    thumbnails: dict[str, Thumbnail]
    mosaic: tuple[str, Thumbnail] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetResult:
    """A dataset's counts, as the split stage wrote them, and images that tell of its health.

    Attributes:
        name: The dataset.
        data: As `pipeline.splitting.summary.count_rows` returns it.
        classes: As `pipeline.splitting.summary.count_classes` returns them.
        gallery: Images that tell of its health.
        archive: What its archive is, and where it came from.
    """

    name: str
    data: dict[str, Any]
    classes: list[dict[str, Any]]
    gallery: DatasetGallery
    archive: Provenance


def read_dataset_result(dataset: str) -> DatasetResult:
    """Read the counts and the manifest of a dataset.

    Raises:
        PipelineError: A file is missing or damaged; names it and the stage that writes it.
    """
    with _reading(paths.data_metrics_file(dataset), "split") as path:
        data = _read_json(path, ("images", "splits", "own_splits", "quarantined"))
    with _reading(paths.classes_file(dataset), "split") as path:
        classes = _read_table(path, "class", dict.fromkeys(SPLITS, int))
    gallery = build_dataset_gallery(
        read_manifest(paths.manifest_file(dataset)),
        paths.split_folder(dataset),
        lambda: read_members(paths.raw_archive(dataset)),
        paths.thumbnails_folder(),
    )
    return DatasetResult(
        name=dataset,
        data=data,
        classes=classes,
        gallery=gallery,
        archive=read_provenance(paths.provenance_file(dataset)),
    )


def read_head_result(dataset: str, backbone: str) -> HeadResult:
    """Read all that is known of one head.

    Raises:
        PipelineError: A file is missing or damaged; names it and the stage that writes it.
    """
    plots = paths.plots_folder(dataset, backbone)
    with _reading(paths.metrics_file(dataset, backbone), "evaluate") as path:
        metrics = _read_json(path, ("val",))
    with _reading(paths.history_file(dataset, backbone), "train") as path:
        history = _read_curves(path, HISTORY_COLUMNS, by="split")
        if missing := {"train", "val"} - set(history):
            raise ValueError(f"no rows of {', '.join(sorted(missing))}")
    with _reading(plots / "calibration.csv", "evaluate") as path:
        calibration = _as_columns(_read_rows(path, CALIBRATION_COLUMNS), CALIBRATION_COLUMNS)
    with _reading(plots / "roc.csv", "evaluate") as path:
        roc = _read_curves(path, ROC_COLUMNS)
    with _reading(plots / "precision_recall.csv", "evaluate") as path:
        precision_recall = _read_curves(path, PRECISION_RECALL_COLUMNS)
    with _reading(plots / "per_class.csv", "evaluate") as path:
        per_class = _read_table(path, "class", {"n": int} | dict.fromkeys(FIGURES, float))
    known = _read_knowledge(dataset, backbone)
    gallery = build_prediction_gallery(known)
    image_map = build_map(known)
    return HeadResult(
        dataset=dataset,
        backbone=backbone,
        metrics=metrics,
        per_class=per_class,
        history=history,
        roc=roc,
        precision_recall=precision_recall,
        calibration=calibration,
        val=known.answers.of_split("val"),
        made=_read_making(paths.model_folder(dataset, backbone)),
        gallery=gallery,
        image_map=image_map,
        thumbnails=_thumbnails_of(gallery, dataset),
        mosaic=_mosaic_of(image_map, dataset),
    )


def _read_making(folder: Path) -> HeadMaking:
    """Read what the page says of how a head was made."""
    with damage_told(folder):
        description = read_description(folder)
        return HeadMaking(
            kind=description["kind"],
            settings=description["settings"],
            fitted_to_all=description["fit_on"] == "all",
            fingerprint=description["fingerprint"],
            fingerprint_parts=description["fingerprint_parts"],
        )


def _read_knowledge(dataset: str, backbone: str) -> Knowledge:
    folder = paths.model_folder(dataset, backbone)
    return Knowledge(
        answers=join_answers([block.answers() for block in read_head_predictions(folder)]),
        inspections=read_inspections(paths.inspection_file(dataset, backbone)),
        members={row.sha256: row.member for row in read_used(paths.manifest_file(dataset))},
        read_predictions=lambda wanted: read_head_predictions(folder, wanted),
    )


def _thumbnails_of(gallery: PredictionGallery, dataset: str) -> dict[str, Thumbnail]:
    folder = paths.split_folder(dataset)
    files = {sha256: folder / image.path for sha256, image in gallery.images.items()}
    return thumbnails_of_files(files, paths.thumbnails_folder())


def _mosaic_of(image_map: ImageMap, dataset: str) -> tuple[str, Thumbnail] | None:
    """Return the mosaic of the images on a map, None where the map is empty."""
    folder = paths.split_folder(dataset)
    names = zip(image_map.sha256, image_map.path, strict=True)
    files = {sha256: folder / path for sha256, path in names}
    return mosaic_of_files(files, paths.thumbnails_folder()) if files else None


@contextmanager
def _reading(path: Path, stage: str) -> Iterator[Path]:
    """Turn whatever goes wrong with a file into an error that names it and the stage that writes it."""
    try:
        yield path
    except FileNotFoundError:
        raise PipelineError(
            f"the report needs {path}, which is missing. The {stage} stage writes it: run `dvc repro`."
        ) from None
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise PipelineError(
            f"{path} is not what the {stage} stage writes: {error}. Run that stage again."
        ) from None


def _read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    tree = json.loads(path.read_text(encoding="utf-8"))
    missing = [key for key in keys if key not in tree]
    if missing:
        raise ValueError(f"no key {', '.join(missing)}")
    return dict(tree)


def _read_rows(path: Path, names: Sequence[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        table = csv.reader(stream, strict=True)
        header = next(table, [])
        missing = [name for name in names if name not in header]
        rows = [dict(zip(header, row, strict=True)) for row in table]
    if missing or not rows:
        raise ValueError(f"no column {', '.join(missing)}" if missing else "it has no rows")
    return rows


def _read_table(
    path: Path, name: str, columns: Mapping[str, Callable[[str], Any]]
) -> list[dict[str, Any]]:
    """Return the rows of a table, each with its name and the columns turned into numbers."""
    return [
        {name: row[name]} | {column: number(row[column]) for column, number in columns.items()}
        for row in _read_rows(path, (name, *columns))
    ]


def _read_curves(path: Path, names: Sequence[str], by: str = "class") -> dict[str, Columns]:
    """Return the columns of each class's curve, in the order of the classes, or of another column."""
    points: dict[str, list[dict[str, str]]] = {}
    for row in _read_rows(path, (by, *names)):
        points.setdefault(row[by], []).append(row)
    return {name: _as_columns(rows, names) for name, rows in points.items()}


def _as_columns(rows: Sequence[dict[str, str]], names: Sequence[str]) -> Columns:
    return {name: np.array([float(row[name]) for row in rows]) for name in names}
