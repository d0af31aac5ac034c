"""Golden features of each family of networks: a changed scaling, cut or pooling shows here."""

from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.params import BackboneParams

pytestmark = pytest.mark.slow

FAMILIES = [
    ("convnexttiny", 64),
    ("densenet121", 64),
    ("efficientnetb0", 64),
    ("efficientnetv2b0", 64),
    ("inceptionresnetv2", 75),
    ("inceptionv3", 75),
    ("mobilenet", 64),
    ("mobilenetv2", 64),
    ("mobilenetv3small", 64),
    ("nasnetmobile", 64),
    ("resnet50", 64),
    ("resnet50v2", 64),
    ("vgg16", 64),
    ("xception", 71),
]


def features_of(name: str, size: int) -> Any:
    """Run a network over a gradient, its kernels drawn by NumPy: Keras's own draws may change."""
    backbone = Backbone(name, BackboneParams(input_size=size, weights="random"))
    rng = np.random.default_rng(7)
    drawn = [_draw(rng, values) for values in backbone._network.get_weights()]
    backbone._network.set_weights(drawn)
    ramp = np.round(np.linspace(0, 255, size)).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    image = np.stack([across, down, 255 - across // 2], axis=2)
    return np.asarray(backbone.model(image[None], training=False))[0]


def _draw(rng: np.random.Generator, values: Any) -> Any:
    if values.ndim < 2:
        return values
    fan_in = np.prod(values.shape[:-1] if values.shape[-1] > 1 else values.shape[:-2])
    return rng.normal(0, np.sqrt(2 / fan_in), values.shape)
