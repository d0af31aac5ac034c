"""With the real network: a feature depends on its image alone, and the engines agree."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine, OneByOne, open_engine
from pipeline.engines.choice import EngineConfig, choose
from pipeline.engines.hardware import find_bfloat16, find_hardware
from pipeline.errors import BackboneError
from pipeline.params import BackboneParams, ExtractParams

pytestmark = pytest.mark.slow

OPENVINO = pytest.param(
    "openvino",
    marks=pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed"),
)
SIZE = 224


def _open(engine: Any, streams: int = 2, batch_size: int = 1) -> Engine:
    choice = EngineConfig(
        engine=engine, device="cpu", precision="float32", batch_size=batch_size, streams=streams
    )
    return open_engine(choice, Backbone("efficientnet_lite0", BackboneParams()))


@pytest.fixture(scope="module")
def engines() -> Callable[[str], Engine]:
    opened: dict[str, Engine] = {}

    def get(name: str) -> Engine:
        if name not in opened:
            opened[name] = _open(name)
        return opened[name]

    return get


@pytest.fixture(scope="module")
def images() -> Any:
    """Give 12 images: noise of several grains, gradients, black and white."""
    rng = np.random.default_rng(7)
    grains = [
        np.kron(rng.integers(0, 256, (n, n, 3)), np.ones((SIZE // n, SIZE // n, 1)))
        for n in (7, 14, 56, 224)
    ]
    ramp = np.linspace(0, 255, SIZE)
    gradients = [
        np.stack([a, b, 255 - a], axis=2) for a in np.meshgrid(ramp, ramp) for b in (a, 128 + 0 * a)
    ]
    flat = [np.full((SIZE, SIZE, 3), value) for value in (0, 255)]
    more = [rng.permutation(grains[k % 4].reshape(-1, 3)).reshape(SIZE, SIZE, 3) for k in range(2)]
    return np.array([*grains, *gradients, *flat, *more], np.uint8)


def _open_bfloat16(streams: int) -> Engine:
    settings = {"engine": "openvino", "precision": "bfloat16", "batch_size": 1, "dtype": "float16"}
    hardware = replace(find_hardware(), cores=streams)
    choice = choose(ExtractParams.model_validate(settings), hardware, SIZE)
    return open_engine(choice, Backbone("efficientnet_lite0", BackboneParams()))


def _open_layers(engine: Any, *layers: str | None) -> Engine:
    choice = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=2)
    settings = BackboneParams(layer=layers if len(layers) > 1 else layers[0])
    return open_engine(choice, Backbone("efficientnet_lite0", settings))


def _run_each(engine: Engine, images: Any) -> Any:
    return np.concatenate([engine.run(image[None]) for image in images])


@pytest.mark.parametrize("name", ["tensorflow", OPENVINO])
def test_order_and_threads_do_not_change_a_bit(
    engines: Callable[[str], Engine], images: Any, name: str
) -> None:
    engine = engines(name)
    expected = _run_each(engine, images)
    assert (expected.shape, expected.dtype) == ((12, 1280), np.float32)
    order = list(range(12)) * 2
    random.Random(7).shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: engine.run(images[k][None]), order))
    for k, features in zip(order, found, strict=True):
        np.testing.assert_array_equal(features[0], expected[k])


@pytest.mark.parametrize("name", ["tensorflow", OPENVINO])
def test_the_number_of_streams_does_not_change_a_bit(
    engines: Callable[[str], Engine], images: Any, name: str
) -> None:
    one = _run_each(_open(name, streams=1), images[:6])
    np.testing.assert_array_equal(one, _run_each(engines(name), images[:6]))


@pytest.mark.parametrize("name", ["tensorflow", OPENVINO])
def test_neighbours_and_padding_do_not_change_a_bit(images: Any, name: str) -> None:
    engine = _open(name, batch_size=4)
    first = engine.run(images[:4])
    alone = engine.run(np.concatenate([images[:1], np.zeros((3, SIZE, SIZE, 3), np.uint8)]))
    np.testing.assert_array_equal(alone[0], first[0])
    np.testing.assert_array_equal(
        engine.run(np.roll(images[:4], 1, axis=0)), np.roll(first, 1, axis=0)
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["tensorflow", OPENVINO])
def test_early_middle_and_last_layer_in_one_pass_are_those_of_a_pass_each(
    engines: Callable[[str], Engine], images: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    layers = ("block2_add", "block7_add", None)
    together = _open_layers(name, *layers)
    assert not isinstance(together, OneByOne)
    assert caplog.text == ""
    alone = [_run_each(_open_layers(name, layer), images[:3]) for layer in layers[:2]]
    alone.append(_run_each(engines(name), images[:3]))
    np.testing.assert_array_equal(_run_each(together, images[:3]), np.concatenate(alone, axis=1))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_a_layer_that_would_move_anothers_bits_gets_a_pass_of_its_own(
    engines: Callable[[str], Engine], images: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A convolution that is an output is not folded into what follows."""
    together = _open_layers("openvino", "block10_project", None)
    assert isinstance(together, OneByOne)
    assert "efficientnet_lite0: of the layers ['block10_project', None] in one pass" in caplog.text
    last = _run_each(together, images[:3])[:, 112:]
    np.testing.assert_array_equal(last, _run_each(engines("openvino"), images[:3]))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
@pytest.mark.skipif(find_bfloat16() is None, reason="the processor has no bfloat16")
def test_bfloat16_is_near_float32_and_the_same_each_time(
    engines: Callable[[str], Engine], images: Any
) -> None:
    exact = _run_each(engines("openvino"), images)
    found = [_run_each(_open_bfloat16(streams), images) for streams in (1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (exact != found[0]).mean() > 0.1, "it is computed in another precision"
    cosines = (exact * found[0]).sum(1) / np.linalg.norm(exact, axis=1)
    assert (cosines / np.linalg.norm(found[0], axis=1)).min() > 0.9


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_another_precision_than_the_fingerprints_is_refused() -> None:
    from pipeline.engines.openvino import _check_precision

    model = SimpleNamespace(get_property=lambda _: SimpleNamespace(get_type_name=lambda: "f32"))
    _check_precision(model, "float32")
    with pytest.raises(BackboneError, match=r"computes in f32 here, not in bfloat16: set extract"):
        _check_precision(model, "bfloat16")


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_the_engines_agree(engines: Callable[[str], Engine], images: Any) -> None:
    tensorflow, openvino = (_run_each(engines(name), images) for name in ("tensorflow", "openvino"))
    scale = np.abs(tensorflow).max()
    assert scale > 0.1
    assert np.abs(tensorflow - openvino).max() <= 1e-4 * scale
    of_each_feature = np.abs(tensorflow).max(axis=0)
    alive = of_each_feature > 0.01 * scale
    assert alive.mean() > 0.25
    apart = np.abs(tensorflow - openvino).max(axis=0)[alive]
    assert (apart <= 0.01 * of_each_feature[alive]).all(), "none is another feature"


def test_the_features_are_those_of_the_network_itself(
    engines: Callable[[str], Engine], images: Any
) -> None:
    model = Backbone("efficientnet_lite0", BackboneParams()).model
    expected = np.asarray(model(images[:4], training=False))
    np.testing.assert_allclose(
        _run_each(engines("tensorflow"), images[:4]), expected, rtol=0, atol=1e-4
    )


def test_tensorflow_with_other_threads_gives_the_same_bits(
    engines: Callable[[str], Engine], images: Any, tmp_path: Path
) -> None:
    """As in a process where TensorFlow runs before it can be told how many threads to use."""
    np.save(tmp_path / "images.npy", images[:3])
    code = (
        "import numpy as np, pipeline, tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(3)\n"
        "tf.random.uniform([2])\n"
        "from tests.engines.test_agreement import _open, _run_each\n"
        "np.save('found.npy', _run_each(_open('tensorflow', streams=1), np.load('images.npy')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "found.npy"), _run_each(engines("tensorflow"), images[:3])
    )
