"""EfficientNet-Lite0, 1 and 2 in Keras.

The network is EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946) as TensorFlow's authors
changed it for small devices: no squeeze-and-excite, ReLU6 for swish, and of the larger variants
neither stem, head, nor the number of blocks of the first and the last stage scaled.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from pipeline.backbones.torch_file import read_state_dict
from pipeline.errors import BackboneError

BN_EPSILON = 1e-3


class Stage(NamedTuple):
    """Some blocks alike; the stride is that of the first one."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


class Variant(NamedTuple):
    """How Lite0 is scaled: factors of its filters and blocks, and the pixels that it was trained at."""

    width: float
    depth: float
    input_size: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
VARIANTS = {
    "lite0": Variant(1.0, 1.0, 224),
    "lite1": Variant(1.0, 1.1, 240),
    "lite2": Variant(1.1, 1.2, 260),
}


def build_lite(name: str, input_size: int | None = None) -> keras.Model:
    """Build the network without its classifier; weights are Keras's random ones.

    Args:
        name: Of the variant.
        input_size: Height and width in pixels; None: those that it was trained at.

    Returns:
        A model from scaled pixels float32 `(b, input_size, input_size, 3)` to the last
        activation map `(b, h, w, 1280)`, h and w being `input_size / 32` rounded up.
    """
    variant = VARIANTS[name]
    input_size = input_size or variant.input_size
    inputs = x = layers.Input((input_size, input_size, 3))
    x = _convolve(x, "stem", 32, 3, 2)
    number = 0
    for blocks, kernel, stride, expansion, filters in scale_stages(variant):
        for index in range(blocks):
            x = _block(x, f"block{number}", kernel, stride if index == 0 else 1, expansion, filters)
            number += 1
    return keras.Model(inputs, _convolve(x, "head", 1280, 1, 1), name=f"efficientnet_{name}")


def scale_stages(variant: Variant) -> tuple[Stage, ...]:
    """Return Lite0's stages with more blocks, rounded up, and filters, to the nearest multiple of 8."""
    ends = (0, len(STAGES) - 1)
    return tuple(
        stage._replace(
            blocks=stage.blocks if place in ends else math.ceil(stage.blocks * variant.depth),
            filters=int(stage.filters * variant.width + 4) // 8 * 8,
        )
        for place, stage in enumerate(STAGES)
    )


def load_imagenet_weights(model: keras.Model, path: Path) -> None:
    """Fill a network of `build_lite` from a PyTorch state dict.

    Raises:
        BackboneError: The file cannot be read or its tensors do not fit.
    """
    tensors = read_state_dict(path)
    for ours, theirs in _names(model):
        try:
            _fill_layer(model, ours, theirs, tensors)
        except (KeyError, ValueError) as error:
            raise BackboneError(
                f"{path} does not fit {model.name}, layer {ours}: {error}"
            ) from None


def _block(x: Any, name: str, kernel: int, stride: int, expansion: int, filters: int) -> Any:
    """Mobile inverted bottleneck: widen, filter each channel, narrow, add the input if it fits."""
    y = _convolve(x, f"{name}_expand", x.shape[-1] * expansion, 1, 1) if expansion > 1 else x
    y = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(y)
    y = _normalise(y, f"{name}_depthwise")
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(y)
    y = layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_project_bn")(y)
    return layers.Add(name=f"{name}_add")([x, y]) if x.shape == y.shape else y


def _convolve(x: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)
    return _normalise(x, name)


def _normalise(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_activation")(x)


def _names(model: keras.Model) -> list[tuple[str, str]]:
    """Return pairs of our layer and the prefix of its tensors; BatchNorm layers end in `_bn`."""
    stages = scale_stages(VARIANTS[model.name.removeprefix("efficientnet_")])
    pairs = [
        ("stem", "_conv_stem"),
        ("stem_bn", "_bn0"),
        ("head", "_conv_head"),
        ("head_bn", "_bn1"),
    ]
    expansions = [expansion for blocks, _, _, expansion, _ in stages for _ in range(blocks)]
    for number, expansion in enumerate(expansions):
        parts = [("expand", 0), ("depthwise", 1), ("project", 2)]
        for part, norm in parts if expansion > 1 else parts[1:]:
            pairs.append((f"block{number}_{part}", f"_blocks.{number}._{part}_conv"))
            pairs.append((f"block{number}_{part}_bn", f"_blocks.{number}._bn{norm}"))
    return pairs


def _fill_layer(
    model: keras.Model, ours: str, theirs: str, tensors: dict[str, NDArray[Any]]
) -> None:
    if ours.endswith("_bn"):
        parts = ("weight", "bias", "running_mean", "running_var")
        values = [tensors[f"{theirs}.{part}"] for part in parts]
    else:
        # PyTorch keeps (out, in, h, w); Keras (h, w, in, out), for depthwise (h, w, channel, 1).
        order = (2, 3, 0, 1) if ours.endswith("_depthwise") else (2, 3, 1, 0)
        values = [np.transpose(tensors[f"{theirs}.weight"], order)]
    model.get_layer(ours).set_weights(values)
