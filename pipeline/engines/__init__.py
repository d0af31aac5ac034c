"""What runs a backbone: the common face of the engines.

On a CPU each image is a batch of its own and each core works on another image. So a
feature cannot depend on neighbours or on the size of a batch, and no core waits for another.
On a GPU batches have one fixed size, which is part of the fingerprint; the last is padded.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.conversion_check import check_keras
from pipeline.backbones.keras_settings import check_backend, pinned_keras
from pipeline.engines.choice import EngineConfig
from pipeline.engines.environment import check_pins
from pipeline.engines.memory import told_when_full

log = logging.getLogger(__name__)


class Engine(Protocol):
    """Runs a backbone. `run` may be called from `streams` threads at once.

    Attributes:
        batch_size: How many images `run` takes, always.
        streams: How many calls of `run` keep the hardware busy.
    """

    batch_size: int
    streams: int

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, ...)`."""
        ...


def open_engine(config: EngineConfig, backbone: Backbone) -> Engine:
    """Build the backbone and compile it for the chosen engine.

    Raises:
        BackboneError: The backbone cannot be built, the environment was pinned too late, Keras
            runs on another backend in this process, or OpenVINO computes one's own network otherwise.
        DeviceMemoryFull: A batch does not fit the device.
    """
    check_pins()
    check_backend(config.keras_backend)
    with told_when_full(config.batch_size), pinned_keras(config.network_precision):
        engine = _compile(config, backbone)
        if config.engine == "openvino" and backbone.is_own_keras:
            check_keras(engine.run, backbone, config.precision)
        if len(backbone.layers) == 1:
            return engine
        alone = OneByOne([_compile(config, backbone.cut_at(layer)) for layer in backbone.layers])
    if _give_same_bits(engine, alone, backbone.input_size):
        return engine
    log.warning(
        "%s: of the layers %s in one pass some have other last bits than alone, so each gets its own.",
        backbone.name, list(backbone.layers),
    )  # fmt: skip
    return alone


def _compile(config: EngineConfig, backbone: Backbone) -> Engine:
    if config.engine == "openvino":
        from pipeline.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(config, backbone)
    if config.engine == "jax":
        from pipeline.engines.jax import JaxEngine

        return JaxEngine(config, backbone)
    from pipeline.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(config, backbone)


class OneByOne:
    """Engines of the same pixels, whose features `(b, d)` stand side by side."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.batch_size, self.streams = engines[0].batch_size, engines[0].streams
        self._engines = engines

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, d)`."""
        return np.concatenate([engine.run(pixels) for engine in self._engines], axis=1)


def _give_same_bits(one: Engine, other: Engine, input_size: int) -> bool:
    """Compare two engines on noise.

    A layer that is an output cannot be folded into the next one, which may move last bits; the
    store must not hold other features for it than it would without its neighbours.
    """
    shape = (one.batch_size, input_size, input_size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.array_equal(one.run(noise), other.run(noise))
