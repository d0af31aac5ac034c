"""What there is to compute on: the engines that are installed, the GPUs that they see, the processor."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

# What each engine needs, in the order in which they are tried on a CPU: OpenVINO turns what TensorFlow built.
PACKAGES = {
    "openvino": ("openvino", "tensorflow"),
    "tensorflow": ("tensorflow",),
    "jax": ("jax",),
}
GPU_DEVICE_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")  # as Linux calls them, the faster one first
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU, or several alike, as an engine sees them.

    Attributes:
        bytes: Memory that the engine may take, of the one that has least.
        kind: Its maker's name for it.
        software: What drives it, with versions.
        count: How many the engine can use.
    """

    bytes: int
    kind: str = ""
    software: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What there is to compute on.

    Attributes:
        cores: Processors that this process may use.
        engines: Those that are installed, in the order in which they are tried on a CPU.
        gpus: Those of each engine that sees one, in the order in which they are tried.
        bfloat16: What the processor multiplies bfloat16 with, of BFLOAT16_UNITS; None without one.
    """

    cores: int
    engines: tuple[str, ...]
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    bfloat16: str | None = None


def find_hardware(engine: str = "auto") -> Hardware:
    """Look at this machine, as far as an engine, or the choice of one, needs it."""
    engines = tuple(name for name, needed in PACKAGES.items() if all(map(find_spec, needed)))
    return Hardware(
        cores=_count_cores(),
        engines=engines,
        gpus=_find_gpus(engines if engine == "auto" else (engine,)),
        bfloat16=find_bfloat16(),
    )


def _find_gpus(engines: tuple[str, ...]) -> dict[str, Gpu]:
    """Ask JAX, else TensorFlow; both are slow to load, so only where there may be a GPU."""
    if not any(Path(file).exists() for file in GPU_DEVICE_FILES):
        return {}
    if "jax" in engines and find_spec("jax"):
        from pipeline.engines.jax import find_gpu

        if gpu := find_gpu():
            return {"jax": gpu}
    if "tensorflow" in engines and find_spec("tensorflow"):
        from pipeline.engines.tensorflow import find_gpu_bytes

        if size := find_gpu_bytes():
            return {"tensorflow": Gpu(bytes=size)}
    return {}


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
