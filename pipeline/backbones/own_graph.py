"""A network of one's own that OpenVINO reads: an ONNX file or a SavedModel, with no code of theirs run.

A file of ONNX holds its weights itself. One that keeps them beside it, and a SavedModel, are folders.
OpenVINO refuses what a file names outside of its folder, and operations that are not its own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.channel_axis import find_channel_axis
from pipeline.errors import did_you_mean, openvino_fault
from pipeline.files import sha256_of

SAVED_MODEL = "saved_model.pb"
RANDOM = ("RandomUniform", "Multinomial", "RandomPoisson")  # of which OpenVINO makes others, too
OF_TENSORFLOW = "TensorFlow_Frontend_IR"  # how OpenVINO calls what it read of a SavedModel
Channels = Sequence[float]


def files_of(path: Path) -> list[Path]:
    """Return a file, or all files of a folder, in an order that is the same everywhere."""
    found = path.rglob("*") if path.is_dir() else [path]
    return sorted((one for one in found if one.is_file()), key=lambda one: one.as_posix())


def digest_folder(folder: Path) -> str:
    """Return a sha256 of the names and contents of all files in a folder."""
    lines = [f"{sha256_of(one)}  {one.relative_to(folder).as_posix()}" for one in files_of(folder)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def read_graph(path: Path, input_size: int) -> Any:
    """Read a network that takes one image.

    Args:
        path: A file ending in .onnx, or a folder with one, or a SavedModel.
        input_size: Height and width of the image, pixels.

    Returns:
        An `openvino.Model` whose input is float32 `(1, 3, input_size, input_size)`, or with the
        channels last.

    Raises:
        ValueError: The path is none of these, OpenVINO cannot read it, or it takes something else.
        RuntimeError: OpenVINO cannot compute it for one image.
    """
    import openvino
    from openvino.frontend import FrontEndManager

    with _model_at(path) as model:
        # By name: a Core would try the reader of every format.
        reader = FrontEndManager().load_by_framework("tf" if model.is_dir() else "onnx")
        try:
            graph = reader.convert(reader.load(str(model)))
        except Exception as error:  # noqa: BLE001 (OpenVINO's have no class in common)
            fault = openvino_fault(error)
            beside = path.is_file() and "conversion rule" not in fault
            hint = "; where its weights lie beside it, name the folder" if beside else ""
            raise ValueError(f"{fault}{hint}") from None
    if len(graph.inputs) != 1:
        raise ValueError(f"it has {len(graph.inputs)} inputs, expected one: images")
    found = graph.input().get_partial_shape()
    shapes = [one for one in _shapes(input_size) if found.compatible(openvino.PartialShape(one))]
    kind = graph.input().get_element_type().get_type_name()
    if len(shapes) != 1 or kind != "f32":
        raise ValueError(
            f"it takes {kind} {found}, expected one image, f32 [1,3,{input_size},{input_size}] or "
            f"[1,{input_size},{input_size},3], with the place of the 3 channels told: change input_size, or "
            "save the network so"
        )
    graph.reshape(shapes[0])
    for one in graph.get_ops():
        if one.get_type_name() == "Constant" and _has_nan(one):
            raise ValueError(f"its {one.get_friendly_name()} holds values that are no numbers")
        if one.get_type_name() in RANDOM:
            raise ValueError(
                f"its {one.get_friendly_name()} draws at random: a feature is not chance"
            )
    return graph


@contextmanager
def _model_at(path: Path) -> Iterator[Path]:
    """Give what OpenVINO is to read; a file alone in a folder, so that it finds no other one beside it."""
    if path.is_dir():
        saved_model = (path / SAVED_MODEL).is_file()
        inside = [path] if saved_model else list(path.glob("*.onnx"))
        if len(inside) == 1:
            yield inside[0]
            return
        raise ValueError(
            f"the folder holds {len(inside)} files ending in .onnx, expected one, or {SAVED_MODEL}"
        )
    if path.suffix != ".onnx":
        raise ValueError(
            "a network of one's own is a file ending in .keras, as model.save writes it, or in .onnx, "
            "or a folder: a SavedModel, or an .onnx file and its weights"
        )
    with TemporaryDirectory() as folder:
        alone = Path(folder) / "network.onnx"
        alone.symlink_to(path.absolute())
        yield alone


def _shapes(size: int) -> tuple[list[int], list[int]]:
    return [1, 3, size, size], [1, size, size, 3]


def _has_nan(constant: Any) -> bool:
    values = constant.data
    return values.dtype.kind == "f" and bool(np.isnan(values).any())


def name_outputs(graph: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return what can be an output, in order: its name, the operation that gives it, and its shape."""
    return [
        (min(one.get_names()), node.get_type_name(), tuple(one.get_shape()))
        for node in graph.get_ordered_ops()
        for one in node.outputs()
        if node.get_type_name() not in ("Constant", "Parameter", "Result")
        and one.get_names()
        and one.get_element_type().is_real()
        and one.get_partial_shape().is_static
    ]


def cut_graph(graph: Any, layers: Sequence[str | None], pooling: str | None) -> Any:
    """Return the network from its input to features, those of several layers side by side.

    Args:
        graph: Of `read_graph`.
        layers: Names of outputs, or of what is inside; None: the first output.
        pooling: Of maps, and of rows of tokens.

    Returns:
        An `openvino.Model` to features float32 `(1, d)`, or `(1, h, w, d)` where `pooling` is None.

    Raises:
        ValueError: There is no such output, or what it gives is no feature.
    """
    import openvino
    from openvino import opset13

    features = [_pool(_find(graph, one), pooling, graph) for one in layers]
    joined = opset13.concat(features, 1) if len(features) > 1 else features[0]
    result = opset13.result(opset13.convert(joined, "f32"))
    return openvino.Model([result], graph.get_parameters())


def _find(graph: Any, name: str | None) -> Any:
    """Return the place in the network that gives an output."""
    if name is None:
        return graph.outputs[0].get_node().input(0).get_source_output()
    for node in graph.get_ops():
        for one in node.outputs():
            if name in one.get_names() and node.get_type_name() != "Result":
                return one
    names = [one for one, _, _ in name_outputs(graph)]
    raise ValueError(
        f"there is no layer {name!r}; its last ones are {', '.join(names[-5:])}.{did_you_mean(name, names)}"
    )


def _pool(place: Any, pooling: str | None, graph: Any) -> Any:
    """Make a map or rows of tokens a vector, as `pooling` says; vectors stay."""
    from openvino import opset13

    shape = place.get_partial_shape()
    if shape.is_dynamic or len(shape) not in (2, 3, 4) or shape[0] != 1:
        raise ValueError(
            f"the layer gives {shape}, expected [1,d], [1,tokens,d] or a map: change layer"
        )
    if len(shape) == 2:
        return place
    if len(shape) == 4:
        place = _channels_last(place, graph)
    axes = np.arange(1, len(shape) - 1)
    if pooling == "flatten":
        return opset13.reshape(place, np.array([1, -1]), special_zero=False).output(0)
    if pooling is None:
        if len(shape) == 3:
            raise ValueError(f"the layer gives {shape}, which needs pooling: avg, max or flatten")
        return place
    reduce = opset13.reduce_mean if pooling == "avg" else opset13.reduce_max
    return reduce(place, axes, keep_dims=False).output(0)


def _channels_last(place: Any, graph: Any) -> Any:
    """Turn a map of a network so that its channels come last, if it is not so."""
    from openvino import opset13

    input_axis = 1 if graph.input().get_partial_shape()[1] == 3 else 3
    axis = find_channel_axis(place, input_axis)
    if axis is None and graph.get_friendly_name() == OF_TENSORFLOW:
        return place  # TensorFlow computes maps on a processor with the channels last alone
    if axis is None:
        raise ValueError(
            f"which axis of the map {place.get_partial_shape()} are channels cannot be told from the "
            "operations before it: change layer to a map right behind a convolution, or to a vector"
        )
    if axis == 3:
        return place
    order = [one for one in range(4) if one != axis]
    return opset13.transpose(place, np.array([*order, axis])).output(0)


def scale_first(graph: Any, mean: Channels, deviation: Channels, reverse: bool) -> Any:
    """Let a network take raw pixels.

    Args:
        graph: Of `cut_graph`.
        mean: Of each channel, 0..255, which is taken away.
        deviation: Of each channel, by which it is divided then.
        reverse: Whether the network takes BGR.

    Returns:
        The network, from uint8 `(1, input_size, input_size, 3)`, RGB.
    """
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    channels_first = graph.input().get_partial_shape()[1] == 3
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW" if channels_first else "NHWC"))
    scaling = steps.input().preprocess().convert_element_type(Type.f32)
    scaling.mean(list(mean)).scale(list(deviation))
    if reverse:
        scaling.reverse_channels()
    return steps.build()


def run_graph(graph: Any, images: NDArray[Any]) -> NDArray[np.float32]:
    """Return what a network gives to images, one by one, float32 `(n, ...)`.

    Args:
        graph: Of `scale_first`.
        images: `(n, ...)`, each as the network takes one.
    """
    compiled = _compile(graph)
    return np.concatenate([compiled([image[None]])[0] for image in images])


def run_outputs(graph: Any, image: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return all that a network of `read_graph` gives to one image `(1, ...)`, by each name of an output."""
    values = _compile(graph)([image])
    return {name: values[one] for one, out in enumerate(graph.outputs) for name in out.get_names()}


def _compile(graph: Any) -> Any:
    import openvino

    return openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
