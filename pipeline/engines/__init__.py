"""What runs a backbone: the common face of the engines, and the choice among them.

On a CPU each image is a batch of its own and each core works on another image. So a
feature cannot depend on neighbours or on the size of a batch, and no core waits for another.
On a GPU batches have one fixed size, which is part of the fingerprint; the last is padded.
"""

import importlib.util
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.keras_settings import pinned_keras
from pipeline.engines.environment import check_pins, find_switches
from pipeline.errors import BackboneError
from pipeline.params import ExtractParams

GPU_STREAMS = 3  # one batch on the device, one decoded, one being written
BYTES_PER_PIXEL = 600  # a generous bound of what a pixel of a batch takes in activations
log = logging.getLogger(__name__)
GPU_DEVICE_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")  # as Linux calls them, the faster one first
CPU_INFO = Path("/proc/cpuinfo")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What there is to compute on.

    Attributes:
        gpu_bytes: Memory of the first GPU that TensorFlow sees; None without one.
        openvino: Whether OpenVINO is installed.
        cores: Processors that this process may use.
        bfloat16: What the processor multiplies bfloat16 with, of BFLOAT16_UNITS; None without one.
    """

    gpu_bytes: int | None
    openvino: bool
    cores: int
    bfloat16: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How a backbone is run.

    Attributes:
        engine: Which library.
        device: Where.
        precision: What it computes in.
        batch_size: Images a call.
        streams: Calls at once.
        bfloat16: What multiplies bfloat16; None in another precision.
    """

    engine: Literal["tensorflow", "openvino"]
    device: Literal["cpu", "gpu"]
    precision: Literal["float32", "bfloat16", "float16"]
    batch_size: int
    streams: int
    bfloat16: str | None = None

    @property
    def network_precision(self) -> str:
        """What the network is built in: OpenVINO itself turns float32 into bfloat16."""
        return "float32" if self.precision == "bfloat16" else self.precision

    def describe(self) -> dict[str, Any]:
        """Return what of this decides a feature's value, for fingerprints."""
        libraries = ["tensorflow", "keras", *(["openvino"] if self.engine == "openvino" else [])]
        parts: dict[str, Any] = {
            "engine": self.engine,
            "device": self.device,
            "precision": self.precision,
            "switches": find_switches(),
        }
        if self.device == "gpu":
            parts["batch_size"] = self.batch_size
        # Another order of sums moves the last bits, which bfloat16 rounds to steps of 1/256.
        if self.bfloat16 is not None:
            parts["bfloat16"] = self.bfloat16
        return {**parts, "versions": {name: _version(name) for name in libraries}}


def _version(library: str) -> str:
    """Return a library's version; that of TensorFlow also where it is the build without a GPU."""
    try:
        return version(library)
    except PackageNotFoundError:
        return version(f"{library}-cpu")


def find_hardware() -> Hardware:
    """Look at this machine; TensorFlow, slow to load, is asked only where there may be a GPU."""
    gpu_bytes = None
    if any(Path(file).exists() for file in GPU_DEVICE_FILES):
        from pipeline.engines.tensorflow import find_gpu_bytes

        gpu_bytes = find_gpu_bytes()
    openvino = importlib.util.find_spec("openvino") is not None
    return Hardware(
        gpu_bytes=gpu_bytes, openvino=openvino, cores=_count_cores(), bfloat16=find_bfloat16()
    )


def find_bfloat16() -> str | None:
    """Return what this processor multiplies bfloat16 with, None where it has nothing or no Linux."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return None
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return next((unit for unit in BFLOAT16_UNITS if unit in flags), None)


def _count_cores() -> int:
    """Return how many processors this process may use; not every system can restrict them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose(settings: ExtractParams, hardware: Hardware, input_size: int) -> EngineConfig:
    """Choose the engine: a GPU if there is one, else OpenVINO if installed, else TensorFlow.

    Raises:
        BackboneError: The settings ask for what this machine does not have.
    """
    gpu = hardware.gpu_bytes is not None
    if settings.engine == "openvino" and not hardware.openvino:
        raise BackboneError(
            "extract.engine is openvino, which is not installed: pip install openvino, "
            "or set extract.engine to auto (params.yaml)"
        )
    if settings.engine == "openvino" or (
        settings.engine == "auto" and not gpu and hardware.openvino
    ):
        engine: Literal["tensorflow", "openvino"] = "openvino"
    else:
        engine = "tensorflow"
    on_gpu = gpu and engine == "tensorflow"
    if settings.precision == "float16" and not on_gpu:
        raise BackboneError(
            f"extract.precision is float16, which needs a GPU; {engine} would run on the CPU here. "
            "Set extract.precision to float32 (params.yaml)"
        )
    if settings.precision == "bfloat16":
        _check_bfloat16(engine, on_gpu, hardware)
    if not on_gpu:
        return EngineConfig(
            engine=engine,
            device="cpu",
            precision=settings.precision,
            batch_size=1,
            streams=hardware.cores,
            bfloat16=hardware.bfloat16 if settings.precision == "bfloat16" else None,
        )
    batch_size = settings.batch_size or fitting_batch_size(hardware.gpu_bytes or 0, input_size)
    return EngineConfig(
        engine=engine,
        device="gpu",
        precision=settings.precision,
        batch_size=batch_size,
        streams=GPU_STREAMS,
    )


def _check_bfloat16(engine: str, on_gpu: bool, hardware: Hardware) -> None:
    """Refuse bfloat16 where it would be no faster, as in TensorFlow on a CPU."""
    if engine != "openvino":
        place = "GPU" if on_gpu else "CPU"
        raise BackboneError(
            f"extract.precision is bfloat16, for OpenVINO; {engine} would run on the {place} here. "
            "Install OpenVINO and set extract.engine to it, or extract.precision to float32 (params.yaml)"
        )
    if hardware.bfloat16 is None:
        raise BackboneError(
            "extract.precision is bfloat16, which needs a processor with AMX or AVX512-BF16; "
            f"this one has neither ({CPU_INFO}: no {' and no '.join(BFLOAT16_UNITS)}). "
            "Set extract.precision to float32 (params.yaml)"
        )


def fitting_batch_size(gpu_bytes: int, input_size: int) -> int:
    """Return the largest power of two from 8 to 512 that fits half of a GPU's memory."""
    fits = gpu_bytes // 2 // (input_size * input_size * BYTES_PER_PIXEL)
    return int(2 ** np.clip(np.floor(np.log2(max(1, fits))), 3, 9))


def open_engine(config: EngineConfig, backbone: Backbone) -> Engine:
    """Build the backbone and compile it for the chosen engine.

    Raises:
        BackboneError: The backbone cannot be built, or the environment was pinned too late.
    """
    check_pins()
    with pinned_keras(config.network_precision):
        engine = _compile(config, backbone)
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
