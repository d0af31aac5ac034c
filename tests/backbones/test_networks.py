"""Each network of the catalogue: its size, its scaling, and one feature whoever computes it.

The weights are drawn. Of one network of each family features are known: a changed scaling, cut or
pooling shows there. Five are built in each run, all of them by `make test-long` and `make test-all`.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.engines import open_engine
from pipeline.engines.choice import EngineConfig
from tests.engines.drawn import draw_backbone

pytestmark = pytest.mark.slow

QUICK = ("efficientnet_lite0", "mobilenet", "mobilenetv2", "mobilenetv3small", "vgg16")
SMALLEST = {"inceptionresnetv2": 75, "inceptionv3": 75, "xception": 71}  # pixels; others take 64
NEAR = 1e-4  # of a feature's length: a hundred times what orders of sums move it, a fortieth of bfloat16
# Three features of a gradient, the largest but where many are equal.
KNOWN = {
    "convnexttiny": ([425, 237, 707], [2.5592, -2.2728, -2.2438]),
    "densenet121": ([505, 192, 264], [3.1789, 3.0554, 2.9004]),
    "efficientnetb0": ([406, 217, 1187], [-0.00042466, -0.0004025, 0.00038644]),
    "efficientnetv2b0": ([68, 1041, 384], [0.00018017, 0.00017682, 0.00017632]),
    "inceptionresnetv2": ([483, 1312, 1208], [12.055, 9.8998, 9.449]),
    "inceptionv3": ([2034, 190, 1886], [0.57011, 0.52252, 0.52074]),
    "mobilenet": ([220, 768, 153], [0.53399, 0.45682, 0.38378]),
    "mobilenetv2": ([1206, 318, 1150], [5.4694, 5.4168, 5.3203]),
    "mobilenetv3small": ([282, 487, 273], [0.021528, -0.018353, -0.016579]),
    "nasnetmobile": ([834, 829, 620], [632.08, 585.71, 510.04]),
    "resnet50": ([33, 1374, 477], [73517, 58457, 58017]),
    "resnet50v2": ([33, 1201, 1778], [243.71, 209.17, 208.94]),
    "vgg16": ([121, 432, 249], [238.11, 211.77, 187.62]),
    "xception": ([1126, 794, 684], [95235, 82831, 73896]),
}


class Measured(NamedTuple):
    """What is seen of a network; its features `(2, d)` are those of a gradient and of coarse noise.

    Attributes:
        parameters: How many there are.
        widths: Of its features.
        expected: What it gives to pixels that Keras has scaled, pooled by NumPy.
        found: What it gives in each engine.
    """

    parameters: int
    widths: tuple[int, ...]
    expected: Any
    found: dict[str, Any]


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=() if one in QUICK else pytest.mark.long) for one in CATALOGUE],
)
def test_a_network_is_what_the_table_says_and_gives_the_same_features_everywhere(name: str) -> None:
    seen = measure(name) if name in QUICK else _measure_elsewhere(name)
    figures = CATALOGUE[name].figures
    assert figures is not None
    assert round(seen.parameters / 1e6, 1) == figures.parameters
    assert seen.widths == (figures.width,)
    assert _distance(seen.expected[:1], seen.expected[1:]) > 100 * NEAR, "they can be told apart"
    for features in seen.found.values():
        assert _distance(seen.expected, features) < NEAR
    if name in KNOWN:
        places, values = KNOWN[name]
        np.testing.assert_allclose(seen.expected[0, places], values, rtol=2e-3)
    if "openvino" not in seen.found:
        pytest.skip("OpenVINO is not installed: what it gives was not compared")


def test_of_each_family_of_the_catalogue_features_are_known() -> None:
    """A family is what one paper describes."""
    papers = {name: CATALOGUE[name].title.partition("(")[2] for name in CATALOGUE}
    known = {papers[name] for name in KNOWN} | {papers["efficientnet_lite0"]}
    assert known == set(papers.values())


def measure(name: str) -> Measured:
    """Build a network and run it."""
    # Of EfficientNetV2 a gain of 2 makes chaos, in which rounding alone moves features by up to 80 %.
    gain = 1.0 if name.startswith("efficientnetv2") else 2.0
    backbone = draw_backbone(name, SMALLEST.get(name, 64), gain=gain)
    images = _images(backbone.input_size)
    return Measured(
        parameters=backbone._network.count_params(),
        widths=backbone.widths,
        expected=backbone._network(_scaled_by_keras(name, images)).numpy().mean((1, 2)),
        found={engine: _run(engine, backbone, images) for engine in _engines(name)},
    )


def _measure_elsewhere(name: str) -> Measured:
    """Measure in a process of its own, which gives the memory back: TensorFlow keeps its graphs."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, name).result()


def _engines(name: str) -> list[str]:
    """Return which engines there are; TensorFlow's frozen graphs of large networks take gigabytes."""
    tensorflow = "tensorflow" if name in QUICK else "keras"
    return [tensorflow, "openvino"] if find_spec("openvino") else [tensorflow]


def _images(size: int) -> Any:
    """Return a gradient and coarse noise, uint8 `(2, size, size, 3)`."""
    ramp = np.round(np.linspace(0, 255, size)).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    coarse = np.random.default_rng(7).integers(0, 256, (size // 8 + 1, size // 8 + 1, 3), np.uint8)
    noise = coarse.repeat(8, axis=0).repeat(8, axis=1)[:size, :size]
    return np.stack([np.stack([across, down, 255 - across // 2], axis=2), noise])


def _run(engine: Any, backbone: Backbone, images: Any) -> Any:
    if engine == "keras":
        return backbone.model(images, training=False).numpy()
    config = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=1)
    opened = open_engine(config, backbone)
    return np.concatenate([opened.run(image[None]) for image in images])


def _scaled_by_keras(name: str, images: Any) -> Any:
    """Scale a copy of the pixels as the module of `keras.applications` does that has the network."""
    import keras

    pixels, builder = images.astype(np.float32), CATALOGUE[name].builder
    if CATALOGUE[name].scaling == "lite":
        return (pixels - 127) / 128  # of its authors
    family = sys.modules[getattr(keras.applications, builder).__module__]
    return family.preprocess_input(pixels, data_format="channels_last")


def _distance(features: Any, others: Any) -> float:
    """Return how far features lie apart, as a share of their length, at most."""
    apart = np.linalg.norm(features - others, axis=1) / np.linalg.norm(features, axis=1)
    return float(apart.max())
