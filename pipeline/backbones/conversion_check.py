"""Whether OpenVINO computes what a network of one's own computes by its own library, told on noise.

Of the catalogue's networks the tests say so. One's own may hold what OpenVINO reads, and computes
otherwise: layers in 8-bit integers came out a hundred thousand times too small. An ONNX network is
compared with ONNX Runtime where that is installed, a SavedModel with nothing: to run it is to run its code.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.backbones.own_graph import read_graph, run_graph
from pipeline.backbones.scaling_check import scale
from pipeline.errors import BackboneError

Floats = NDArray[np.float32]
# What is near enough, as a share of the largest value: sums in another order stay far below.
NEAR = {"float32": 0.01, "bfloat16": 0.1}


def check_keras(
    run: Callable[[NDArray[np.uint8]], Floats], backbone: Backbone, precision: str
) -> None:
    """Compare a Keras network, as OpenVINO runs it, with Keras.

    Args:
        run: Turns uint8 `(1, h, w, 3)`, RGB, into features float32 `(1, ...)`.
        backbone: The network.
        precision: What `run` computes in, `float32` or `bfloat16`.

    Raises:
        BackboneError: The features are others.
    """
    noise = _draw(backbone.input_size)
    expected = np.asarray(backbone.model(noise, training=False))
    if difference := find_difference(run(noise), expected, NEAR[precision]):
        raise BackboneError(
            f"OpenVINO gives other features of {backbone.name} than Keras: {difference}: "
            "set extract.engine to tensorflow (params.yaml)"
        )


def check_onnx(backbone: Backbone) -> str:
    """Compare what an ONNX network gives in the end, as OpenVINO reads it, with ONNX Runtime.

    Returns:
        What came out, in a few words; empty for a SavedModel.

    Raises:
        BackboneError: The values are others.
    """
    path = paths.weights_file(backbone.settings.weights)
    file = next(path.glob("*.onnx"), None) if path.is_dir() else path
    if file is None:
        return ""
    try:
        import onnxruntime
    except ImportError:
        return "not compared with ONNX Runtime, which is not installed (pip install onnxruntime)"
    pixels = scale(_draw(backbone.input_size), backbone.scaling)
    graph = read_graph(path, backbone.input_size)
    if graph.input().get_partial_shape()[1] == 3:
        pixels = pixels.transpose(0, 3, 1, 2)
    pixels = np.ascontiguousarray(pixels)
    found = run_graph(graph, pixels)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors say the same
    try:
        session = onnxruntime.InferenceSession(file, options)
        expected = session.run(None, {session.get_inputs()[0].name: pixels})[0]
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's have no class in common)
        return f"ONNX Runtime cannot run it ({str(error).strip().splitlines()[0]})"
    if difference := find_difference(found, expected, NEAR["float32"]):
        raise BackboneError(
            f"OpenVINO computes {backbone.name} otherwise than ONNX Runtime: {difference}: save the network "
            f"with other operations (params.yaml, backbones.{backbone.name}.weights)"
        )
    return "ONNX Runtime gives the same"


def find_difference(found: NDArray[Any], expected: NDArray[Any], near: float) -> str:
    """Say how far numbers are from what was expected; empty where they are near.

    Args:
        found: Of any shape and type.
        expected: As `found`.
        near: What is near enough, as a share of the largest expected value.
    """
    if found.shape != expected.shape:
        return f"its shape is {found.shape}, expected {expected.shape}"
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    difference, reach = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    if difference <= near * reach:
        return ""
    return f"on noise they differ by up to {difference:.2g}, where values reach {reach:.2g}"


def _draw(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
