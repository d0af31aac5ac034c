"""JAX gives the features of the other engines, needs no TensorFlow, and neighbours change no bit."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.engines import open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.engines.hardware import Gpu
from pipeline.features import read_header, stream_features
from pipeline.images import decode_square
from pipeline.params import BackboneParams
from tests.engines.drawn import NETWORKS, draw_backbone, noise
from tests.engines.run_jax import GOLDEN, SIZE
from tests.project import BACKBONE, SETTINGS, draw_image, place

pytest.importorskip("jax", reason="JAX is not installed (the extra `jax`)")
from pipeline.engines.jax import find_gpu

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LITE0 = Backbone("efficientnet_lite0", BackboneParams(input_size=SIZE))


def _program(*arguments: str, folder: Path = ROOT) -> str:
    """Run Python in a process of its own: here, Keras runs on TensorFlow."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _compute(what: str, folder: Path) -> Any:
    _program("-m", "tests.engines.run_jax", what, str(folder / "found.npz"))
    found = np.load(folder / "found.npz")
    assert not found["tensorflow"], "TensorFlow was imported"
    return found


def _run_here(engine: Any, backbone: Backbone, images: Any) -> Any:
    config = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=2)
    opened = open_engine(config, backbone)
    return np.concatenate([opened.run(image[None]) for image in images])


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _compute("one_network", tmp_path_factory.mktemp("jax"))


@pytest.mark.long
def test_features_are_those_of_tensorflow(lite0: Any) -> None:
    expected = _run_here("tensorflow", LITE0, noise(4, SIZE))
    assert (lite0["alone"].shape, lite0["alone"].dtype) == ((4, 1280), np.float32)
    np.testing.assert_allclose(lite0["alone"], expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(lite0["together"], expected, rtol=0, atol=1e-4)


@pytest.mark.long
def test_neighbours_and_padding_do_not_change_a_bit(lite0: Any) -> None:
    np.testing.assert_array_equal(lite0["turned"], lite0["together"])
    np.testing.assert_array_equal(lite0["padded"], lite0["together"][:2])


@pytest.mark.long
def test_float32_is_multiplied_in_full(lite0: Any) -> None:
    """Not in TF32, which is what a GPU does by itself."""
    assert len(lite0["products"]) == 49
    assert all("operand_precision={highest,highest}" in one for one in lite0["products"])


@pytest.mark.long
def test_bfloat16_is_near_float32_and_its_features_are_pooled_in_float32(lite0: Any) -> None:
    exact, found = lite0["alone"], lite0["bfloat16"]
    assert found.dtype == np.float32
    assert (exact != found)[exact != 0].mean() > 0.5, "it is computed in another precision"
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1)
    assert ((exact * found).sum(1) / lengths).min() > 0.99


# Runs the stage where TensorFlow is not installed.
HIDDEN = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] != "tensorflow":
            return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from pipeline.params import load_params
from pipeline.stages import extract
from tests.project import BACKBONE
print(extract.run("pets", BACKBONE, load_params()))
"""


def test_extract_needs_no_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {**SETTINGS, "extract": {**SETTINGS["extract"], "engine": "jax"}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    place("pets", {f"train/cat/{number}.jpg": draw_image(number) for number in range(3)})
    assert "3 features, 3 computed" in _program("-c", HIDDEN, folder=tmp_path)
    file = paths.features_file("pets", BACKBONE)
    assert '"engine":"jax"' in (parts := read_header(file).fingerprint_parts)
    assert "KERAS_BACKEND" not in parts
    images = np.stack([decode_square(draw_image(number), SIZE) for number in range(3)])
    expected = _run_here("tensorflow", LITE0, images)
    found = np.concatenate(list(stream_features(file, 1 << 20)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_gpus_of_another_kind_than_the_first_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def gpu(kind: str, free: int) -> SimpleNamespace:
        client = SimpleNamespace(platform_version="PJRT  C API\ncuda 13000")
        return SimpleNamespace(
            device_kind=kind, memory_stats=lambda: {"bytes_limit": free}, client=client
        )

    devices = [gpu("large", 80), gpu("small", 8), gpu("large", 70)]
    monkeypatch.setattr("jax.devices", lambda platform: devices if platform == "gpu" else [])
    assert find_gpu() == Gpu(bytes=70, kind="large", software="PJRT C API cuda 13000", count=2)


def test_several_devices_share_the_batches_and_give_the_bits_of_one(tmp_path: Path) -> None:
    found = _compute("devices", tmp_path)
    assert found["alone"].shape == (24, 1280)
    np.testing.assert_array_equal(found["three"], found["alone"])
    assert found["had"].sum() == 12
    assert len(found["had"]) == 3
    assert found["had"].min() > 0, f"batches of each: {found['had']}"


@pytest.mark.long
def test_layers_in_one_pass_are_those_of_a_pass_each(tmp_path: Path) -> None:
    found = _compute("layers", tmp_path)["layers"]
    backbone = Backbone("efficientnet_lite0", BackboneParams(input_size=SIZE, layer="block2_add"))
    first = _run_here("tensorflow", backbone, noise(1, SIZE))
    np.testing.assert_allclose(found[:, : first.shape[1]], first, rtol=0, atol=1e-4)


@pytest.mark.long
def test_five_networks_agree_with_the_other_engines(tmp_path: Path) -> None:
    found = _compute("networks", tmp_path)
    for name, size in NETWORKS.items():
        for engine in ("tensorflow", "openvino"):
            if engine == "openvino":
                pytest.importorskip("openvino", reason="OpenVINO is not installed")
            known = _run_here(engine, draw_backbone(name, size), noise(2, size))
            bound = 1e-4 * max(1.0, float(np.abs(known).max()))
            np.testing.assert_allclose(found[name], known, rtol=0, atol=bound, err_msg=name)


@pytest.mark.long
@pytest.mark.skipif(not (ROOT / GOLDEN).exists(), reason=f"{GOLDEN} is not there")
def test_features_are_those_of_the_networks_authors(tmp_path: Path) -> None:
    expected = np.load(ROOT / GOLDEN)["lite1_pooled"]
    np.testing.assert_allclose(_compute("golden", tmp_path)["lite1"], expected, rtol=0, atol=1e-4)
