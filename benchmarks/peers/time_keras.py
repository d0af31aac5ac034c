"""The usual Keras ways, timed: `python time_keras.py dataset|generator`. They keep nothing."""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from turns import HEAD_BATCH, HEAD_EPOCHS, HEAD_UNITS, SIZE, serve

BATCH = 32
NETWORK = keras.models.load_model(os.environ["PEERS_KERAS"], compile=False)


def scale(pixels: Any) -> Any:
    """Bring pixels to what EfficientNet-Lite wants."""
    return (pixels - 127.0) / 128.0


def from_dataset(photos: Path, what: str) -> Any:
    """Take `image_dataset_from_directory` and `predict`."""
    images = keras.utils.image_dataset_from_directory(
        photos, labels=None, image_size=(SIZE, SIZE), batch_size=BATCH, shuffle=False, verbose=False
    )
    scaled = images.map(scale, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return NETWORK.predict(scaled, verbose=0)


def from_generator(photos: Path, what: str) -> Any:
    """Take `ImageDataGenerator` and `predict`, as DVC's tutorial does."""
    generator = tf.keras.preprocessing.image.ImageDataGenerator(preprocessing_function=scale)
    images = generator.flow_from_directory(
        photos, target_size=(SIZE, SIZE), batch_size=BATCH, class_mode=None, shuffle=False
    )
    return NETWORK.predict(images, verbose=0)


def fit_head(features: Any, labels: Any) -> None:
    """Fit a head with one hidden layer."""
    layers = [keras.layers.Dense(HEAD_UNITS, "relu"), keras.layers.Dropout(0.5)]
    head = keras.Sequential([*layers, keras.layers.Dense(int(labels.max()) + 1, "softmax")])
    head.compile("adam", "sparse_categorical_crossentropy")
    head.fit(np.asarray(features), labels, batch_size=HEAD_BATCH, epochs=HEAD_EPOCHS, verbose=0)


serve(("keras",), {"dataset": from_dataset, "generator": from_generator}[sys.argv[1]], fit_head)
