"""What libraries read from the environment, pinned when the package is first imported."""

import os
import sys

# What libraries read from the environment, once, when they are imported or first compute; hence
# here. None: not set. Each of these would change features without a word. oneDNN is on for every
# processor: left to itself TensorFlow picks other kernels, half as fast, where there is no AVX-512.
PINNED: dict[str, str | None] = {
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_XLA_FLAGS": None,
    "NVIDIA_TF32_OVERRIDE": "0",
    "ONEDNN_DEFAULT_FPMATH_MODE": None,
    "DNNL_DEFAULT_FPMATH_MODE": None,
    "TF_SET_ONEDNN_FPMATH_MODE": None,
}
LIBRARIES = ("tensorflow", "keras", "openvino")

# A library that was there first may have read something else; whoever runs a network asks this.
PINNED_TOO_LATE = tuple(
    name
    for name, value in PINNED.items()
    if os.environ.get(name) != value and any(library in sys.modules for library in LIBRARIES)
)
for _name, _value in PINNED.items():
    os.environ.pop(_name, None)
    if _value is not None:
        os.environ[_name] = _value
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
