"""Where the channels of a map stand: of operations of OpenVINO's put together by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.channel_axis import find_channel_axis

pytest.importorskip("openvino")
Maker = Callable[[Any, Any], Any]  # of what an input of 3 channels, 8 x 8, goes through


def convolve(ops: Any, x: Any, width: int = 3) -> Any:
    kernel = ops.constant(np.ones((width, int(x.output(0).shape[1]), 1, 1), np.float32))
    return ops.convolution(x, kernel, [1, 1], [0, 0], [0, 0], [1, 1])


def turn(ops: Any, x: Any, *order: int) -> Any:
    return ops.transpose(x, ops.constant(list(order)))


def half_dense(ops: Any, x: Any) -> Any:
    matrix = ops.convert(ops.constant(np.ones((3, 8), np.float16)), "f32")
    return ops.matmul(x, matrix, False, False)


def reshape(ops: Any, x: Any) -> Any:
    return ops.reshape(x, ops.constant([1, 8, 8, 3]), special_zero=False)


def attend(ops: Any, x: Any) -> Any:
    return ops.matmul(x, x, False, True)


CASES: dict[str, tuple[Maker, int | None]] = {
    "the input itself": (lambda ops, x: ops.relu(x), 1),
    "behind a convolution": (lambda ops, x: ops.relu(convolve(ops, x, 8)), 1),
    "turned behind it": (lambda ops, x: turn(ops, convolve(ops, x), 0, 2, 3, 1), 3),
    "turned there and back": (
        lambda ops, x: turn(ops, turn(ops, convolve(ops, x), 0, 2, 3, 1), 0, 3, 1, 2),
        1,
    ),
    "turned oddly": (lambda ops, x: turn(ops, convolve(ops, x), 0, 3, 1, 2), 2),
    "a dense layer over the channels": (
        lambda ops, x: half_dense(ops, turn(ops, convolve(ops, x), 0, 2, 3, 1)),
        3,
    ),
    "a sum whose first part is unknown": (
        lambda ops, x: ops.add(
            reshape(ops, ops.relu(x)), turn(ops, convolve(ops, x), 0, 2, 3, 1)
        ),
        3,
    ),
    "side by side": (lambda ops, x: ops.concat([convolve(ops, x), convolve(ops, x)], 1), 1),
    "by a weight of each channel": (
        lambda ops, x: ops.multiply(
            ops.reduce_mean(convolve(ops, x), ops.constant([2, 3]), True), convolve(ops, x)
        ),
        1,
    ),
    "turned by what is computed": (
        lambda ops, x: ops.transpose(
            convolve(ops, x), ops.add(ops.constant([0, 1, 2, 2]), ops.constant([0, 1, 1, -1]))
        ),
        None,
    ),
    "a change of shape": (lambda ops, x: ops.relu(reshape(ops, convolve(ops, x))), None),
    "products of maps": (lambda ops, x: attend(ops, convolve(ops, x)), None),
    "a constant alone": (lambda ops, _: ops.relu(ops.constant(np.ones((1, 3, 8, 8), np.float32))), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_channels_are_found_by_what_computed_the_map(name: str) -> None:
    from openvino import opset13

    make, expected = CASES[name]
    x = opset13.parameter([1, 3, 8, 8], np.float32)
    assert find_channel_axis(make(opset13, x).output(0), input_axis=1) == expected


def test_without_an_operation_that_tells_it_is_as_in_the_input() -> None:
    from openvino import opset13

    x = opset13.parameter([1, 8, 8, 3], np.float32)
    assert find_channel_axis(opset13.relu(x).output(0), input_axis=3) == 3
    turned = turn(opset13, x, 0, 3, 1, 2)
    assert find_channel_axis(turned.output(0), input_axis=3) == 1
    assert find_channel_axis(convolve(opset13, turned).output(0), input_axis=3) == 1
