"""Rows and recipes for the tests of heads: small, and separable unless asked otherwise."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.kind import Fit, KindSettings, known_kinds, softmax
from pipeline.heads.rows import Rows, Scaler
from pipeline.heads.steps import apply_steps
from pipeline.heads.training import Recipe

KINDS = ("centroid", "knn", "lda", "linear", "logistic", "mlp")
NETWORK = {
    "optimizer": "adam", "learning_rate": 0.02, "batch_size": 16, "epochs": 30, "patience": 0, "l2": 0.0,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "centroid": {}, "knn": {"k": 3}, "lda": {}, "logistic": {"c": 1.0},
    "linear": NETWORK, "mlp": {**NETWORK, "units": [8], "dropout": 0.0},
}  # fmt: skip


def own(kind: str, **changes: Any) -> KindSettings:
    """Return the settings of a kind, some changed."""
    return known_kinds()[kind].settings(**{**OWN[kind], **changes})


def recipe(kind: str, *, scaling: Any = "none", holdout: float = 0.25, calibrate: bool = False,
           seed: int = 7, **changes: Any) -> Recipe:  # fmt: skip
    """Return how a head is fitted, some of it changed."""
    return Recipe(
        kind=kind,
        own=own(kind, **changes),
        scaling=scaling,
        holdout=holdout,
        calibrate=calibrate,
        seed=seed,
    )


def rows_of(
    features: NDArray[Any],
    labels: NDArray[Any],
    classes: int | None = None,
    groups: Any = None,
    original: Any = None,
) -> Rows:
    """Return rows, each original and in a group of its own unless said."""
    names = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return Rows(
        features=features.reshape(len(labels), -1),
        labels=labels.astype(np.int64),
        groups=np.array([f"{name:064d}" for name in names], "S64"),
        original=np.ones(len(labels), bool) if original is None else np.asarray(original),
        classes=classes or int(labels.max()) + 1,
    )


def blobs(
    sizes: list[int], width: int = 6, noise: float = 0.3, seed: int = 0, copies: int = 0
) -> Rows:
    """Return float16 rows around one corner a class, the classes in turn, copies after their original.

    The corners are the same for each seed; so rows of another seed are others of the same classes.
    """
    corners = np.random.default_rng(99).normal(0, 1, (len(sizes), width))
    corners *= 2 / np.linalg.norm(corners, axis=1, keepdims=True)
    labels = np.concatenate([np.full(size, label) for label, size in enumerate(sizes)])
    labels = np.random.default_rng(1).permutation(labels).repeat(copies + 1)
    chance = np.random.default_rng([seed, 5])
    features = corners[labels] + chance.normal(0, noise, (len(labels), width))
    number = np.tile(np.arange(copies + 1), len(labels) // (copies + 1))
    groups = np.arange(len(labels)) // (copies + 1) + 1000 * seed
    return rows_of(features.astype(np.float16), labels, len(sizes), groups, number == 0)


def fit_alone(kind: str, rows: Rows, scaling: Any = "none", **changes: Any) -> Fit:
    """Fit a kind to rows, nothing else around it."""
    scaler = Scaler.fit(scaling, rows.features)
    return known_kinds()[kind].fit(
        rows, scaler, own(kind, **changes), 7, lambda epoch, tensors: False
    )


def probabilities(kind: str, fit: Fit, features: NDArray[Any], **changes: Any) -> NDArray[Any]:
    """Return what unrounded weights say of features."""
    steps = known_kinds()[kind].steps(fit.tensors, own(kind, **changes))
    return softmax(apply_steps(steps, features.astype(np.float64)))
