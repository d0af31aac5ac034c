"""PyTorch's legacy files are read without PyTorch, and a hostile one runs nothing."""

import io
import pickle
import resource
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backbones import torch_file
from pipeline.backbones.torch_file import MAGIC, read_state_dict
from pipeline.errors import BackboneError

Tensor = tuple[
    str, str, int, tuple[int, ...], tuple[int, ...]
]  # storage key, kind, offset, shape, strides
VALUES = {"0": np.arange(12, dtype="<f4"), "1": np.array([7], "<i8")}
TENSORS: dict[str, Tensor] = {
    "a.weight": ("0", "FloatStorage", 0, (3, 4), (4, 1)),
    "a.turned": ("0", "FloatStorage", 0, (4, 3), (1, 4)),
    "a.part": ("0", "FloatStorage", 5, (2,), (2,)),
    "steps": ("1", "LongStorage", 0, (), ()),
}


class _Named:
    """Pickles as a name of a module, whether or not the module exists."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    """Pickles as a call of a named function."""

    def __init__(self, function: _Named, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


class _Storage:
    def __init__(self, kind: Any, key: str) -> None:
        self.pid = ("storage", kind, key, "cpu", 0, None)


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    def persistent_id(self, value: Any) -> Any:
        return value.pid if isinstance(value, _Storage) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def _pickle(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump(value)
    return stream.getvalue()


def _rebuilt(tensor: Tensor) -> _Call:
    key, kind, offset, shape, strides = tensor
    storage = _Storage(_Named("torch", kind), key)
    hooks = _Call(_Named("collections", "OrderedDict"))
    return _Call(
        _Named("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, strides, False, hooks
    )


def _file(tensors: Any = None, values: dict[str, Any] = VALUES, magic: int = MAGIC) -> bytes:
    """Return a file as `torch.save` wrote it before version 1.6."""
    if tensors is None:
        tensors = OrderedDict((name, _rebuilt(tensor)) for name, tensor in TENSORS.items())
    parts = [
        _pickle(magic),
        _pickle(1001),
        _pickle({"little_endian": True}),
        _pickle(tensors),
        _pickle(list(values)),
    ]
    parts += [struct.pack("<q", len(array)) + array.tobytes() for array in values.values()]
    return b"".join(parts)


def _read(tmp_path: Path, data: bytes) -> dict[str, Any]:
    (tmp_path / "weights.pth").write_bytes(data)
    return read_state_dict(tmp_path / "weights.pth")


def test_tensors_are_views_of_their_storages(tmp_path: Path) -> None:
    found = _read(tmp_path, _file())
    assert list(found) == list(TENSORS)
    grid = VALUES["0"].reshape(3, 4)
    np.testing.assert_array_equal(found["a.weight"], grid)
    np.testing.assert_array_equal(found["a.turned"], grid.T)
    np.testing.assert_array_equal(found["a.part"], [5, 7])
    assert found["steps"] == 7
    assert found["steps"].shape == ()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("FloatStorage", "<f4"),
        ("DoubleStorage", "<f8"),
        ("HalfStorage", "<f2"),
        ("LongStorage", "<i8"),
    ],
)
def test_each_kind_of_number_is_read(tmp_path: Path, kind: str, dtype: str) -> None:
    values = np.array([1, 2, 3], dtype)
    found = _read(tmp_path, _file({"x": _rebuilt(("k", kind, 0, (3,), (1,)))}, {"k": values}))
    np.testing.assert_array_equal(found["x"], values)
    assert found["x"].dtype == dtype


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("torch", "load"),
     ("collections", "Counter"), ("torch._utils", "_rebuild_parameter"), ("numpy", "load")],
)  # fmt: skip
@pytest.mark.parametrize("part", range(5))
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, module: str, name: str, part: int) -> None:
    hostile = _pickle(_Call(_Named(module, name), f"touch {tmp_path}/ran"))
    parts = [_pickle(MAGIC), _pickle(1001), _pickle({}), _pickle(OrderedDict()), _pickle([])]
    parts[part] = hostile
    with pytest.raises(BackboneError, match=rf"legacy format: it asks for {module}\.{name}"):
        _read(tmp_path, b"".join(parts))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    data = _file()
    for length in range(len(data)):
        with pytest.raises(
            BackboneError, match=r"weights\.pth is not a PyTorch state dict in the legacy format"
        ):
            _read(tmp_path, data[:length])


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (("0", "FloatStorage", 1, (3, 4), (4, 1)), "reaches outside"),
        (("0", "FloatStorage", 0, (13,), (1,)), "reaches outside"),
        (("0", "FloatStorage", -1, (3,), (1,)), "reaches outside"),
        (("0", "FloatStorage", 11, (3,), (-1,)), "reaches outside"),
        (("0", "FloatStorage", 0, (3,), (1, 1)), "longer than argument"),
        (("0", "FloatStorage", 0, (9999, 9999, 9999), (0, 0, 0)), "reaches outside"),
        (("9", "FloatStorage", 0, (3,), (1,)), "legacy format: '0'"),
        (("0", "CharStorage", 0, (3,), (1,)), r"asks for torch\.CharStorage"),
    ],
)  # fmt: skip
def test_a_tensor_that_does_not_fit_its_storage_is_refused(
    tmp_path: Path, tensor: Tensor, why: str
) -> None:
    with pytest.raises(BackboneError, match=why):
        _read(tmp_path, _file({"x": _rebuilt(tensor)}, {"0": VALUES["0"]}))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _file(magic=1), "the magic number is wrong"),
        (lambda: _file([1, 2]), "something else than tensors"),
        (lambda: _file({"x": 3}), "something else than tensors"),
        (lambda: b"", "legacy format"),
        (lambda: b"PK\3\4" + bytes(500), "legacy format"),
        (lambda: bytes(1000), "legacy format"),
        (lambda: _file()[:-16] + struct.pack("<q", -5), "legacy format"),
    ],
)
def test_what_is_no_state_dict_is_refused(
    tmp_path: Path, make: Callable[[], bytes], why: str
) -> None:
    with pytest.raises(BackboneError, match=why):
        _read(tmp_path, make())


def test_a_large_number_in_a_pickle_takes_no_memory(tmp_path: Path) -> None:
    remembered_far_away = b"\x80\x02}r\xff\xff\xff\x7f."  # a dict, kept as object number 2^31 - 1
    data = _file().replace(_pickle({"little_endian": True}), remembered_far_away)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), hard))
    try:
        assert list(_read(tmp_path, data)) == list(TENSORS)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BackboneError, match=r"none\.pth is not a PyTorch state dict .*No such file"
    ):
        read_state_dict(tmp_path / "none.pth")


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_is_refused_or_read_but_never_another_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    changed = bytearray(_file())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = _read(tmp_path, bytes(changed))
    except BackboneError:
        return
    assert all(isinstance(value, np.ndarray) for value in found.values())


def test_only_what_a_state_dict_needs_is_admitted() -> None:
    assert set(torch_file.DTYPES) == {"FloatStorage", "DoubleStorage", "HalfStorage", "LongStorage"}
