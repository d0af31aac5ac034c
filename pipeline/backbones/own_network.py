"""A network of one's own, as Keras saved it: read without running code of the file, and checked."""

import zipfile
from pathlib import Path

import keras
import numpy as np

ENDING = ".keras"


def load_own_network(path: Path, input_size: int) -> keras.Model:
    """Read a model that `model.save` wrote.

    Args:
        path: Of the file.
        input_size: Height and width of the images that it shall take, pixels.

    Returns:
        A model from scaled pixels float32 `(b, input_size, input_size, 3)` to whatever it gives.

    Raises:
        ValueError: The file is no such model, wants code of its own, takes something else, or gives
            what are no numbers: OpenVINO would make plausible ones of them.
    """
    if path.suffix != ENDING:
        raise ValueError(
            f"a network of one's own is a file ending in {ENDING}, as model.save writes it"
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            "it is damaged, or no file of Keras: the end of its zip archive is missing"
        )
    network = keras.saving.load_model(path, compile=False, safe_mode=True)
    inputs, outputs = network.inputs or [], network.outputs or []
    if (len(inputs), len(outputs)) != (1, 1):
        raise ValueError("it is no graph of layers with one input and one output, as Sequential is")
    shape, expected = tuple(inputs[0].shape), (None, input_size, input_size, 3)
    if len(shape) != 4 or any(
        found not in (None, one) for found, one in zip(shape, expected, strict=True)
    ):
        raise ValueError(f"it takes images {shape}, expected {expected}: change input_size")
    if not (kind := str(inputs[0].dtype)).startswith("float"):
        raise ValueError(
            f"it takes {kind}, expected float32: scaled pixels would be rounded; save the network so"
        )
    noise = np.random.default_rng(0).random((1, input_size, input_size, 3), np.float32)
    if not np.isfinite(network(noise, training=False)).all():
        raise ValueError("on noise it gives values that are no finite numbers: it was saved so")
    return keras.Model(inputs[0], outputs[0])  # of a Sequential, too, each layer can be an output
