"""Golden features of each family of networks: a changed scaling, cut or pooling shows here."""

from typing import Any

import numpy as np
import pytest

from pipeline.catalogue.backbones import CATALOGUE
from tests.engines.drawn import draw_backbone

pytestmark = pytest.mark.slow

# Name, input size, width, and three features, the largest but where many are equal.
GOLDEN = [
    ("convnexttiny", 64, 768, [425, 237, 707], [2.5592, -2.2728, -2.2438]),
    ("densenet121", 64, 1024, [505, 192, 264], [3.1789, 3.0554, 2.9004]),
    ("efficientnetb0", 64, 1280, [406, 217, 1187], [-0.00042466, -0.0004025, 0.00038644]),
    ("efficientnetv2b0", 64, 1280, [1008, 452, 552], [125, 110.54, 109.08]),
    ("inceptionresnetv2", 75, 1536, [483, 1312, 1208], [12.055, 9.8998, 9.449]),
    ("inceptionv3", 75, 2048, [2034, 190, 1886], [0.57011, 0.52252, 0.52074]),
    ("mobilenet", 64, 1024, [220, 768, 153], [0.53399, 0.45682, 0.38378]),
    ("mobilenetv2", 64, 1280, [1206, 318, 1150], [5.4694, 5.4168, 5.3203]),
    ("mobilenetv3small", 64, 576, [282, 487, 273], [0.021528, -0.018353, -0.016579]),
    ("nasnetmobile", 64, 1056, [834, 829, 620], [632.08, 585.71, 510.04]),
    ("resnet50", 64, 2048, [33, 1374, 477], [73517, 58457, 58017]),
    ("resnet50v2", 64, 2048, [33, 1201, 1778], [243.71, 209.17, 208.94]),
    ("vgg16", 64, 512, [121, 432, 249], [238.11, 211.77, 187.62]),
    ("xception", 71, 2048, [1126, 794, 684], [95235, 82831, 73896]),
]  # fmt: skip
QUICK = {"convnexttiny", "mobilenet", "mobilenetv2", "resnet50", "vgg16"}


def _features_of(name: str, size: int) -> Any:
    """Run a network over a gradient, its kernels drawn by NumPy: Keras's own draws may change."""
    backbone = draw_backbone(name, size)
    ramp = np.round(np.linspace(0, 255, size)).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    image = np.stack([across, down, 255 - across // 2], axis=2)
    return np.asarray(backbone.model(image[None], training=False))[0]


@pytest.mark.parametrize(
    ("name", "size", "width", "places", "values"),
    [pytest.param(*one, marks=() if one[0] in QUICK else pytest.mark.long) for one in GOLDEN],
)
def test_known_features_of_a_gradient_image(
    name: str, size: int, width: int, places: list[int], values: list[float]
) -> None:
    features = _features_of(name, size)
    assert features.shape == (width,)
    np.testing.assert_allclose(features[places], values, rtol=2e-3)


def test_each_family_of_the_catalogue_is_here() -> None:
    """A family is what one paper describes."""
    papers = {name: CATALOGUE[name].title.partition("(")[2] for name in CATALOGUE}
    known = {papers[name] for name, *_ in GOLDEN} | {papers["efficientnet_lite0"]}
    assert known == set(papers.values())
