"""Stage `train`: a head on features in memory, its history and its predictions."""

import csv
import io
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.errors import FeaturesError
from pipeline.features import Block, FeatureSet, read_features
from pipeline.files import atomic_write_text
from pipeline.heads import Head, fit_head, save_head
from pipeline.params import HeadParams, Params
from pipeline.predictions import Predictions
from pipeline.saved_heads import HeadInfo

COLUMNS = ("loss", "val_loss", "accuracy", "val_accuracy")


def run(dataset: str, backbone: str, params: Params) -> str:
    """Train, save the head and what it says of every original image; return one line."""
    params.dataset(dataset), params.backbone(backbone)
    path = paths.features_file(dataset, backbone)
    features = read_features(path)
    if (features.header.dataset, features.header.backbone) != (dataset, backbone):
        raise FeaturesError(
            f"{path} holds {features.header.dataset}/{features.header.backbone}, not {dataset}/{backbone}: "
            "run the stage extract again."
        )
    head, history = _fit(features, params.head)
    save_head(paths.model_folder(dataset, backbone), head, _predict(features, head))
    atomic_write_text(paths.history_file(dataset, backbone), _history_table(history))
    best = int(np.argmin(history["val_loss"]))
    return (
        f"{dataset}/{backbone}: {params.head.kind} head, {len(history['loss'])} epochs, best {best + 1}: "
        f"val loss {history['val_loss'][best]:.4f}, val accuracy {history['val_accuracy'][best]:.4f}"
    )


def _fit(features: FeatureSet, settings: HeadParams) -> tuple[Head, dict[str, list[float]]]:
    header, train, val = features.header, features.splits["train"], features.splits["val"]
    info = HeadInfo(
        kind=settings.kind,
        units=settings.units,
        dropout=settings.dropout,
        shape=train.features.shape[1:],
        classes=header.classes,
        backbone=header.backbone,
        fingerprint=header.fingerprint,
        fingerprint_parts=header.fingerprint_parts,
    )
    return fit_head(info, settings, (train.features, train.labels), (val.features, val.labels))


def _predict(features: FeatureSet, head: Head) -> Predictions:
    """Predict every original image of every split; copies are left out."""
    parts = [(name, _originals(block)) for name, block in features.splits.items()]
    return Predictions(
        splits=tuple(name for name, block in parts for _ in range(len(block))),
        sha256=tuple(key.decode() for _, block in parts for key in block.sha256),
        path=tuple(path.decode() for _, block in parts for path in block.path),
        labels=np.concatenate([block.labels for _, block in parts]),
        classes=features.header.classes,
        probabilities=np.concatenate([head.probabilities(block.features) for _, block in parts]),
    )


def _originals(block: Block) -> Block:
    rows = block.copy == 0
    return Block(**{name: getattr(block, name)[rows] for name in Block.__slots__})


def _history_table(history: dict[str, list[float]]) -> str:
    stream = io.StringIO()
    table: Any = csv.writer(stream, lineterminator="\n")
    table.writerow(["epoch", *COLUMNS])
    for epoch, values in enumerate(zip(*(history[column] for column in COLUMNS), strict=True), 1):
        table.writerow([epoch, *(f"{value:.6g}" for value in values)])
    return stream.getvalue()
