"""Whether OpenVINO computes what a network of one's own computes by its own library, told on noise.

Of the catalogue's networks the tests say so. One's own may hold what OpenVINO reads, and computes
otherwise: layers in 8-bit integers came out a hundred thousand times too small. A SavedModel is compared
with TensorFlow, an ONNX network with ONNX Runtime where that is installed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.backbones.own_graph import read_graph, run_outputs
from pipeline.backbones.saved_model import run_saved_model
from pipeline.backbones.scaling_check import scale
from pipeline.errors import BackboneError, openvino_fault

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
        BackboneError: OpenVINO cannot run it, or the features are others.
    """
    noise = _draw(backbone.input_size)
    expected = np.asarray(backbone.model(noise, training=False))
    advice = "set extract.engine to tensorflow (params.yaml)"
    with _told_what_fails(backbone.name, advice):
        found = run(noise)
    if difference := find_difference(found, expected, NEAR[precision]):
        raise BackboneError(
            f"OpenVINO gives other features of {backbone.name} than Keras: {difference}: {advice}"
        )


def check_graph(backbone: Backbone) -> str:
    """Compare what an ONNX network or a SavedModel gives, as OpenVINO reads it, with its own library.

    Returns:
        What came out, in a few words.

    Raises:
        BackboneError: OpenVINO cannot run it, or its values are others.
    """
    path = paths.weights_file(backbone.settings.weights)
    pixels = scale(_draw(backbone.input_size), backbone.scaling)
    graph = read_graph(path, backbone.input_size)
    if graph.input().get_partial_shape()[1] == 3:
        pixels = pixels.transpose(0, 3, 1, 2)
    pixels = np.ascontiguousarray(pixels)
    file = next(path.glob("*.onnx"), None) if path.is_dir() else path
    library = "TensorFlow" if file is None else "ONNX Runtime"
    try:
        expected = run_saved_model(path, pixels) if file is None else _run_onnx(file, pixels)
    except ImportError:
        return "not compared with ONNX Runtime, which is not installed (pip install onnxruntime)"
    except Exception as error:  # noqa: BLE001 (those of the two libraries have no class in common)
        return f"not compared with {library}: {str(error).strip().splitlines()[0]}"
    advice = f"save the network otherwise (params.yaml, backbones.{backbone.name}.weights)"
    with _told_what_fails(backbone.name, advice):
        found = run_outputs(graph, pixels)
    first = graph.outputs[0].get_names()
    asked = [name for name in expected if name in backbone.layers]
    compared = asked or [name for name in expected if name in first]
    for name in compared:
        if difference := find_difference(found[name], expected[name], NEAR["float32"]):
            raise BackboneError(
                f"OpenVINO computes {backbone.name} otherwise than {library}: {difference}: {advice}"
            )
    return f"{library} gives the same" if compared else f"no output is called alike in {library}"


@contextmanager
def _told_what_fails(name: str, advice: str) -> Iterator[None]:
    """Turn what OpenVINO says while it runs a network into a message."""
    try:
        yield
    except RuntimeError as error:
        raise BackboneError(
            f"OpenVINO cannot run {name} ({openvino_fault(error)}): {advice}"
        ) from None


def _run_onnx(file: Path, pixels: Floats) -> dict[str, NDArray[Any]]:
    """Return what ONNX Runtime makes of images, by the name of the output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors say the same
    session = onnxruntime.InferenceSession(file, options)
    names = [one.name for one in session.get_outputs()]
    values = session.run(names, {session.get_inputs()[0].name: pixels})
    return dict(zip(names, values, strict=True))


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
    if not np.isfinite(expected).all():
        return "on noise that gives values that are no finite numbers"
    difference, reach = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    if difference <= near * reach:
        return ""
    return f"on noise they differ by up to {difference:.2g}, where values reach {reach:.2g}"


def _draw(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
