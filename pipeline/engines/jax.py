"""Run a backbone with JAX: on each device one compiled function of a fixed shape, and its weights once."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from queue import SimpleQueue
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
    """A backbone on one device, or on several alike that take batches in turn.

    Calls overlap: one's features come back while the next batch is computed.

    Attributes:
        programs: The network on each device.
    """

    def __init__(self, config: EngineConfig, backbone: Backbone) -> None:
        self.batch_size = config.batch_size
        self.streams = config.streams
        with _building():
            model = backbone.model
        devices = _alike(config.device)[: config.devices]
        self.programs = [Program(model, config, backbone.input_size, one) for one in devices]
        self._free: SimpleQueue[Program] = SimpleQueue()
        for program in islice(cycle(self.programs), self.streams):
            self._free.put(program)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, ...)`."""
        program = self._free.get()  # the one that has been free for longest
        try:
            return program.run(pixels)
        finally:
            self._free.put(program)


class Program:
    """A network compiled for batches of one size, and its weights, on one device.

    Attributes:
        device: Where, as JAX has it.
        compiled: The function of weights and pixels, as JAX has it.
    """

    def __init__(
        self, model: "keras.Model", config: EngineConfig, input_size: int, device: Any
    ) -> None:
        self.device = device
        self._weights = jax.device_put(_weights_of(model), device)
        shape = (config.batch_size, input_size, input_size, 3)
        here = jax.sharding.SingleDeviceSharding(device)
        pixels = jax.ShapeDtypeStruct(shape, np.uint8, sharding=here)
        with jax.default_matmul_precision(MULTIPLICATION[config.precision]):
            traced = jax.jit(_forward(model)).lower(self._weights, pixels)
        self.compiled = traced.compile(COMPILER[config.device])
        if config.device == "gpu":  # shows whether a batch fits, before there is work to lose
            self.run(np.zeros(shape, np.uint8))

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn a batch into features, as `JaxEngine.run`."""
        features = self.compiled(self._weights, jax.device_put(pixels, self.device))
        values: NDArray[np.float32] = np.asarray(features)
        return values


def find_gpu() -> Gpu | None:
    """Return the GPUs that JAX sees and that are of the first one's kind, None without one."""
    try:
        devices = _alike("gpu")
    except RuntimeError:  # of a JAX that knows no GPU, or finds none
        return None
    memory = [(one.memory_stats() or {}).get("bytes_limit", 8 << 30) for one in devices]
    software = " ".join(devices[0].client.platform_version.split())
    return Gpu(
        bytes=int(min(memory)), kind=devices[0].device_kind, software=software, count=len(devices)
    )


def _alike(platform: str) -> list[Any]:
    """Return the devices that are of the first one's kind: another kind may give other bits."""
    devices = jax.devices(platform)
    return [one for one in devices if one.device_kind == devices[0].device_kind]


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
