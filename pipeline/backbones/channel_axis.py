"""Where the channels of a map inside of a network stand that OpenVINO reads: told by what computed it.

A converter turns maps as it needs them: the input of tf2onnx has its channels last, what is inside
mostly first. So the operations are followed back to one that says it.
"""

from collections.abc import Sequence
from typing import Any

FIRST = 1  # the axis of the channels of a map (1, d, h, w)
# These take and give maps with the channels first, in OpenVINO as in ONNX.
OF_CHANNELS_FIRST = (
    "AvgPool",
    "BatchNormInference",
    "Convolution",
    "ConvolutionBackpropData",
    "GroupConvolution",
    "GroupConvolutionBackpropData",
    "MaxPool",
)
# Of these, and of what leaves the shape as it is, an axis of the output is the same one of the input.
KEEP_AXES = (
    "Concat",
    "DepthToSpace",
    "Interpolate",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Slice",
    "SpaceToDepth",
    "StridedSlice",
)
MIX_AXES = ("If", "Loop", "TensorIterator")  # also where the shape is the same


def find_channel_axis(place: Any, input_axis: int) -> int | None:
    """Return which axis of a map `(1, ...)`, 4-dimensional, its channels are.

    Args:
        place: Output of an `openvino.Node`.
        input_axis: Where the network's input has its channels, 1 or 3.

    Returns:
        1, 2 or 3; None where it cannot be told, as behind a change of shape.
    """
    return _search(place, (0, 1, 2, 3), input_axis, set())


def _search(place: Any, axes: Sequence[int], input_axis: int, seen: set[str]) -> int | None:
    """Look behind one place; `axes` says of each axis that is asked about which one it is here."""
    node = place.get_node()
    kind, name = node.get_type_name(), node.get_name()
    if name in seen:
        return None
    seen.add(name)
    if kind == "Parameter" or kind in OF_CHANNELS_FIRST:
        return list(axes).index(input_axis if kind == "Parameter" else FIRST)
    sources = [one.get_source_output() for one in node.inputs()]
    if kind == "Transpose":
        turned = sources[1].get_node()
        if turned.get_type_name() != "Constant":
            return None
        order = turned.data
        return _search(sources[0], [int(order[axis]) for axis in axes], input_axis, seen)
    for source in sources:
        if _keeps_axes(kind, node, source):
            found = _search(source, axes, input_axis, seen)
            if found is not None:
                return found
    return None


def _keeps_axes(kind: str, node: Any, source: Any) -> bool:
    """Tell whether each axis of what an operation gives is the same axis of one of its inputs."""
    shape, given = node.output(0).get_partial_shape(), source.get_partial_shape()
    if len(given) != len(shape) or _is_constant(source):
        return False
    if kind == "MatMul":  # by a matrix of the network's own: a dense layer over the last axis
        return _is_constant(node.input(1).get_source_output())
    return kind in KEEP_AXES or (given == shape and kind not in MIX_AXES)


def _is_constant(place: Any) -> bool:
    """Tell whether a value is the network's own, as it is or converted."""
    node = place.get_node()
    if node.get_type_name() == "Convert":
        return _is_constant(node.input(0).get_source_output())
    return bool(node.get_type_name() == "Constant")
