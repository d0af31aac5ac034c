"""Keras's global settings, under which networks are built and traced."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pipeline.errors import BackboneError

BACKENDS = ("tensorflow", "jax")  # the first that is installed serves where nobody asks for one
FLOATX, EPSILON, IMAGE_DATA_FORMAT = "float32", 1e-7, "channels_last"


@contextmanager
def pinned_keras(precision: str = FLOATX, backend: str | None = None) -> Iterator[None]:
    """Fix what keras.json or a program may have set otherwise; put theirs back at the end.

    Args:
        precision: What a network computes in: `float32`; or `float16` or `bfloat16`, with weights
            of float32.
        backend: On which Keras is imported, where it was not before.

    Raises:
        BackboneError: Keras was imported with a backend that none of the engines uses.
    """
    config = _import_keras(backend).config
    if config.backend() not in BACKENDS:
        raise BackboneError(
            f"Keras runs on {config.backend()}, expected {' or '.join(BACKENDS)}: import pipeline "
            "before keras."
        )
    theirs = config.dtype_policy(), config.floatx(), config.epsilon(), config.image_data_format()
    policy = FLOATX if precision == FLOATX else f"mixed_{precision}"
    try:
        _set(policy, FLOATX, EPSILON, IMAGE_DATA_FORMAT)
        yield
    finally:
        _set(*theirs)


def check_backend(expected: str) -> None:
    """Import Keras on a backend; a process has one for good.

    Raises:
        BackboneError: It runs on another one already.
    """
    found = _import_keras(expected).config.backend()
    if found != expected:
        raise BackboneError(
            f"Keras runs on {found} in this process, and {expected} is needed here: start another "
            "process, and import pipeline before keras; extract.engine (params.yaml) says on which "
            "of them networks run."
        )


def _import_keras(backend: str | None) -> Any:
    """Import Keras on a backend, or on the first that is installed; it reads the variable only once."""
    if "keras" not in sys.modules:
        installed = filter(find_spec, BACKENDS)
        os.environ["KERAS_BACKEND"] = backend or next(installed, BACKENDS[0])
    return import_module("keras")


def _set(policy: object, floatx: str, epsilon: float, image_data_format: str) -> None:
    import keras

    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_dtype_policy(policy)
