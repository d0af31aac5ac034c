"""Keras's global settings, under which networks are built and traced."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import BackboneError

EPSILON = 1e-7


@contextmanager
def pinned_keras(precision: str = "float32") -> Iterator[None]:
    """Fix what keras.json or a program may have set otherwise; put theirs back at the end.

    Args:
        precision: What a network computes in: `float32`, or `float16` with weights of float32.

    Raises:
        BackboneError: Keras was imported with another backend.
    """
    import keras

    config = keras.config
    if config.backend() != "tensorflow":
        raise BackboneError(
            f"Keras runs on {config.backend()}, expected tensorflow: import pipeline before keras."
        )
    theirs = config.dtype_policy(), config.floatx(), config.epsilon(), config.image_data_format()
    try:
        _set(
            "float32" if precision == "float32" else f"mixed_{precision}",
            "float32",
            EPSILON,
            "channels_last",
        )
        yield
    finally:
        _set(*theirs)


def _set(policy: object, floatx: str, epsilon: float, image_data_format: str) -> None:
    import keras

    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_dtype_policy(policy)
