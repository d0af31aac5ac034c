"""Run a backbone with JAX: one compiled function of a fixed shape, its weights on the device once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.backbone import Backbone
from pipeline.engines.choice import EngineConfig
from pipeline.engines.hardware import Gpu

if TYPE_CHECKING:
    import keras

# A thread an image, as in the other engines: each core works on another one.
COMPILER = {"cpu": {"xla_cpu_multi_thread_eigen": False}, "gpu": {}}
# Left to itself, a GPU multiplies float32 in TF32, which keeps 10 bits of 23.
MULTIPLICATION = {"float32": "highest", "bfloat16": "default", "float16": "default"}


class JaxEngine:
    """A backbone whose calls overlap: one's features come back while the next batch is computed."""

    def __init__(self, config: EngineConfig, backbone: Backbone) -> None:
        self.batch_size = config.batch_size
        self.streams = config.streams
        self._device = jax.devices(config.device)[0]
        with _building():
            model = backbone.model
        self._weights = jax.device_put(_weights_of(model), self._device)
        size = backbone.input_size
        here = jax.sharding.SingleDeviceSharding(self._device)
        pixels = jax.ShapeDtypeStruct((self.batch_size, size, size, 3), np.uint8, sharding=here)
        with jax.default_matmul_precision(MULTIPLICATION[config.precision]):
            traced = jax.jit(_forward(model)).lower(self._weights, pixels)
        self._function = traced.compile(COMPILER[config.device])
        if config.device == "gpu":  # shows whether a batch fits, before there is work to lose
            self.run(np.zeros(pixels.shape, np.uint8))

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, ...)`."""
        features = self._function(self._weights, jax.device_put(pixels, self._device))
        values: NDArray[np.float32] = np.asarray(features)
        return values


def find_gpu() -> Gpu | None:
    """Return the first GPU that JAX sees, None without one."""
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:  # of a JAX that knows no GPU, or finds none
        return None
    memory = (device.memory_stats() or {}).get("bytes_limit", 8 << 30)
    software = " ".join(device.client.platform_version.split())
    return Gpu(bytes=int(memory), kind=device.device_kind, software=software)


def _weights_of(model: "keras.Model") -> tuple[list[Any], list[Any]]:
    """Return a network's variables as JAX's arrays, which its function takes."""
    trained, others = model.trainable_variables, model.non_trainable_variables
    return [one.value for one in trained], [one.value for one in others]


def _forward(model: "keras.Model") -> Any:
    """Return a function of weights, and pixels uint8 `(b, h, w, 3)`, to features float32 `(b, ...)`."""

    def forward(weights: tuple[list[Any], list[Any]], pixels: Any) -> Any:
        features, _ = model.stateless_call(*weights, pixels, training=False)
        return features.astype(np.float32)

    return forward


@contextmanager
def _building() -> Iterator[None]:
    """Build on the processor, with a compiler that does not try hard.

    Each shape of first weights is a program of its own, which runs once.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
