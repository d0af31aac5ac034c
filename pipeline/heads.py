"""The small models that are trained on features: build and fit them.

| classes    | last layer          | loss                             |
| ---------- | ------------------- | -------------------------------- |
| 2          | 1 unit, sigmoid     | binary cross-entropy             |
| 3 or more  | k units, softmax    | categorical cross-entropy        |

`linear` is that last layer alone (logistic regression); `mlp` has a hidden layer of ReLU units
and dropout before it. Both take features as the backbone gives them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HeadError
from pipeline.params import HeadParams
from pipeline.predictions import Predictions
from pipeline.saved_heads import HeadInfo, SavedHead, read_head, write_head

PREDICT_BATCH = 1024

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A trained head and what it needs to be used."""

    info: HeadInfo
    model: keras.Model

    def probabilities(self, features: NDArray[Any]) -> Float:
        """Return float32 `(n, k)`, each row a distribution over the classes.

        Args:
            features: float16 or float32 `(n, *shape)`.
        """
        rows = np.asarray(features, np.float32)
        last = self.model.predict(rows, batch_size=PREDICT_BATCH, verbose=0)
        both: Float = (
            np.concatenate([1 - last, last], axis=1) if len(self.info.classes) == 2 else last
        )
        return both


def fit_head(
    info: HeadInfo, settings: HeadParams, train: tuple[NDArray[Any], NDArray[np.int64]],
    val: tuple[NDArray[Any], NDArray[np.int64]],
) -> tuple[Head, dict[str, list[float]]]:  # fmt: skip
    """Train a head on features in memory; the same bits for the same settings and features.

    Adam (Kingma and Ba 2015, arXiv:1412.6980) or another optimizer; training stops when the
    validation loss has not gone down for `patience` epochs, and the best epoch's weights stay.

    Args:
        info: What head.
        settings: How it is trained.
        train: Features float `(n, *shape)` and labels int64 `(n,)`, `0 <= label < k`.
        val: The same, for early stopping and the history.

    Returns:
        The head, and its history: `loss`, `val_loss`, `accuracy`, `val_accuracy`, one float an
        epoch.

    Raises:
        HeadError: The loss grew beyond all numbers.
    """
    keras.utils.set_random_seed(settings.seed)
    _make_deterministic()
    x, y = np.asarray(train[0], np.float32), train[1]
    x_val, y_val = np.asarray(val[0], np.float32), val[1]
    model = _build(info, settings.l2)
    binary = len(info.classes) == 2
    optimizer = keras.optimizers.get(
        {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}
    )
    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy" if binary else "categorical_crossentropy",
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=settings.patience or settings.epochs, restore_best_weights=True
    )
    history = model.fit(
        x, _targets(y, len(info.classes)), validation_data=(x_val, _targets(y_val, len(info.classes))),
        batch_size=settings.batch_size, epochs=settings.epochs, callbacks=[stop], verbose=0,
    )  # fmt: skip
    if not np.isfinite([*history.history["loss"], *history.history["val_loss"]]).all():
        raise HeadError(
            f"training diverged: the loss is not a finite number after {len(history.epoch)} epochs. "
            f"Lower head.learning_rate, {settings.learning_rate:g} now (params.yaml)"
        )
    return Head(info=info, model=model), {
        name: [float(v) for v in values] for name, values in history.history.items()
    }


def save_head(folder: Path, head: Head, predictions: Predictions) -> None:
    """Write a head and what it predicted; equal heads give equal bytes."""
    tensors = {weight.path: np.asarray(weight.value) for weight in head.model.weights}
    write_head(folder, SavedHead(info=head.info, tensors=tensors), predictions)


def load_head(folder: Path) -> Head:
    """Read a head that `save_head` wrote.

    Raises:
        HeadError: It is missing or damaged.
    """
    saved = read_head(folder)
    model = _build(saved.info, 0.0)
    for weight in model.weights:
        weight.assign(saved.tensors[weight.path])
    return Head(info=saved.info, model=model)


def _build(info: HeadInfo, l2: float) -> keras.Model:
    penalty = keras.regularizers.L2(l2) if l2 else None
    inputs = keras.Input(info.shape)
    x = keras.layers.Flatten(name="flatten")(inputs) if len(info.shape) > 1 else inputs
    if info.kind == "mlp":
        x = keras.layers.Dense(info.units, "relu", kernel_regularizer=penalty, name="hidden")(x)
        x = keras.layers.Dropout(info.dropout, name="dropout")(x)
    k = len(info.classes)
    units, activation = (1, "sigmoid") if k == 2 else (k, "softmax")
    outputs = keras.layers.Dense(units, activation, kernel_regularizer=penalty, name="classes")(x)
    return keras.Model(inputs, outputs, name=f"{info.kind}_head")


def _targets(labels: NDArray[np.int64], classes: int) -> Float:
    """Return float32 `(n, 1)` of 0 and 1 for two classes, else one-hot `(n, k)`."""
    if classes == 2:
        return labels.astype(np.float32)[:, None]
    return np.eye(classes, dtype=np.float32)[labels]


def _make_deterministic() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
