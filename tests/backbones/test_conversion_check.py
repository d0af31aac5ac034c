"""What OpenVINO computes otherwise than a network's own library is refused; what it does not, is not."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from pipeline import paths
from pipeline.backbones import conversion_check
from pipeline.backbones.backbone import Backbone
from pipeline.backbones.conversion_check import NEAR, check_graph, check_keras, find_difference
from pipeline.engines import open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.errors import BackboneError
from pipeline.params import BackboneParams
from pipeline.stages import weights
from tests.project import make_project

SIZE = 32
OTHERWISE = {"ceil_mode": 1, "count_include_pad": 1, "pads": [1, 1, 1, 1]}


def _backbone(file: Path, **settings: Any) -> Backbone:
    given = {"network": "own", "weights": str(file), "scaling": "tf", "input_size": SIZE}
    return Backbone("mine", BackboneParams.model_validate(given | settings))


def _open(backbone: Backbone, engine: Any = "openvino") -> None:
    config = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=1)
    open_engine(config, backbone)


def _layers() -> list[Any]:
    import keras

    keras.utils.set_random_seed(1)
    return [keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(8, 3)]


def save_int8(path: Path) -> None:
    """Write a network whose dense layers are of 8-bit integers."""
    import keras

    pool, dense = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)
    model = keras.Sequential([*_layers(), pool, dense])
    dense.quantize("int8")
    model.save(path)


def save_log_softmax(path: Path) -> None:
    """Write a network with the logarithm of a softmax over a map."""
    import keras

    keras.Sequential([*_layers(), keras.layers.Activation("log_softmax")]).save(path)


def save_plain(path: Path) -> None:
    """Write a network of a convolution alone."""
    import keras

    keras.Sequential(_layers()).save(path)


@pytest.mark.parametrize("save", [save_int8, save_log_softmax])
def test_a_keras_network_that_openvino_computes_otherwise_is_refused(
    save: Callable[[Path], None], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    save(tmp_path / "own.keras")
    wanted = (
        r"^OpenVINO gives other features of mine than Keras: on noise they differ by up to [0-9.e+]+, "
        r"where values reach [0-9.e+]+: set extract\.engine to tensorflow \(params\.yaml\)$"
    )
    with pytest.raises(BackboneError, match=wanted):
        _open(_backbone(tmp_path / "own.keras"))
    _open(_backbone(tmp_path / "own.keras"), "tensorflow")


def test_a_keras_network_that_it_computes_alike_is_taken(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    save_plain(tmp_path / "own.keras")
    _open(_backbone(tmp_path / "own.keras"))


def test_what_openvino_cannot_compile_of_keras_names_the_other_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    from pipeline.engines import openvino

    # What it cannot compile differs from one processor to another.
    core = Mock(compile_model=Mock(side_effect=RuntimeError("in cpp:117\nno such node\n")))
    monkeypatch.setattr(openvino, "_open_core", lambda: core)
    save_plain(tmp_path / "own.keras")
    wanted = (
        r"^OpenVINO cannot run mine \(no such node\): set extract\.engine to tensorflow \(params"
    )
    with pytest.raises(BackboneError, match=wanted):
        _open(_backbone(tmp_path / "own.keras"))


def save_onnx(path: Path, **pooling: Any) -> None:
    """Write an average over windows, with the attributes that are given."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], **pooling
    )
    graph = helper.make_graph(
        [node], "pooled",
        [helper.make_tensor_value_info("x", kind, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", kind, None)],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def test_an_onnx_network_that_openvino_computes_otherwise_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openvino"), pytest.importorskip("onnxruntime")
    file = tmp_path / "own.onnx"
    save_onnx(file, **OTHERWISE)
    with pytest.raises(
        BackboneError, match=r"^OpenVINO computes mine otherwise than ONNX Runtime: on noise"
    ):
        check_graph(_backbone(file))


@pytest.mark.parametrize("scaling", ["none", "caffe"])
def test_an_onnx_network_that_it_computes_alike_is_taken(tmp_path: Path, scaling: str) -> None:
    pytest.importorskip("openvino"), pytest.importorskip("onnxruntime")
    save_onnx(tmp_path / "own.onnx")
    assert (
        check_graph(_backbone(tmp_path / "own.onnx", scaling=scaling))
        == "ONNX Runtime gives the same"
    )
    assert check_graph(_backbone(tmp_path, scaling=scaling)) == "ONNX Runtime gives the same"


def test_that_onnx_runtime_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_onnx(tmp_path / "own.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said = "not compared with ONNX Runtime, which is not installed (pip install onnxruntime)"
    assert check_graph(_backbone(tmp_path / "own.onnx")) == said


def save_resized(folder: Path) -> None:
    """Write a SavedModel that takes each second pixel or so: OpenVINO takes others."""
    import keras

    layers = [*_layers(), keras.layers.Resizing(29, 29, interpolation="nearest")]
    keras.Sequential(layers).export(folder, verbose=False)


def save_logarithm(folder: Path) -> None:
    """Write a SavedModel that gives the logarithm of what is below 0, too."""
    import keras

    keras.Sequential([*_layers(), keras.layers.Activation(keras.ops.log)]).export(
        folder, verbose=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("save", "fault"),
    [
        (save_resized, "on noise they differ by up to"),
        (save_logarithm, "on noise that gives values that are no finite numbers"),
    ],
)
def test_a_saved_model_that_openvino_computes_otherwise_is_refused(
    save: Callable[[Path], None], fault: str, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    save(tmp_path / "own")
    with pytest.raises(
        BackboneError, match=f"^OpenVINO computes mine otherwise than TensorFlow: {fault}"
    ):
        check_graph(_backbone(tmp_path / "own"))


@pytest.mark.slow
def test_a_saved_model_that_it_computes_alike_is_taken(tmp_path: Path) -> None:
    import keras

    pytest.importorskip("openvino")
    keras.Sequential(_layers()).export(tmp_path / "own", verbose=False)
    assert check_graph(_backbone(tmp_path / "own")) == "TensorFlow gives the same"


def test_what_openvino_cannot_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino"), pytest.importorskip("onnxruntime")
    save_onnx(tmp_path / "own.onnx")
    fails = Mock(side_effect=RuntimeError("in cpp:117\nnot initialized\n"))
    monkeypatch.setattr(conversion_check, "run_outputs", fails)
    with pytest.raises(
        BackboneError, match=r"OpenVINO cannot run mine \(not initialized\): save the"
    ):
        check_graph(_backbone(tmp_path / "own.onnx"))
    keras = SimpleNamespace(input_size=SIZE, name="mine", model=Mock(return_value=np.zeros((1, 4))))
    with pytest.raises(BackboneError, match=r"cannot run mine \(not initialized\): set extract"):
        check_keras(fails, keras, "float32")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "is_near"),
    [([100.0, 1.0], True), ([100.9, 1.0], True), ([101.1, 1.0], False), ([100.0, np.nan], False)],
)
def test_near_is_a_hundredth_of_the_largest_value(found: list[float], is_near: bool) -> None:
    expected = np.array([100.0, 1.0], np.float32)
    difference = find_difference(np.array(found, np.float32), expected, NEAR["float32"])
    assert (difference == "") == is_near


def test_other_shapes_are_a_difference_and_truths_are_numbers() -> None:
    truths = np.array([[True, False]])
    assert find_difference(truths[0], truths, 0.01) == "its shape is (2,), expected (1, 2)"
    assert find_difference(truths, truths, 0.01) == ""
    assert find_difference(~truths, truths, 0.01).endswith("by up to 1, where values reach 1")


def test_features_in_bfloat16_may_lie_further_apart() -> None:
    features = np.full((1, 4), 8, np.float32)
    backbone: Any = SimpleNamespace(
        input_size=SIZE, name="mine", model=lambda pixels, training: features
    )
    check_keras(lambda pixels: features * np.float32(1.05), backbone, "bfloat16")
    with pytest.raises(
        BackboneError, match=r"on noise they differ by up to 0\.4, where values reach 8"
    ):
        check_keras(lambda pixels: features * np.float32(1.05), backbone, "float32")


@pytest.mark.slow
def test_the_stage_weights_says_that_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino"), pytest.importorskip("onnxruntime")
    save_onnx(tmp_path / "own.onnx")
    settings = _backbone(tmp_path / "own.onnx").settings.model_dump(mode="json")
    params = make_project(tmp_path / "project", monkeypatch, {"backbones.mine": settings})
    assert weights.run("mine", params).endswith("; ONNX Runtime gives the same")
    record = paths.weights_record("mine")
    record.unlink()
    save_onnx(tmp_path / "own.onnx", **OTHERWISE)
    with pytest.raises(BackboneError, match="otherwise than ONNX Runtime"):
        weights.run("mine", params)
    assert not record.exists()
