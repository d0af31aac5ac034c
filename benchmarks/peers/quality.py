"""How good heads are on the same features: this project's, scikit-learn's, Keras's; over split seeds.

A project in a temporary folder splits the photos by each seed and extracts the features of one network, and
of the two side by side that the README recommends; no augmented copies, so that all heads see the same rows.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline import paths
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.loading import load_features, rows_by_split
from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head
from pipeline.params import Params, load_params
from pipeline.stages import augment, extract, fetch, split

ROOT = Path(__file__).resolve().parents[2]
LITE0 = {"layer": None, "pooling": "avg", "input_size": 224, "weights": "imagenet"}
BACKBONES = {
    "efficientnet_lite0": LITE0,
    "lite0_lite2": {
        **LITE0,
        "network": ["efficientnet_lite0", "efficientnet_lite2"],
        "input_size": [224, 260],
    },
}
Fit = Callable[[Rows, Rows], Any]  # train, val -> the class of each row of val


def report(options: argparse.Namespace) -> None:
    """Print the table: the share of val that each head gets right, by split seed."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    archives = {path.name.partition(".")[0]: path.resolve() for path in options.archives}
    with contextlib.chdir(options.folder):
        for seed in options.seeds:
            params = prepare(archives, seed)
            for dataset in archives:
                for backbone in BACKBONES:
                    print(extract.run(dataset, backbone, params), file=sys.stderr, flush=True)
                    rows = rows_by_split(load_features(dataset, backbone))
                    for name, fit in make_heads(params).items():
                        right = int((fit(rows["train"], rows["val"]) == rows["val"].labels).sum())
                        cell = (right, len(rows["val"].labels))
                        found.setdefault((dataset, backbone, name), []).append(cell)
    print_quality(found, options.seeds)


def prepare(archives: dict[str, Path], seed: int) -> Params:
    """Write settings, and run the stages before extract."""
    settings = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    settings["datasets"] = {
        name: {"source": "archive", "archive": str(path)} for name, path in archives.items()
    }
    settings["backbones"], settings["split"]["seed"] = BACKBONES, seed
    settings["augment"]["copies"] = 0
    paths.PARAMS.write_text(yaml.safe_dump(settings), encoding="utf-8")
    params = load_params()
    for dataset in archives:
        for stage in (fetch, split, augment):
            print(stage.run(dataset, params), file=sys.stderr, flush=True)
    return params


def make_heads(params: Params) -> dict[str, Fit]:
    """Return the heads by name."""
    logistic = params.head.model_copy(update={"kind": "logistic"})
    return {
        "ours, default": lambda train, val: fit_ours(train, val, Recipe.of(params.head)),
        "ours, logistic": lambda train, val: fit_ours(train, val, Recipe.of(logistic)),
        "scikit-learn, logistic, C = 1": lambda train, val: fit_sklearn(train, val, tuned=False),
        "scikit-learn, logistic, C by folds": lambda train, val: fit_sklearn(
            train, val, tuned=True
        ),
        "Keras, the tutorial's head": fit_keras,
    }


def fit_ours(train: Rows, val: Rows, recipe: Recipe) -> Any:
    """Fit one of this project's heads."""
    with one_blas_thread():
        return fit_head(train, recipe).head.probabilities(val.features).argmax(axis=1)


def fit_sklearn(train: Rows, val: Rows, *, tuned: bool) -> Any:
    """Fit scikit-learn's logistic regression to standardized features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    if tuned:
        grid = {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1, 1.0]}
        head = GridSearchCV(head, grid, cv=5, scoring="neg_log_loss")
    head.fit(train.features.astype(np.float64), train.labels)
    return head.predict(val.features.astype(np.float64))


def fit_keras(train: Rows, val: Rows) -> Any:
    """Fit the head of DVC's tutorial: 256 units, half dropped, rmsprop, 50 epochs in batches of 16."""
    import keras

    keras.utils.set_random_seed(7)
    head = keras.Sequential(
        [
            keras.layers.Dense(256, "relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(train.classes, "softmax"),
        ]
    )
    head.compile("rmsprop", "sparse_categorical_crossentropy")
    head.fit(train.features.astype(np.float32), train.labels, batch_size=16, epochs=50, verbose=0)
    return head.predict(val.features.astype(np.float32), verbose=0).argmax(axis=1)


def print_quality(
    found: dict[tuple[str, str, str], list[tuple[int, int]]], seeds: list[int]
) -> None:
    """Print a row a head; the last column counts the photos of all val sets that it gets wrong."""
    columns = [f"seed {seed}" for seed in seeds]
    print(f"\n| photos | features | head | {' | '.join(columns)} | mean | wrong |")
    print(f"| --- | --- | --- |{' ---: |' * (len(columns) + 2)}")
    for (dataset, backbone, name), cells in found.items():
        shares = [right / asked for right, asked in cells]
        wrong = sum(asked - right for right, asked in cells)
        figures = [f"{share:.3f}" for share in [*shares, sum(shares) / len(shares)]]
        print(f"| {dataset} | {backbone} | {name} | {' | '.join(figures)} | {wrong} |")
    print(f"\nscikit-learn {version('scikit-learn')}, keras {version('keras')}")
