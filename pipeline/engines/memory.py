"""When the memory of a device is full: told as an error of ours, whichever library met it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import DeviceMemoryFull


@contextmanager
def told_when_full(batch_size: int) -> Iterator[None]:
    """Turn what JAX and TensorFlow raise when memory runs out into an error that says what to do.

    Raises:
        DeviceMemoryFull: A batch of this size does not fit.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        raise DeviceMemoryFull(
            f"the memory of the GPU is not enough for a batch of {batch_size} images: "
            "set extract.batch_size to a lower number (params.yaml)"
        ) from None


def _is_full(error: Exception) -> bool:
    """Tell by XLA's word for it, or TensorFlow's class, neither of which can be imported here."""
    return "RESOURCE_EXHAUSTED" in str(error) or type(error).__name__ == "ResourceExhaustedError"
