"""Keras's global settings, under which networks are built and traced."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import BackboneError

FLOATX, EPSILON, IMAGE_DATA_FORMAT = "float32", 1e-7, "channels_last"


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
    policy = FLOATX if precision == FLOATX else f"mixed_{precision}"
    try:
        _set(policy, FLOATX, EPSILON, IMAGE_DATA_FORMAT)
        yield
    finally:
        _set(*theirs)


def _set(policy: object, floatx: str, epsilon: float, image_data_format: str) -> None:
    import keras

    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_dtype_policy(policy)
