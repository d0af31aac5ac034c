"""Features with Keras: `image_dataset_from_directory` and `predict`. It keeps nothing, so it has one way."""

import keras
import numpy as np
import tensorflow as tf
from network import PHOTOS, CountedNetwork, tell
from values import SIDE

BATCH = 32


class Counted(keras.layers.Layer):
    """The network as a layer."""

    def __init__(self) -> None:
        super().__init__()
        self._network = CountedNetwork()

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        """Turn `(b, h, w, 3)` into float32 `(b, 3)`."""
        features = tf.numpy_function(
            lambda batch: np.array(self._network.run(batch), np.float32), [pixels], tf.float32
        )
        return tf.ensure_shape(features, (None, 3))


photos = keras.utils.image_dataset_from_directory(
    PHOTOS, labels=None, image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=False, verbose=False
)
features = keras.Sequential([Counted()]).predict(photos, verbose=0)
names = [path.removeprefix(f"{PHOTOS}/") for path in photos.file_paths]
tell(dict(zip(names, features, strict=True)), "keras")
