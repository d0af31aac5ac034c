"""Inspections that fit given predictions: nothing stands out, all lie on the map in a row."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.inspections import Inspections
from pipeline.predictions import Predictions
from pipeline.reporting.shown_images import Knowledge


def inspections_of(predictions: Predictions, **changes: Any) -> Inspections:
    """Return a table for the same images, with columns changed."""
    n, train = len(predictions), predictions.of_split("train").sha256[:3]
    columns: dict[str, Any] = {
        "sha256": predictions.sha256,
        "path": predictions.path,
        "split": predictions.splits,
        "label": tuple(predictions.classes[label] for label in predictions.labels),
        "suggested": tuple(predictions.classes[label] for label in predictions.labels),
        "quality": np.ones(n),
        "suspect": np.zeros(n, np.bool_),
        "outlier": np.zeros(n),
        "is_outlier": np.zeros(n, np.bool_),
        "x": np.arange(n, dtype=np.float64),
        "y": np.zeros(n),
        "neighbours": (train,) * n,
    }
    return Inspections(**(columns | changes))


def knowledge_of(
    predictions: Predictions, members: Mapping[str, str] | None = None, **changes: Any
) -> Knowledge:
    """Return what the report knows of images: predictions, and inspections with some columns changed."""
    return Knowledge(
        answers=predictions.answers(),
        inspections=inspections_of(predictions, **changes),
        members=members or {},
        read_predictions=lambda wanted: [predictions],
    )


def predictions_of(rows: list[tuple[str, int, float]], split: str = "val") -> Predictions:
    """Return predictions for classes a and b from (sha256, label, probability of class b)."""
    return Predictions(
        splits=(split,) * len(rows),
        sha256=tuple(sha256 for sha256, _, _ in rows),
        path=tuple(f"{split}/{sha256}.png" for sha256, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], np.int64),
        classes=("a", "b"),
        probabilities=np.array([[1 - p, p] for _, _, p in rows]),
    )
