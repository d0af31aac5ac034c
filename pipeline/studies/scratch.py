"""Study `scratch`: the small network of the tutorials, trained from nothing.

Three convolutions with pooling, a hidden layer, dropout, and images that are changed at random
each time, as in Keras's well-known post on small datasets (Chollet 2016, "Building powerful image
classification models using very little data").
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.backbones.keras_settings import pinned_keras
from pipeline.params import AugmentParams
from pipeline.studies.images import load_pixels, read_images
from pipeline.studies.learning import (
    Course,
    Examples,
    Part,
    ask_network,
    to_result,
    train_network,
)
from pipeline.studies.results import Result
from pipeline.studies.task import Task

if TYPE_CHECKING:
    import keras

    from pipeline.studies.settings import ScratchParams

FILTERS, UNITS = (32, 32, 64), 64  # as in the post


def run(task: Task) -> Iterator[Result]:
    """Train the network on the originals of train, and ask it for val.

    Raises:
        ManifestError: The images are not those of the dataset's tables.
        StudyError: There are none.
    """
    train, val = load_originals(task)
    yield measure_scratch(task, task.settings.scratch.seed, train, val)


def load_originals(task: Task) -> tuple[Examples, Examples]:
    """Return the pixels of train and of val without copies: the network changes images itself."""
    size = task.settings.scratch.input_size
    found = []
    for images in read_images(task.dataset).values():
        originals = images.take(images.originals)
        found.append(Examples.of(originals, load_pixels(originals, size)))
    train, val = found
    return train, val


def measure_scratch(task: Task, seed: int, train: Examples, val: Examples) -> Result:
    """Train the network on some images, and ask it for others.

    Args:
        task: With the settings.
        seed: Of first weights, changes and order.
        train: Pixels uint8 `(n, s, s, 3)`, of which some count.
        val: Pixels, which are asked for.
    """
    settings = task.settings.scratch
    course = Course(
        epochs=settings.epochs,
        least_steps=settings.least_steps,
        batch_size=settings.batch_size,
        seed=seed,
    )
    began = time.perf_counter()
    with pinned_keras():
        network = build_network(settings, task.params.augment, train.classes, seed)
        learns = Part(variables=network.trainable_variables, rate=settings.learning_rate)
        train_network(network, [learns], train, course)
        seconds = time.perf_counter() - began
        probabilities = ask_network(network, val.inputs)
    return to_result("scratch", train, seed, seconds, probabilities, val)


def build_network(
    settings: "ScratchParams", augment: AugmentParams, classes: int, seed: int
) -> "keras.Model":
    """Return the network, from pixels 0..255 `(b, s, s, 3)` to scores `(b, classes)`.

    Args:
        settings: Its size and dropout.
        augment: How images are changed in training: as strongly as the pipeline's copies.
        classes: How many there are.
        seed: Of first weights, changes and dropout.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    pixels = keras.Input((settings.input_size, settings.input_size, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    if augment.flip:
        x = layers.RandomFlip("horizontal", seed=seed)(x)
    x = layers.RandomTranslation(augment.shift, augment.shift, seed=seed + 1)(x)
    x = layers.RandomZoom(augment.zoom, seed=seed + 2)(x)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(UNITS, activation="relu")(layers.Flatten()(x))
    x = layers.Dropout(settings.dropout, seed=seed + 3)(x)
    return keras.Model(pixels, layers.Dense(classes)(x), name="scratch")
