"""Networks whose weights NumPy draws, so that they are the same on every backend of Keras."""

from typing import Any

import numpy as np

from pipeline.backbones.backbone import Backbone
from pipeline.params import BackboneParams

# Name and input size of five networks that have little in common.
NETWORKS = {
    "convnexttiny": 32,
    "efficientnet_lite0": 64,
    "mobilenetv3small": 64,
    "resnet50v2": 32,
    "vgg16": 32,
}


def draw_backbone(name: str, size: int, backend: str | None = None, gain: float = 2.0) -> Backbone:
    """Build a network with kernels from one seed."""
    settings = BackboneParams(input_size=size, weights="random")
    backbone = Backbone(name, settings, backend=backend)
    rng = np.random.default_rng(7)
    drawn = [draw_weights(rng, values, gain) for values in backbone._network.get_weights()]
    backbone._network.set_weights(drawn)
    return backbone


def draw_weights(rng: np.random.Generator, values: Any, gain: float = 2.0) -> Any:
    """Draw a kernel; what is no kernel stays. A gain of 2 keeps the size of activations behind ReLU."""
    if values.ndim < 2:
        return values
    fan_in = np.prod(values.shape[:-1] if values.shape[-1] > 1 else values.shape[:-2])
    return rng.normal(0, np.sqrt(gain / fan_in), values.shape).astype(np.float32)


def noise(count: int, size: int) -> Any:
    """Return images of coloured blocks, uint8 `(count, size, size, 3)`."""
    rng = np.random.default_rng(7)
    blocks = rng.integers(0, 256, (count, size // 8, size // 8, 3), np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)
