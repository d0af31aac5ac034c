"""Run a backbone with TensorFlow: one compiled function of a fixed shape over a frozen graph."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline.backbones.backbone import Backbone
from pipeline.engines.choice import EngineConfig


class TensorFlowEngine:
    """A backbone with its variables turned into constants, so that TensorFlow can fold and fuse them."""

    def __init__(self, config: EngineConfig, backbone: Backbone) -> None:
        self.batch_size = config.batch_size
        self.streams = config.streams
        _set_up(config)
        size = backbone.input_size
        model = backbone.model
        function = tf.function(
            lambda pixels: tf.cast(model(pixels, training=False), tf.float32),
            input_signature=[tf.TensorSpec((self.batch_size, size, size, 3), tf.uint8)],
            jit_compile=True if config.device == "gpu" else None,
        )
        self._function = convert_variables_to_constants_v2(function.get_concrete_function())
        self._device = "/GPU:0" if config.device == "gpu" else "/CPU:0"

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, ...)`."""
        with tf.device(self._device):
            (features,) = self._function(tf.constant(pixels))
        values: NDArray[np.float32] = features.numpy()
        return values


def find_gpu_bytes() -> int | None:
    """Return the memory of the first GPU that TensorFlow sees, None without one."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    tf.config.experimental.set_memory_growth(gpus[0], True)
    tf.config.list_logical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0])
    return int(details.get("memory_bytes", 8 << 30))


def _set_up(config: EngineConfig) -> None:
    """Set what TensorFlow has only once a process."""
    if config.device == "gpu":
        tf.config.experimental.enable_tensor_float_32_execution(False)
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(
            1
        )  # a core an image: see pipeline.engines
    except RuntimeError:
        pass  # TensorFlow already runs, with its threads; slower, with the same bits
