"""A scaling that does not fit is found, one that fits is not blamed, and what cannot be told is said."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.backbones.backbone import TORCH_DEVIATION, TORCH_MEAN, Backbone, _scale
from pipeline.backbones.scaling_check import (
    check_scaling,
    draw_noise,
    judge_divergences,
    judge_spread,
    scale,
)
from pipeline.params import BackboneParams
from pipeline.stages import weights
from tests.project import make_project

WEIGHTS = Path(__file__).parents[2] / "../shared/weights/mobilenet_2_5_224_tf_no_top.h5"
SCALINGS = ("lite", "tf", "torch", "caffe", "none")
SIZE = 64


def test_the_noise_has_the_means_and_deviations_of_photos() -> None:
    noise = draw_noise(16, SIZE)
    assert noise.dtype == np.uint8
    np.testing.assert_allclose(noise.mean((0, 1, 2)) / 255, TORCH_MEAN, atol=0.05)
    np.testing.assert_allclose(noise.std((0, 1, 2)) / 255, TORCH_DEVIATION, rtol=0.15)
    np.testing.assert_array_equal(noise[:4], draw_noise(16, SIZE)[:4])
    steps = np.abs(np.diff(noise.astype(float), axis=1)).mean()
    assert steps < 0.7 * noise.std(), "neighbours are alike; of white noise they differ by 1.1"


@pytest.mark.parametrize("scaling", SCALINGS)
def test_pixels_are_scaled_as_a_backbone_does(scaling: Any) -> None:
    noise = draw_noise(2, 16)
    np.testing.assert_allclose(scale(noise, scaling), _scale(noise, scaling), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        ({"tf": 0.1, "torch": 0.6}, True),
        ({"tf": 0.6, "torch": 0.1}, False),
        ({"tf": 0.3, "torch": 0.01}, True),  # of what chance may be, nothing is said
        ({"tf": 2.0, "torch": 1.0}, True),  # another domain than photos: none fits well
        ({"tf": 9000.0, "none": 2.0}, False),
    ],
)
def test_a_scaling_is_doubted_where_another_one_fits_far_better(
    found: dict[str, float], fits: bool
) -> None:
    doubt = judge_divergences("tf", found).doubt
    assert (doubt is None) == fits
    assert fits or f"trained on pixels scaled as {list(found)[1]}" in str(doubt)


def test_without_batch_norm_only_images_that_look_alike_are_doubted() -> None:
    apart = np.array([[1.0, 3.0], [3.0, 1.0]], np.float32)
    alike = np.array([[2.0, 2.1], [2.1, 2.0]], np.float32)
    found = judge_spread("tf", {"tf": alike, "caffe": apart})
    assert "hardly differ in their features (by 2.4%; under caffe by 50.0%)" in str(found.doubt)
    fits = judge_spread("tf", {"tf": apart, "caffe": alike})
    assert fits.doubt is None
    assert "no BatchNorm layer, so only too small pixels would show: they do not" in fits.text


def _doubts(name: str, **settings: Any) -> dict[str, str | None]:
    """Return what speaks against each scaling."""
    backbone = Backbone(name, BackboneParams(**settings))
    doubts = {}
    for scaling in SCALINGS:
        backbone.scaling = scaling
        doubts[scaling] = check_scaling(backbone).doubt
    return doubts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("efficientnet_lite0", {}),
        pytest.param("efficientnet_lite1", {"input_size": 240}, marks=pytest.mark.long),
        pytest.param("efficientnet_lite2", {"input_size": 260}, marks=pytest.mark.long),
        pytest.param(
            "mobilenet", {"weights": str(WEIGHTS)},
            marks=pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS} is not here"),
        ),
    ],
)  # fmt: skip
def test_of_weights_from_imagenet_the_scalings_that_fit_are_told_from_the_others(
    name: str, settings: dict[str, Any]
) -> None:
    doubts = _doubts(name, **settings)
    assert [scaling for scaling, doubt in doubts.items() if doubt is None] == ["lite", "tf"]
    assert "trained on pixels scaled as " in str(doubts["none"])


def _save(path: Path, train_scaling: Any, *, nested: bool = False) -> str:
    """Save a network whose BatchNorm layer has seen noise that was scaled so."""
    import keras

    keras.utils.set_random_seed(1)
    size = (SIZE, SIZE, 3)
    first = keras.Sequential(
        [
            keras.Input(size),
            keras.layers.Conv2D(16, 3, strides=2),
            keras.layers.BatchNormalization(),
        ]
    )
    values = np.asarray(first.layers[0](scale(draw_noise(8, SIZE)[4:], train_scaling)))
    first.layers[1].moving_mean.assign(values.mean((0, 1, 2)))
    first.layers[1].moving_variance.assign(values.var((0, 1, 2)))
    layers = [first] if nested else first.layers
    keras.Sequential([keras.Input(size), *layers, keras.layers.Dense(4)]).save(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(("trained", "nested"), [("caffe", False), ("torch", True)])
def test_of_a_network_of_ones_own_the_wrong_range_is_found(
    tmp_path: Path, trained: str, nested: bool
) -> None:
    file = _save(tmp_path / "own.keras", trained, nested=nested)
    doubts = _doubts("mine", network="own", weights=file, input_size=SIZE, scaling="tf")
    assert doubts[trained] is None
    small, large = {"lite", "tf", "torch"}, {"caffe", "none"}
    for scaling in large if trained in small else small:
        assert f"trained on pixels scaled as {trained}" in str(doubts[scaling])


def _save_without_batch_norm(path: Path) -> str:
    """Save a network that takes raw pixels: its biases are as large as what these make."""
    import keras

    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(16, 3, strides=2, activation="relu", bias_initializer=bias)
        for bias in (keras.initializers.RandomNormal(stddev=one) for one in (50.0, 50.0))
    ]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers])
    model.export(path, verbose=False) if path.suffix == "" else model.save(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own.keras", "own"])
def test_without_batch_norm_pixels_that_were_divided_by_255_are_found(
    tmp_path: Path, name: str
) -> None:
    """The field's classic fault: VGG was trained on 0..255."""
    if name == "own":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    file = _save_without_batch_norm(tmp_path / name)
    own = {"network": "own", "weights": file, "input_size": SIZE, "pooling": None}
    whole: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    checked = {
        str(scaling): check_scaling(
            Backbone("mine", BackboneParams.model_validate({**own, "scaling": scaling}))
        ).doubt
        for scaling in ("none", "caffe", whole)
    }
    assert checked["none"] is None
    assert checked["caffe"] is None
    assert "images hardly differ in their features" in str(checked[str(whole)])


@pytest.mark.slow
def test_the_stage_says_what_was_found_and_warns_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = _save(tmp_path / "own.keras", "torch")

    def run(scaling: str) -> str:
        settings = {"network": "own", "weights": file, "scaling": scaling, "input_size": SIZE}
        params = make_project(tmp_path / "project", monkeypatch, {"backbones.mine": settings})
        return weights.run("mine", params)

    with caplog.at_level(logging.WARNING):
        assert "; the first BatchNorm layer's statistics: scaling torch 0.0" in run("torch")
        assert caplog.text == ""
        record = paths.weights_record("mine").read_bytes()
        run("none")
    assert "mine: scaling none does not fit the weights" in caplog.text
    assert "(params.yaml, backbones.mine.scaling)" in caplog.text
    assert paths.weights_record("mine").read_bytes() == record, "nothing else depends on it"
