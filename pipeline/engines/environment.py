"""What of a process's environment decides features beside its pins: other switches of the libraries."""

import hashlib
import os
from collections.abc import Mapping

import pipeline
from pipeline.errors import BackboneError

PREFIXES = ("TF_", "XLA_", "ONEDNN_", "DNNL_", "OV_", "OPENCV_", "JSIMD_")
OWN_PREFIXES = {"jax": ("JAX_", "CUBLAS_", "CUDNN_")}  # of what one engine alone reads
CHOSEN = "KERAS_BACKEND"  # set for each engine: see pipeline.backbones.keras_settings
HARMLESS = (
    "TF_CPP_",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    "ONEDNN_VERBOSE",
    "OPENCV_LOG_",
    "XLA_PYTHON_CLIENT_", "JAX_PLATFORM", "JAX_COMPILATION_CACHE_", "JAX_LOGGING_", "JAX_TRACEBACK_",
    # Terraform's, which have nothing to do with TensorFlow and may be secrets:
    "TF_ACC", "TF_APPEND_", "TF_CLI_", "TF_CLOUD_", "TF_DATA_DIR", "TF_ENCRYPTION", "TF_HTTP_",
    "TF_IGNORE", "TF_IN_AUTOMATION", "TF_INPUT", "TF_LOG", "TF_PLUGIN_", "TF_PROVIDER", "TF_REATTACH_",
    "TF_REGISTRY_", "TF_SKIP_", "TF_STATE_", "TF_TOKEN_", "TF_VAR_", "TF_WORKSPACE",
)  # fmt: skip


def find_switches(
    environment: Mapping[str, str] = os.environ, *, engine: str = "tensorflow"
) -> dict[str, str]:
    """Return the variables that are set and may decide an engine's features, for fingerprints.

    Those that `pipeline` pins are among them only where somebody set them otherwise since. The
    ones that nobody knows are among them too: a name too many costs forward passes, one too
    few gives wrong features. Their values may be anything, so digests stand for them.
    """
    prefixes = (*PREFIXES, *OWN_PREFIXES.get(engine, ()))
    return {
        name: hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()[:12]
        for name, value in sorted(environment.items())
        if (name in pipeline.PINNED or name.startswith(prefixes))
        and not name.startswith((*HARMLESS, CHOSEN))
        and pipeline.PINNED.get(name) != value
    }


def check_pins() -> None:
    """Refuse to compute where a library may have read the environment before it was pinned.

    Raises:
        BackboneError: Names the variables.
    """
    if pipeline.PINNED_TOO_LATE:
        expected = ", ".join(
            f"{name}={pipeline.PINNED[name]}" if pipeline.PINNED[name] else f"no {name}"
            for name in pipeline.PINNED_TOO_LATE
        )
        raise BackboneError(
            f"one of {', '.join(pipeline.LIBRARIES)} was imported before pipeline, and its environment is "
            f"not the one that features are computed in; expected {expected}. Import pipeline first."
        )
