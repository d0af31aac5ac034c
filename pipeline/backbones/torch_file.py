"""Read tensors from PyTorch's legacy file format, without PyTorch and without running its pickles.

The format (`torch.save` before 1.6): four pickles (magic number, protocol version, system
information, the object with its storages left out), a pickled list of storage keys, then each
storage as a little-endian int64 count and its raw values. Unpickling admits only what a state
dict is made of, so a hostile file raises instead of running code.
"""

import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackboneError

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}


@dataclass(frozen=True, slots=True)
class _Storage:
    """A storage that a tensor refers to: its key and the dtype of its values."""

    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage; offset and strides count values, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state dict: parameter name to array, in the file's order.

    Raises:
        BackboneError: The file is missing, damaged, or holds anything but tensors.
    """
    try:
        with path.open("rb") as file:
            tensors = _read_object(file)
            values = _read_storages(file, {t.storage.key: t.storage for t in tensors.values()})
            return {
                name: _view(tensor, values[tensor.storage.key]) for name, tensor in tensors.items()
            }
    except Exception as error:  # noqa: BLE001 (pickle raises nearly anything on damaged files)
        raise BackboneError(
            f"{path} is not a PyTorch state dict in the legacy format: {error}"
        ) from None


def _read_object(file: BinaryIO) -> dict[str, _Tensor]:
    magic = _Unpickler(file).load()
    if magic != MAGIC:
        raise ValueError("the magic number is wrong")
    _Unpickler(file).load(), _Unpickler(file).load()  # protocol version, system information
    tensors = _Unpickler(file).load()
    if not isinstance(tensors, dict) or not all(isinstance(t, _Tensor) for t in tensors.values()):
        raise ValueError("it holds something else than tensors")
    return tensors


def _read_storages(file: BinaryIO, known: dict[str, _Storage]) -> dict[str, NDArray[Any]]:
    values = {}
    for key in _Unpickler(file).load():
        dtype = np.dtype(known[key].dtype)
        (count,) = struct.unpack("<q", file.read(8))
        raw = file.read(count * dtype.itemsize)
        if len(raw) != count * dtype.itemsize:
            raise ValueError("it is truncated")
        values[key] = np.frombuffer(raw, dtype)
    return values


def _view(tensor: _Tensor, values: NDArray[Any]) -> NDArray[Any]:
    reach = (
        tensor.offset
        + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride, strict=True))
        + 1
    )
    lowest = min((*tensor.shape, *tensor.stride, tensor.offset))
    if reach > len(values) or math.prod(tensor.shape) > len(values) or lowest < 0:
        raise ValueError("a tensor reaches outside its storage")
    strides = tuple(s * values.itemsize for s in tensor.stride)
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: Any, stride: Any, *_ignored: Any
) -> _Tensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


class _Unpickler(pickle._Unpickler):
    """Admits OrderedDict, tensors and storages; refuses every other name.

    It is the unpickler written in Python: the one in C fills memory up to whatever number a
    damaged file gives as the place of an object.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key = pid[:3]
        if kind != "storage" or dtype not in DTYPES.values():
            raise pickle.UnpicklingError("it refers to something else than a storage")
        return _Storage(str(key), dtype)
