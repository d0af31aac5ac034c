"""Which engine runs a backbone, where, in what precision and batch: by settings and hardware alone."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from pipeline.catalogue.backbones import OWN_ACTIVATIONS
from pipeline.engines.environment import find_switches
from pipeline.engines.hardware import BFLOAT16_UNITS, CPU_INFO, PACKAGES, Gpu, Hardware
from pipeline.errors import BackboneError
from pipeline.params import ExtractParams

GPU_STREAMS = 3  # of a GPU: one batch on the device, one decoded, one being written
VERSIONS = {
    "tensorflow": ("tensorflow", "keras"),
    "openvino": ("tensorflow", "keras", "openvino"),
    "jax": ("keras", "jax", "jaxlib"),
}  # of what decides a feature's value


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How a backbone is run.

    Attributes:
        engine: Which library.
        device: Where.
        precision: What it computes in.
        batch_size: Images a call.
        streams: Calls at once.
        devices: How many alike take batches in turn.
        bfloat16: What of the processor multiplies bfloat16; None in another precision, or on a GPU.
        gpu: Which, of JAX.
    """

    engine: Literal["tensorflow", "openvino", "jax"]
    device: Literal["cpu", "gpu"]
    precision: Literal["float32", "bfloat16", "float16"]
    batch_size: int
    streams: int
    devices: int = 1
    bfloat16: str | None = None
    gpu: Gpu | None = None

    @property
    def network_precision(self) -> str:
        """What the network is built in: OpenVINO itself turns float32 into bfloat16."""
        return "float32" if self.engine == "openvino" else self.precision

    @property
    def keras_backend(self) -> str:
        """What Keras builds the network with."""
        return "jax" if self.engine == "jax" else "tensorflow"

    def describe(self) -> dict[str, Any]:
        """Return what of this decides a feature's value, for fingerprints."""
        parts: dict[str, Any] = {
            "engine": self.engine,
            "device": self.device,
            "precision": self.precision,
            "switches": find_switches(engine=self.engine),
        }
        if self.device == "gpu":
            parts["batch_size"] = self.batch_size
        if self.gpu is not None:
            parts["gpu"] = {"kind": self.gpu.kind, "software": self.gpu.software}
        # Another order of sums moves the last bits, which bfloat16 rounds to steps of 1/256.
        if self.bfloat16 is not None:
            parts["bfloat16"] = self.bfloat16
        return {**parts, "versions": {name: _version(name) for name in VERSIONS[self.engine]}}


def _version(library: str) -> str:
    """Return a library's version; that of TensorFlow also where it is the build without a GPU."""
    try:
        return version(library)
    except PackageNotFoundError:
        return version(f"{library}-cpu")


def choose(
    settings: ExtractParams,
    hardware: Hardware,
    input_size: int,
    *,
    activations: int = OWN_ACTIVATIONS,
    needs_openvino: bool = False,
) -> EngineConfig:
    """Choose the engine: one that sees a GPU, else OpenVINO if installed, else TensorFlow, else JAX.

    Args:
        settings: What is wanted.
        hardware: What there is.
        input_size: Height and width of the images, pixels.
        activations: Bytes that a pixel of them takes in the network's tensors.
        needs_openvino: Whether nothing else can run the backbone.

    Raises:
        BackboneError: The settings ask for what this machine does not have.
    """
    if needs_openvino and "openvino" not in hardware.engines:
        raise BackboneError(
            "a network of one's own that is no Keras model needs OpenVINO, which is not installed: "
            "pip install openvino, or name a .keras file (params.yaml, backbones)"
        )
    wanted = "openvino" if needs_openvino and settings.engine == "auto" else settings.engine
    engine = _choose_engine(wanted, hardware)
    gpu = hardware.gpus.get(engine)
    _check_precision(settings.precision, engine, gpu, hardware)
    if gpu is None:
        return EngineConfig(
            engine=engine,
            device="cpu",
            precision=settings.precision,
            batch_size=1,
            streams=hardware.cores,
            bfloat16=hardware.bfloat16 if settings.precision == "bfloat16" else None,
        )
    return EngineConfig(
        engine=engine,
        device="gpu",
        precision=settings.precision,
        batch_size=settings.batch_size or fitting_batch_size(gpu.bytes, input_size, activations),
        streams=GPU_STREAMS * gpu.count,
        devices=gpu.count,
        gpu=gpu if engine == "jax" else None,
    )


def _choose_engine(wanted: str, hardware: Hardware) -> Any:
    if wanted == "auto":
        found = [*hardware.gpus, *hardware.engines]
        if not found:
            raise BackboneError(
                f"none of {', '.join(PACKAGES)} is installed, one of which runs backbones: "
                "run `make install`"
            )
        return found[0]
    if wanted not in hardware.engines:
        missing = " and ".join(PACKAGES[wanted])
        raise BackboneError(
            f"extract.engine is {wanted}, which is not installed: pip install {missing}, "
            "or set extract.engine to auto (params.yaml)"
        )
    return wanted


def _check_precision(precision: str, engine: str, gpu: Gpu | None, hardware: Hardware) -> None:
    """Refuse what a device has not, or where it would be no faster."""
    place = "CPU" if gpu is None else "GPU"
    if precision == "float16" and gpu is None:
        raise BackboneError(
            f"extract.precision is float16, which needs a GPU; {engine} would run on the CPU here. "
            "Set extract.precision to float32 (params.yaml)"
        )
    if precision != "bfloat16" or (engine == "jax" and gpu is not None):
        return
    if engine != "openvino":
        raise BackboneError(
            "extract.precision is bfloat16, for OpenVINO, or JAX on a GPU; "
            f"{engine} would run on the {place} here. Install one of them and set extract.engine "
            "to it, or extract.precision to float32 (params.yaml)"
        )
    if hardware.bfloat16 is None:
        raise BackboneError(
            "extract.precision is bfloat16, which needs a processor with AMX or AVX512-BF16; "
            f"this one has neither ({CPU_INFO}: no {' and no '.join(BFLOAT16_UNITS)}). "
            "Set extract.precision to float32 (params.yaml)"
        )


def fitting_batch_size(gpu_bytes: int, input_size: int, activations: int) -> int:
    """Return the largest power of two from 8 to 512 whose activations fit half of a GPU's memory.

    The other half is for the weights, and for what convolutions need beside their tensors.
    """
    fits = gpu_bytes // 2 // (input_size * input_size * activations)
    return int(2 ** np.clip(np.floor(np.log2(max(1, fits))), 3, 9))
