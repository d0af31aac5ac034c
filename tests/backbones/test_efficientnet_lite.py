"""EfficientNet-Lite0 with its ImageNet weights is the network that it claims to be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.efficientnet_lite import build_lite0, load_imagenet_weights
from pipeline.backbones.torch_file import read_state_dict
from pipeline.backbones.weights import imagenet_weights_file
from pipeline.errors import BackboneError
from pipeline.files import sha256_of

pytestmark = pytest.mark.slow
DIGEST = "57934424"  # the first digits of the file's sha256, which its authors put in its name


@pytest.fixture(scope="module")
def model() -> Any:
    network = build_lite0(64)
    load_imagenet_weights(network, imagenet_weights_file())
    return network


@pytest.fixture(scope="module")
def tensors() -> dict[str, Any]:
    return read_state_dict(imagenet_weights_file())


def test_the_weights_file_is_the_published_one() -> None:
    assert sha256_of(imagenet_weights_file()).startswith(DIGEST)


def test_all_tensors_but_the_classifiers_are_used(model: Any, tensors: dict[str, Any]) -> None:
    rest = {"_fc.weight", "_fc.bias"} | {
        name for name in tensors if name.endswith("num_batches_tracked")
    }
    used = sorted(float(np.abs(tensors[name]).sum()) for name in set(tensors) - rest)
    ours = sorted(float(np.abs(weight).sum()) for weight in model.get_weights())
    np.testing.assert_allclose(ours, used, rtol=1e-4)


@pytest.mark.parametrize(("size", "side"), [(64, 2), (224, 7), (225, 8)])
def test_the_last_map_has_1280_channels(size: int, side: int) -> None:
    assert build_lite0(size).output_shape == (None, side, side, 1280)


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

    BLOCKS = (
        (1, 1, 1),
        (2, 2, 6),
        (2, 2, 6),
        (3, 2, 6),
        (3, 1, 6),
        (4, 2, 6),
        (1, 1, 6),
    )  # count, stride, expansion

    def __init__(self, tensors: dict[str, Any]) -> None:
        self._tensors = tensors

    def run(self, x: Any) -> Any:
        x = self._unit(x, "_conv_stem", "_bn0", 2)
        number = 0
        for count, stride, expansion in self.BLOCKS:
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
    model: Any, tensors: dict[str, Any]
) -> None:
    ramp = np.linspace(-1, 1, 64)
    x = np.stack([*np.meshgrid(ramp, ramp), np.sin(9 * ramp)[:, None] * np.cos(7 * ramp)], axis=2)
    expected = _InNumpy(tensors).run(x)
    found = np.asarray(model(x[None].astype(np.float32), training=False))[0]
    assert expected.max() > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.max())


def test_another_networks_tensors_are_refused(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "pipeline.backbones.efficientnet_lite.read_state_dict"
    monkeypatch.setattr(path, lambda _: {"_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)})
    with pytest.raises(BackboneError, match="x does not fit efficientnet_lite0, layer stem: "):
        load_imagenet_weights(build_lite0(32), Path("x"))
    monkeypatch.setattr(path, lambda _: {})
    with pytest.raises(
        BackboneError, match=r"x does not fit efficientnet_lite0, layer stem: '_conv_stem\.weight'"
    ):
        load_imagenet_weights(build_lite0(32), Path("x"))
