"""Heads: the last layer fits the task, and equal settings give equal bytes."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline.saved_heads import DESCRIPTION, WEIGHTS, HeadInfo

from pipeline.errors import HeadError
from pipeline.heads import Head, fit_head, keras, load_head, save_head
from pipeline.params import HeadParams
from tests.project import make_params
from tests.test_predictions import predictions

ROOT = Path(__file__).parents[1]
WIDTH = 5
PREDICTIONS = predictions()  # whatever they are, they are saved beside the head


def info(classes: int = 2, kind: str = "linear", shape: tuple[int, ...] = (WIDTH,)) -> HeadInfo:
    return HeadInfo(
        kind=kind,
        units=8,
        dropout=0.2,
        shape=shape,
        classes=tuple("abcdefgh"[:classes]),
        backbone="efficientnet_lite0",
        fingerprint="f" * 32,
        fingerprint_parts='{"backbone":"efficientnet_lite0","x":1}',
    )


def separable(
    classes: int, rows: int = 60, seed: int = 0, shape: tuple[int, ...] = (WIDTH,)
) -> tuple[Any, Any]:
    """Return features around one corner a class, and labels."""
    labels = np.arange(rows) % classes
    corners = np.random.default_rng(99).normal(0, 2, (classes, *shape))
    noise = np.random.default_rng(seed).normal(0, 0.2, (rows, *shape))
    return (corners[labels] + noise).astype(np.float16), labels.astype(np.int64)


def settings(**changes: Any) -> HeadParams:
    known = {"head.epochs": 6, "head.learning_rate": 0.05, "head.batch_size": 16}
    return make_params(known | {f"head.{name}": value for name, value in changes.items()}).head


@cache
def fitted(
    classes: int = 2, kind: str = "linear", **changes: Any
) -> tuple[Head, dict[str, list[float]]]:
    train, val = separable(classes), separable(classes, 20, seed=1)
    return fit_head(info(classes, kind), settings(kind=kind, **changes), train, val)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize(
    ("classes", "units", "activation", "loss"),
    [
        (2, 1, "sigmoid", "binary_crossentropy"),
        (3, 3, "softmax", "categorical_crossentropy"),
        (5, 5, "softmax", "categorical_crossentropy"),
    ],
)
def test_the_last_layer_and_the_loss_fit_the_number_of_classes(
    kind: str, classes: int, units: int, activation: str, loss: str
) -> None:
    head, _ = fitted(classes, kind, epochs=2)
    last = head.model.layers[-1]
    assert (last.units, last.activation.__name__, head.model.loss) == (units, activation, loss)
    hidden = [
        layer.units for layer in head.model.layers[:-1] if isinstance(layer, keras.layers.Dense)
    ]
    assert hidden == ([8] if kind == "mlp" else [])


@pytest.mark.parametrize("classes", [2, 5])
def test_probabilities_have_a_column_a_class_and_sum_to_one(classes: int) -> None:
    head, _ = fitted(classes, epochs=2)
    found = head.probabilities(separable(classes)[0])
    assert found.shape == (60, classes)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_separable_problem_is_learnt_with_the_labels_the_right_way_round(
    kind: str, classes: int
) -> None:
    head, history = fitted(classes, kind, epochs=12, learning_rate=0.1)
    features, labels = separable(classes, 40, seed=2)
    assert (head.probabilities(features).argmax(axis=1) == labels).mean() > 0.95
    assert history["loss"][-1] < history["loss"][0] / 2


def test_the_history_has_every_column_for_every_epoch() -> None:
    _, history = fitted(epochs=2)
    assert set(history) == {"loss", "val_loss", "accuracy", "val_accuracy"}
    assert {len(values) for values in history.values()} == {2}
    assert all(type(value) is float for values in history.values() for value in values)


def unlearnable() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return training rows, and validation rows whose labels say the contrary."""
    features, labels = separable(2)
    return (features, labels), (features, 1 - labels)


def test_training_stops_when_the_validation_loss_does_not_go_down() -> None:
    _, history = fit_head(info(), settings(epochs=30, patience=2), *unlearnable())
    assert len(history["val_loss"]) == int(np.argmin(history["val_loss"])) + 1 + 2 < 30


@pytest.mark.slow
@pytest.mark.parametrize("patience", [0, 2])
def test_the_best_epochs_weights_stay(patience: int) -> None:
    train, val = unlearnable()
    head, history = fit_head(info(), settings(epochs=12, patience=patience), train, val)
    found = head.probabilities(val[0])[np.arange(len(val[1])), val[1]]
    assert np.isclose(-np.log(found).mean(), min(history["val_loss"]), rtol=1e-3)
    assert min(history["val_loss"]) < history["val_loss"][-1]


@pytest.mark.slow
def test_without_patience_every_epoch_is_run() -> None:
    _, history = fit_head(info(), settings(epochs=12, patience=0), *unlearnable())
    assert len(history["loss"]) == 12


@pytest.mark.slow
def test_a_penalty_makes_weights_smaller_and_is_in_the_loss() -> None:
    free, plain = fitted(epochs=10, l2=0.0)
    held, penalised = fitted(epochs=10, l2=0.5)
    kernel = [np.abs(head.model.get_layer("classes").kernel.numpy()).sum() for head in (free, held)]
    assert kernel[1] < kernel[0] / 2
    assert penalised["loss"][0] > plain["loss"][0]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_the_optimizer_and_its_learning_rate_are_those_of_the_settings(optimizer: str) -> None:
    head, _ = fitted(optimizer=optimizer, epochs=1, learning_rate=0.03)
    assert type(head.model.optimizer).__name__.lower() == optimizer
    assert np.isclose(float(head.model.optimizer.learning_rate.numpy()), 0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_maps_are_taken_too(kind: str) -> None:
    shape = (3, 3, 4)
    train, val = separable(3, shape=shape), separable(3, 20, 1, shape)
    head, _ = fit_head(info(3, kind, shape), settings(kind=kind, epochs=8), train, val)
    assert (head.probabilities(val[0]).argmax(axis=1) == val[1]).mean() > 0.9


@pytest.mark.slow
def test_a_feature_that_never_changes_does_no_harm() -> None:
    (features, labels), val = separable(2), separable(2, 20, 1)
    features[:, 0] = val[0][:, 0] = 3
    head, _ = fit_head(info(), settings(epochs=4), (features, labels), val)
    assert np.isfinite(head.probabilities(val[0])).all()


def test_each_image_is_answered_alone_as_in_a_batch() -> None:
    head, _ = fitted(5, epochs=2)
    features, _ = separable(5)
    alone = np.concatenate([head.probabilities(features[row : row + 1]) for row in range(10)])
    np.testing.assert_allclose(alone, head.probabilities(features)[:10], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_saved_head_says_the_same(classes: int, kind: str, tmp_path: Path) -> None:
    head, _ = fitted(classes, kind, epochs=2)
    save_head(tmp_path / "model", head, PREDICTIONS)
    loaded = load_head(tmp_path / "model")
    assert loaded.info == head.info
    features, _ = separable(classes)
    assert (loaded.probabilities(features) == head.probabilities(features)).all()


@pytest.mark.slow
def test_equal_heads_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_head(tmp_path / name, fitted.__wrapped__(3, "mlp", epochs=2)[0], PREDICTIONS)
    for file in (WEIGHTS, DESCRIPTION):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    text = (tmp_path / "one" / DESCRIPTION).read_text()
    assert json.loads(text)["fingerprint_parts"] == {"backbone": "efficientnet_lite0", "x": 1}
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_two_processes_give_equal_bytes(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.test_heads import PREDICTIONS, fitted, save_head
save_head(Path(sys.argv[1]), fitted(5, "mlp", epochs=2)[0], PREDICTIONS)
"""
    for name, hash_seed in (("one", "1"), ("other", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            check=True,
            cwd=ROOT,
            env=environment,
        )
    for file in (WEIGHTS, DESCRIPTION):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_a_damaged_head_is_not_loaded(tmp_path: Path) -> None:
    save_head(tmp_path, fitted(3, "mlp", epochs=2)[0], PREDICTIONS)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-4])
    with pytest.raises(HeadError, match=r"is damaged .*run the stage train again"):
        load_head(tmp_path)
