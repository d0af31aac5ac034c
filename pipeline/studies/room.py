"""Room for large arrays: in memory, or beside the features where they would fill it."""

import math
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths

MOST_BYTES = 1 << 30  # of one array in memory


def make_room(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array to fill: in memory up to 1 GiB, else in a file without a name.

    The file lies beside the features, where large files are expected, and is gone when the
    array is, even if the process is killed.
    """
    if math.prod(shape) * np.dtype(dtype).itemsize <= MOST_BYTES:
        return np.empty(shape, dtype)
    folder = paths.store_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:  # the array keeps it open
        return np.memmap(file, dtype, "w+", shape=shape)  # type: ignore[call-overload, no-any-return]
