"""EfficientNet-Lite0, 1 and 2 with their ImageNet weights are the networks that they claim to be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.efficientnet_lite import (
    VARIANTS,
    build_lite,
    load_imagenet_weights,
    scale_stages,
)
from pipeline.backbones.torch_file import read_state_dict
from pipeline.backbones.weights import pip_weights_file
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.errors import BackboneError

pytestmark = pytest.mark.slow
ORIGINALS = Path(__file__).parents[2] / "../shared/golden/lite12.npz"


def _file(name: str) -> Path:
    published = CATALOGUE[f"efficientnet_{name}"].pip_weights or ""
    pytest.importorskip(published.partition("/")[0])
    return pip_weights_file(published)


def _load(name: str, input_size: int | None = None) -> Any:
    network = build_lite(name, input_size)
    load_imagenet_weights(network, _file(name))
    return network


@pytest.fixture(scope="module", params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> Any:
    return _load(name, 64)


@pytest.fixture(scope="module")
def tensors(name: str) -> dict[str, Any]:
    return read_state_dict(_file(name))


@pytest.mark.parametrize(
    ("variant", "blocks", "filters"),
    [
        ("lite0", [1, 2, 2, 3, 3, 4, 1], [16, 24, 40, 80, 112, 192, 320]),
        ("lite1", [1, 3, 3, 4, 4, 5, 1], [16, 24, 40, 80, 112, 192, 320]),
        ("lite2", [1, 3, 3, 4, 4, 5, 1], [16, 24, 48, 88, 120, 208, 352]),
    ],
)
def test_blocks_and_filters_are_scaled_but_at_the_ends(
    variant: str, blocks: list[int], filters: list[int]
) -> None:
    stages = scale_stages(VARIANTS[variant])
    assert [stage.blocks for stage in stages] == blocks
    assert [stage.filters for stage in stages] == filters


@pytest.mark.skipif(not ORIGINALS.is_file(), reason=f"{ORIGINALS} is not here")
@pytest.mark.parametrize("variant", ["lite1", "lite2"])
def test_the_features_are_those_of_the_pytorch_original(variant: str) -> None:
    with np.load(ORIGINALS) as originals:
        pixels, expected = originals[f"{variant}_pixels"], originals[f"{variant}_pooled"]
    maps = _load(variant).predict((pixels.astype(np.float32) - 127) / 128, verbose=0)
    assert expected.max() > 1
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), expected, rtol=0, atol=1e-4)


def test_all_tensors_but_the_classifiers_are_used(model: Any, tensors: dict[str, Any]) -> None:
    rest = {"_fc.weight", "_fc.bias"} | {
        name for name in tensors if name.endswith("num_batches_tracked")
    }
    used = sorted(float(np.abs(tensors[name]).sum()) for name in set(tensors) - rest)
    ours = sorted(float(np.abs(weight).sum()) for weight in model.get_weights())
    np.testing.assert_allclose(ours, used, rtol=1e-4)


@pytest.mark.parametrize(("size", "side"), [(64, 2), (224, 7), (225, 8)])
def test_the_last_map_has_1280_channels(size: int, side: int) -> None:
    assert build_lite("lite0", size).output_shape == (None, side, side, 1280)


@pytest.mark.parametrize(("variant", "size", "side"), [("lite1", 240, 8), ("lite2", 260, 9)])
def test_without_a_size_it_is_that_of_training(variant: str, size: int, side: int) -> None:
    network = build_lite(variant)
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, side, side, 1280)


def _convolve(x: Any, kernel: Any, stride: int, depthwise: bool) -> Any:
    """Convolve (h, w, c) by a kernel (out, in, k, k) of PyTorch, padded as TensorFlow's SAME, in float64."""
    k = kernel.shape[-1]
    pads = [max((-(-n // stride) - 1) * stride + k - n, 0) for n in x.shape[:2]]
    padded = np.pad(x, [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (0, 1))[::stride, ::stride]
    return np.einsum(
        "hwckl,ckl->hwc" if depthwise else "hwckl,ockl->hwo",
        windows,
        kernel[:, 0] if depthwise else kernel,
    )


class _InNumpy:
    """The network again, from the paper and the names of its tensors alone, without Keras."""

    BLOCKS = (1, 2, 2, 3, 3, 4, 1)
    LARGER = (1, 3, 3, 4, 4, 5, 1)
    STRIDES = (1, 2, 2, 2, 1, 2, 1)
    EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)

    def __init__(self, name: str, tensors: dict[str, Any]) -> None:
        self._tensors = tensors
        blocks = self.BLOCKS if name == "lite0" else self.LARGER
        self._stages = zip(blocks, self.STRIDES, self.EXPANSIONS, strict=True)

    def run(self, x: Any) -> Any:
        x = self._unit(x, "_conv_stem", "_bn0", 2)
        number = 0
        for count, stride, expansion in self._stages:
            for index in range(count):
                x = self._block(x, f"_blocks.{number}.", stride if index == 0 else 1, expansion)
                number += 1
        return self._unit(x, "_conv_head", "_bn1", 1)

    def _block(self, x: Any, name: str, stride: int, expansion: int) -> Any:
        y = self._unit(x, f"{name}_expand_conv", f"{name}_bn0", 1) if expansion > 1 else x
        y = self._unit(y, f"{name}_depthwise_conv", f"{name}_bn1", stride, depthwise=True)
        y = self._unit(y, f"{name}_project_conv", f"{name}_bn2", 1, linear=True)
        return x + y if x.shape == y.shape else y

    def _unit(
        self,
        x: Any,
        conv: str,
        norm: str,
        stride: int,
        *,
        depthwise: bool = False,
        linear: bool = False,
    ) -> Any:
        y = _convolve(x, self._tensors[f"{conv}.weight"].astype(np.float64), stride, depthwise)
        weight, bias, mean, variance = (
            self._tensors[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        y = (y - mean) / np.sqrt(variance + 1e-3) * weight + bias
        return y if linear else np.clip(y, 0, 6)


def test_the_features_are_those_of_an_independent_computation(
    name: str, model: Any, tensors: dict[str, Any]
) -> None:
    ramp = np.linspace(-1, 1, 64)
    x = np.stack([*np.meshgrid(ramp, ramp), np.sin(9 * ramp)[:, None] * np.cos(7 * ramp)], axis=2)
    expected = _InNumpy(name, tensors).run(x)
    found = np.asarray(model(x[None].astype(np.float32), training=False))[0]
    assert expected.max() > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.max())


def test_another_networks_tensors_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "pipeline.backbones.efficientnet_lite.read_state_dict"
    monkeypatch.setattr(path, lambda _: {"_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)})
    with pytest.raises(BackboneError, match="x does not fit efficientnet_lite1, layer stem: "):
        load_imagenet_weights(build_lite("lite1", 32), Path("x"))
    monkeypatch.setattr(path, lambda _: {})
    with pytest.raises(
        BackboneError, match=r"x does not fit efficientnet_lite0, layer stem: '_conv_stem\.weight'"
    ):
        load_imagenet_weights(build_lite("lite0", 32), Path("x"))
