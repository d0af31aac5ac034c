"""A network of one's own gives what it gave when it was saved, and is what its file is."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.engines import open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.errors import BackboneError
from pipeline.params import BackboneParams
from pipeline.tools.doctor import layer_fault, weights_fault

PIXELS = np.random.default_rng(7).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("weights") / "own.keras")


def _save(path: Path, size: int | None = 32) -> Path:
    """Save a small classifier whose BatchNorm has seen other images than it will."""
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="first"),
            keras.layers.BatchNormalization(moving_mean_initializer="ones"),
            keras.layers.Dropout(0.5),
            keras.layers.Conv2D(12, 3, activation="relu", name="last_map"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    model.save(path)
    return path


def _backbone(file: Path, **settings: Any) -> Backbone:
    given = {"network": "own", "weights": str(file), "scaling": "tf", "input_size": 32, **settings}
    return Backbone("mine", BackboneParams.model_validate(given))


@pytest.mark.slow
def test_its_features_are_what_it_gives_to_scaled_pixels(file: Path) -> None:
    import keras

    saved = keras.saving.load_model(file)
    expected = np.asarray(saved(PIXELS / np.float32(127.5) - 1, training=False))
    found = np.asarray(_backbone(file).model(PIXELS, training=False))
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_both_engines_give_its_layers(file: Path) -> None:
    backbone = _backbone(file, layer=["first", "last_map", None])
    assert backbone.widths == (8, 12, 5)
    found = {name: _run(name, backbone) for name in ("openvino", "tensorflow")}
    assert found["openvino"].shape == (1, 25)
    np.testing.assert_allclose(found["openvino"], found["tensorflow"], rtol=0, atol=1e-5)
    alone = [_run("openvino", backbone.cut_at(layer)) for layer in backbone.layers]
    np.testing.assert_array_equal(found["openvino"], np.concatenate(alone, axis=1))


def _run(engine: Any, backbone: Backbone) -> Any:
    config = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=1)
    return open_engine(config, backbone).run(PIXELS[:1])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_what_openvino_cannot_run_is_told_with_what_can(tmp_path: Path) -> None:
    import keras

    layers = [keras.Input((32, 32, 3)), keras.layers.RandomFlip(), keras.layers.Conv2D(2, 3)]
    keras.Sequential(layers).save(tmp_path / "flips.keras")
    logging_before = logging.root.level, [*logging.root.filters], [*logging.root.handlers]
    with pytest.raises(BackboneError, match=r"OpenVINO cannot run mine .*extract\.engine to tens"):
        _run("openvino", _backbone(tmp_path / "flips.keras"))
    after = logging.root.level, logging.root.filters, logging.root.handlers
    assert after == logging_before, "later warnings are seen"


@pytest.mark.slow
def test_its_bytes_and_its_scaling_are_what_it_is(file: Path, tmp_path: Path) -> None:
    described = _backbone(file).describe()
    assert (described["backbone"], described["builder"], described["scaling"]) == (
        "own",
        "own",
        "tf",
    )
    assert _backbone(file, scaling="none").describe() != described
    elsewhere = tmp_path / "moved.keras"
    elsewhere.write_bytes(file.read_bytes())
    assert _backbone(elsewhere).describe() == described
    assert _backbone(_save(elsewhere, 48)).describe() != described


@pytest.mark.slow
def test_one_that_takes_any_size_takes_the_one_of_params(tmp_path: Path) -> None:
    file = _save(tmp_path / "any.keras", None)
    assert _backbone(file, input_size=40, layer="first", pooling=None).model.output_shape == (
        None, 19, 19, 8,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        (None, lambda tokens: tokens),
        ("avg", lambda tokens: tokens.mean(axis=1)),
        ("max", lambda tokens: tokens.max(axis=1)),
        ("flatten", lambda tokens: tokens.reshape(2, -1)),
    ],
)
def test_tokens_are_pooled_to_a_vector(tmp_path: Path, pooling: str | None, pool: Any) -> None:
    import keras

    file = tmp_path / "tokens.keras"
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Reshape((64, 48))]).save(file)
    found = np.asarray(_backbone(file, scaling="none", pooling=pooling).model(PIXELS))
    expected = pool(PIXELS.reshape(2, 64, 48).astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.slow
def test_what_cannot_be_used_is_told_with_its_key(file: Path, tmp_path: Path) -> None:
    import keras

    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"no zip")
    two = tmp_path / "two.keras"
    inputs = [keras.Input((32, 32, 3)) for _ in range(2)]
    keras.Model(inputs, keras.layers.Add()(inputs)).save(two)
    endless = tmp_path / "endless.keras"
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(float("nan"))]).save(endless)
    whole = tmp_path / "whole.keras"
    inputs = keras.Input((32, 32, 3), dtype="uint8")
    keras.Model(inputs, keras.layers.Rescaling(1 / 255)(inputs)).save(whole)
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"")
    for wrong, settings, message in (
        (
            file,
            {"input_size": 64},
            r"takes images \(None, 32, 32, 3\), expected \(None, 64, 64, 3\)",
        ),
        (
            damaged,
            {},
            "cannot build mine with weights .*damaged.keras.*it is damaged, or no file of K",
        ),
        (two, {}, "no graph of layers with one input and one output"),
        (endless, {}, "on noise it gives values that are no finite numbers"),
        (whole, {}, "it takes uint8, expected float32: scaled pixels would be rounded"),
        (weights, {}, r"a file ending in \.keras, as model\.save writes it"),
        (tmp_path / "none.keras", {}, r"none\.keras of mine does not exist"),
        (file, {"layer": "lats_map"}, r"mine has no layer 'lats_map'.*Did you mean 'last_map'"),
    ):
        with pytest.raises(BackboneError, match=rf"{message}.*params\.yaml, backbones\.mine"):
            _ = _backbone(wrong, **settings).model


@pytest.mark.slow
def test_the_doctor_looks_into_its_file(file: Path) -> None:
    settings = _backbone(file, layer="last_map").settings
    assert weights_fault("mine", settings) is None
    assert layer_fault("mine", settings) is None
    wrong = settings.model_copy(update={"layer": "lats_map"})
    assert "has no layer 'lats_map'" in (layer_fault("mine", wrong) or "")
    assert "no weights file" in (
        weights_fault("mine", _backbone(Path("none.keras")).settings) or ""
    )


def test_a_layer_that_gives_several_outputs_is_not_listed_and_refused(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((32, 32, 3))
    rows = keras.layers.Reshape((32, 96))(pixels)
    _, state, _ = keras.layers.LSTM(4, return_state=True, name="recurrent")(rows)
    keras.Model(pixels, state).save(tmp_path / "recurrent.keras")
    backbone = _backbone(tmp_path / "recurrent.keras", layer="recurrent")
    kinds = [kind for _, kind, _ in backbone.list_layers()]
    assert kinds == ["InputLayer", "Reshape"]
    with pytest.raises(BackboneError, match=r"'recurrent' of mine gives 3 outputs.*mine\.layer"):
        _ = backbone.model
