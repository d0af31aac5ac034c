"""A backbone is built as params.yaml says, takes raw pixels, and is frozen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.errors import BackboneError
from pipeline.params import BackboneParams

WEIGHTS = Path(__file__).parents[2] / "../shared/weights/mobilenet_2_5_224_tf_no_top.h5"


def _backbone(name: str = "efficientnet_lite0", **settings: Any) -> Backbone:
    return Backbone(
        name, BackboneParams.model_validate({"input_size": 64, "weights": "random"} | settings)
    )


def _pixels(size: int = 64, value: int | None = None) -> Any:
    noise = np.random.default_rng(7).integers(0, 256, (2, size, size, 3), np.uint8)
    return noise if value is None else np.full_like(noise, value)


def _run(backbone: Backbone, pixels: Any) -> Any:
    return np.asarray(backbone.model(pixels, training=False))


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(
        BackboneError, match=r"no backbone is called 'vgg-16'.*\(params\.yaml, backbones\)"
    ):
        _backbone("vgg-16")


def test_a_missing_weights_file_is_an_error() -> None:
    with pytest.raises(
        BackboneError,
        match=r"weights file weights/none\.h5 of vgg16 does not exist; expected 'imagenet', 'ra",
    ):
        _backbone("vgg16", weights="none.h5").describe()


def test_a_key_of_ones_own_is_in_messages_and_the_network_in_what_it_is() -> None:
    backbone = _backbone("mine", network="vgg16", weights="none.h5")
    with pytest.raises(BackboneError, match=r"none\.h5 of mine .*backbones\.mine\.weights"):
        backbone.describe()
    described = _backbone("mine", network="vgg16").describe()
    assert described == _backbone("vgg16").describe()
    assert (described["backbone"], described["builder"]) == ("vgg16", "VGG16")


def test_describing_needs_no_keras_but_for_its_own_weights() -> None:
    backbone = _backbone()
    assert backbone.describe()["weights"] == "random, seed 0"
    assert not {"model", "_network"} & set(vars(backbone))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pooling", "shape"),
    [("avg", (2, 1280)), ("max", (2, 1280)), ("flatten", (2, 5120)), (None, (2, 2, 2, 1280))],
)
def test_pooling_decides_the_shape(pooling: str | None, shape: tuple[int, ...]) -> None:
    assert _run(_backbone(pooling=pooling), _pixels()).shape == shape


@pytest.mark.slow
def test_pooling_is_over_the_map_without_it() -> None:
    maps = _run(_backbone(pooling=None), _pixels())
    np.testing.assert_allclose(
        _run(_backbone(pooling="avg"), _pixels()), maps.mean(axis=(1, 2)), atol=1e-5
    )
    np.testing.assert_allclose(
        _run(_backbone(pooling="max"), _pixels()), maps.max(axis=(1, 2)), atol=1e-5
    )
    flat = _run(_backbone(pooling="flatten"), _pixels())
    np.testing.assert_allclose(flat, maps.reshape(2, -1), atol=1e-5)


@pytest.mark.slow
def test_a_layer_cuts_the_network() -> None:
    assert _run(_backbone(layer="block0_project_bn"), _pixels()).shape == (2, 16)
    assert _run(_backbone(layer="block0_project_bn", pooling=None), _pixels()).shape == (
        2,
        32,
        32,
        16,
    )


@pytest.mark.slow
def test_several_layers_stand_side_by_side() -> None:
    layers = ("block0_project_bn", "block7_add", None)
    backbone = _backbone(layer=layers)
    assert backbone.describe()["layer"] == list(layers)
    assert backbone.widths == (16, 80, 1280)
    alone = [_run(backbone.cut_at(layer), _pixels()) for layer in layers]
    np.testing.assert_allclose(_run(backbone, _pixels()), np.concatenate(alone, axis=1), atol=1e-5)


@pytest.mark.slow
def test_an_unknown_layer_is_an_error_that_guesses() -> None:
    for layer in ("block0_projekt", (None, "block0_projekt")):
        with pytest.raises(
            BackboneError,
            match=r"no layer 'block0_projekt'.*head_bn.*Did you mean 'block0_project'\?.*layer",
        ):
            _ = _backbone(layer=layer).model


@pytest.mark.slow
def test_random_weights_are_the_same_each_time() -> None:
    np.testing.assert_array_equal(_run(_backbone(), _pixels()), _run(_backbone(), _pixels()))


@pytest.mark.slow
def test_the_network_is_frozen_and_takes_raw_pixels() -> None:
    model = _backbone(weights="imagenet").model
    assert model.trainable_weights == []
    assert model.input.dtype == "uint8"
    assert model.input.shape == (None, 64, 64, 3)
    assert model.output.dtype == "float32"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv2",
        "mobilenetv3small",
        pytest.param("densenet121", marks=pytest.mark.long),
        pytest.param("efficientnetb0", marks=pytest.mark.long),
    ],
)
def test_keras_networks_see_pixels_scaled_by_their_own_rule(name: str) -> None:
    import keras

    backbone = _backbone(name, pooling="avg")
    module = {
        "mobilenetv2": "mobilenet_v2",
        "densenet121": "densenet",
        "mobilenetv3small": "mobilenet_v3",
    }
    family = getattr(keras.applications, module.get(name, "efficientnet"))
    scaled = family.preprocess_input(_pixels().astype(np.float32).copy())
    expected = np.asarray(backbone._network(scaled, training=False)).mean(axis=(1, 2))
    np.testing.assert_allclose(
        _run(backbone, _pixels()), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS} is not here")
def test_the_width_of_a_mobilenet_is_found_from_its_weights_file() -> None:
    backbone = _backbone("mobilenet", weights=str(WEIGHTS), input_size=128)
    features = _run(backbone, _pixels(128))
    assert features.shape == (2, 256)
    assert np.isfinite(features).all()
    assert features.std() > 0.01


@pytest.mark.slow
def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    _backbone()._network.save_weights(tmp_path / "lite.weights.h5")
    again = _backbone(weights=str(tmp_path / "lite.weights.h5"))
    np.testing.assert_array_equal(_run(again, _pixels()), _run(_backbone(), _pixels()))
    with pytest.raises(
        BackboneError,
        match=r"cannot build mobilenet with weights .*lite\.weights\.h5.*backbones\.mobil",
    ):
        _ = _backbone("mobilenet", weights=str(tmp_path / "lite.weights.h5")).model


@pytest.mark.slow
def test_an_input_that_a_network_cannot_take_is_an_error() -> None:
    with pytest.raises(
        BackboneError,
        match=r"cannot build xception .*input_size 32.*at least 71.*backbones\.xception",
    ):
        _ = _backbone("xception", input_size=32).model


@pytest.mark.slow
def test_known_features_of_a_gradient_image() -> None:
    """Frozen values: whoever changes a weight, a layer or the scaling sees it here."""
    ramp = np.round(np.linspace(0, 255, 64)).astype(np.uint8)
    image = np.stack(
        [np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 128)], axis=2
    )
    (features,) = _run(_backbone(weights="imagenet"), image[None].astype(np.uint8))
    largest = np.argsort(-features)[:5]
    assert largest.tolist() == LARGEST
    np.testing.assert_allclose(features[largest], VALUES, rtol=0, atol=1e-4)
    np.testing.assert_allclose(features.mean(), MEAN, rtol=0, atol=1e-4)


LARGEST = [512, 405, 403, 423, 285]
VALUES = [6.0, 5.919153, 5.877826, 5.813605, 5.735639]
MEAN = 0.3608672
