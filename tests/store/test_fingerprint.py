"""The fingerprint covers what decides a feature's value, and nothing else."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import images
from pipeline.backbones import weights
from pipeline.backbones.backbone import Backbone
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.engines.choice import EngineConfig
from pipeline.extraction.extractor import fingerprint_of
from pipeline.params import BackboneParams
from pipeline.store.fingerprint import Fingerprint, join_fingerprints

SETTINGS = BackboneParams(weights="weights.h5")
CPU = EngineConfig(engine="tensorflow", device="cpu", precision="float32", batch_size=1, streams=2)
GPU = replace(CPU, device="gpu", batch_size=64, streams=3)


@pytest.fixture(autouse=True)
def _weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    Path("weights/weights.h5").write_bytes(b"some weights")
    Path("weights/others.h5").write_bytes(b"some other weights")


def _key(
    name: str = "vgg16",
    settings: BackboneParams = SETTINGS,
    choice: EngineConfig = CPU,
    dtype: str = "float16",
) -> str:
    return fingerprint_of(Backbone(name, settings), choice, dtype).key


def _with(**changes: Any) -> BackboneParams:
    return SETTINGS.model_copy(update=changes)


@pytest.mark.parametrize(
    "changed",
    [
        lambda: _key(name="vgg19"),
        lambda: _key(settings=_with(layer="block4_pool")),
        lambda: _key(settings=_with(pooling="max")),
        lambda: _key(settings=_with(pooling=None)),
        lambda: _key(settings=_with(input_size=192)),
        lambda: _key(settings=_with(weights="random")),
        lambda: _key(settings=_with(weights="others.h5")),
        lambda: _key(choice=replace(CPU, engine="openvino")),
        lambda: _key(choice=GPU),
        lambda: _key(dtype="float32"),
    ],
    ids=[
        "name",
        "layer",
        "pooling",
        "no pooling",
        "size",
        "random",
        "weights",
        "engine",
        "device",
        "dtype",
    ],
)
def test_what_decides_a_value_changes_the_key(changed: Callable[[], str]) -> None:
    assert changed() != _key()


def test_precision_and_batch_of_a_gpu_change_the_key() -> None:
    keys = {
        _key(choice=GPU),
        _key(choice=replace(GPU, precision="float16")),
        _key(choice=replace(GPU, batch_size=8)),
    }
    assert len(keys) == 3


def test_streams_and_the_batch_of_a_cpu_do_not_change_the_key() -> None:
    assert _key(choice=replace(CPU, streams=16)) == _key()
    assert _key(choice=replace(CPU, batch_size=7)) == _key()


def test_weights_count_by_their_bytes_not_by_their_path() -> None:
    Path("weights/elsewhere").mkdir()
    shutil.copy("weights/weights.h5", "weights/elsewhere/renamed.h5")
    assert _key(settings=_with(weights="elsewhere/renamed.h5")) == _key()
    Path("weights/weights.h5").write_bytes(b"some weightz")
    assert _key(settings=_with(weights="elsewhere/renamed.h5")) != _key()


@pytest.mark.parametrize(
    "library", ["tensorflow", "keras", "openvino", "simplejpeg", "pillow", "opencv-python-headless"]
)
def test_another_version_of_what_computes_changes_the_key(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    choice = replace(CPU, engine="openvino")
    before = _key(choice=choice)
    for module in ("pipeline.engines.choice", "pipeline.images"):
        monkeypatch.setattr(f"{module}.version", lambda name: "2" if name == library else "1")
    changed = _key(choice=choice)
    for module in ("pipeline.engines.choice", "pipeline.images"):
        monkeypatch.setattr(f"{module}.version", lambda name: "1")
    assert len({before, changed, _key(choice=choice)}) == 3


def test_openvino_does_not_count_where_tensorflow_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key()
    real = images.version
    monkeypatch.setattr(
        "pipeline.engines.choice.version", lambda name: "9" if name == "openvino" else real(name)
    )
    assert _key() == before


def test_the_scaling_and_the_decoder_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key()
    scaled = replace(CATALOGUE["vgg16"], scaling="tf")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.backbones.backbone.CATALOGUE", {"vgg16": scaled})
        assert _key() != before
    monkeypatch.setattr(
        "pipeline.extraction.extractor.decoder_versions", lambda: {"algorithm": "another"}
    )
    assert _key() != before


def test_tensorflows_kernels_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert _key() != before


def test_the_weights_of_lite0_count_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key("efficientnet_lite0", BackboneParams())
    monkeypatch.setattr(weights, "hash_start", lambda _: "")
    monkeypatch.setattr(weights, "pip_weights_file", lambda _: Path("weights/others.h5"))
    assert _key("efficientnet_lite0", BackboneParams()) != before


def test_a_layer_among_several_has_the_fingerprint_that_it_has_alone() -> None:
    whole = fingerprint_of(Backbone("vgg16", _with(layer=("block4_pool", None))), CPU, "float16")
    assert [one.key for one in whole.of_each_layer()] == [
        _key(settings=_with(layer="block4_pool")),
        _key(),
    ]
    assert whole.key != _key(settings=_with(layer=(None, "block4_pool")))
    read = Fingerprint(parts=json.loads(whole.to_json()))
    assert [one.key for one in read.of_each_layer()] == [one.key for one in whole.of_each_layer()]
    assert [one.key for one in Fingerprint(parts={"a": 1}).of_each_layer()] == [
        Fingerprint(parts={"a": 1}).key
    ]


def test_a_network_among_several_has_the_fingerprint_that_it_has_alone() -> None:
    alone = [Fingerprint(parts={"network": number}) for number in range(12)]
    cut_twice = Fingerprint(parts={"network": "a", "layer": ["early", None]})
    whole = join_fingerprints([*alone, cut_twice])
    read = Fingerprint(parts=json.loads(whole.to_json()))
    expected = [one.key for one in (*alone, *cut_twice.of_each_layer())]
    assert [one.key for one in read.of_each_layer()] == expected, "in order, also beyond ten"
    assert join_fingerprints(alone[:1]).key == alone[0].key
    first, second = (join_fingerprints(some).key for some in (alone[:2], alone[1::-1]))
    assert first != second


def test_the_key_is_a_short_name_for_a_folder() -> None:
    assert len(_key()) == 32
    assert set(_key()) <= set("0123456789abcdef")


def test_the_order_of_the_parts_does_not_matter() -> None:
    assert (
        Fingerprint(parts={"a": 1, "b": {"c": 2, "d": 3}}).key
        == Fingerprint(parts={"b": {"d": 3, "c": 2}, "a": 1}).key
    )
    assert Fingerprint(parts={"a": 1}).key != Fingerprint(parts={"a": "1"}).key


def test_all_parts_are_told_as_json() -> None:
    parts = json.loads(fingerprint_of(Backbone("vgg16", SETTINGS), CPU, "float16").to_json())
    assert set(parts) == {
        "backbone", "builder", "scaling", "weights", "layer", "pooling", "input_size", "decoder",
        "runs_on", "dtype", "code",
    }  # fmt: skip
    assert "weights.h5" not in json.dumps(parts)
