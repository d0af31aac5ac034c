"""Backbone and head as one Keras model: uint8 pixels to the probability of each class.

It is made of Keras's own layers alone, so it is loaded without any code of ours.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.keras_settings import pinned_keras
from pipeline.heads.head import Head
from pipeline.heads.steps import (
    LEAST_SHARE,
    Affine,
    NearestShares,
    Relu,
    Standardize,
    UnitLength,
    scaling_steps,
)

if TYPE_CHECKING:
    import keras


def build_network(backbone: Backbone, head: Head) -> "keras.Model":
    """Put a head behind its backbone.

    Returns:
        A model from uint8 `(b, s, s, 3)`, RGB, `s` being the backbone's input size, to float32
        `(b, k)`, each row a distribution over the classes. All computes in float32.

    Raises:
        BackboneError: The backbone cannot be built.
    """
    import keras

    with pinned_keras():
        scores = add_head(head, backbone.model.output)
        probabilities = keras.layers.Softmax(name="probabilities")(scores)
        model = keras.Model(backbone.model.input, probabilities, name="classifier")
        model.trainable = False
        return model


def add_head(head: Head, features: Any) -> Any:
    """Put a head's layers behind features float32 `(b, ...)`; return its scores `(b, k)`."""
    import keras

    x = features if len(features.shape) == 2 else keras.layers.Flatten(name="flat")(features)
    for step in [*scaling_steps(head.scaler), *head.steps()]:
        x = LAYERS[type(step)](step, x)
    return keras.layers.Rescaling(1 / head.temperature, name="temperature")(x)


def _standardize(step: Standardize, x: Any) -> Any:
    import keras

    # Of Keras's layers the one that takes the factor as it is, and keeps both as weights.
    layer = keras.layers.BatchNormalization(center=False, epsilon=0.0)
    y = layer(x, training=False)
    layer.set_weights([step.factor, step.mean, np.ones_like(step.mean)])
    return y


def _affine(step: Affine, x: Any) -> Any:
    import keras

    layer = keras.layers.Dense(len(step.bias))
    y = layer(x)
    layer.set_weights([step.kernel, step.bias])
    return y


def _nearest_shares(step: NearestShares, x: Any) -> Any:
    import keras

    neighbours, classes = step.labels.shape
    likeness = keras.layers.Dense(neighbours, use_bias=False, name="neighbours")
    labels = keras.layers.Embedding(neighbours, classes, name="labels")
    cosines, nearest = keras.ops.top_k(likeness(x), step.count)
    votes = keras.layers.Softmax()(keras.layers.Rescaling(1 / step.temperature)(cosines))
    shares = keras.layers.Dot(1)([votes, labels(nearest)])
    likeness.set_weights([step.neighbours.T])
    labels.set_weights([step.labels])
    return keras.ops.log(keras.ops.maximum(shares, LEAST_SHARE))


def _unit_length(step: UnitLength, x: Any) -> Any:
    import keras

    return keras.layers.UnitNormalization()(x)


def _relu(step: Relu, x: Any) -> Any:
    import keras

    return keras.layers.ReLU()(x)


# Each step of a head, and how Keras takes it; a test compares the table with `heads.steps`.
LAYERS: Mapping[type, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        Standardize: _standardize,
        UnitLength: _unit_length,
        Affine: _affine,
        Relu: _relu,
        NearestShares: _nearest_shares,
    }
)
