"""Whether a network gets its pixels in the range that it was trained on, told without any photo.

Noise whose spectrum falls as 1 / f, with ImageNet's mean and deviation, has the means and variances of
photos, and so has what a linear layer makes of it (Field 1987, "Relations between the statistics of
natural images and the response properties of cortical cells"). A first BatchNorm layer holds those
that it saw in training. Where there is none, only pixels that are too small show: all images look alike.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.backbone import (
    TORCH_DEVIATION,
    TORCH_MEAN,
    AnyScaling,
    Backbone,
    affine_scaling,
)
from pipeline.backbones.own_graph import run_graph
from pipeline.catalogue.backbones import Scaling

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]
IMAGES = 4
GREY = 0.9  # share of the variance that the three channels of photos have in common
BAD, WORSE = (
    0.35,
    2.25,
)  # a divergence that is none of chance, and how much better another one must be
ALIKE = 4.0  # times as far apart under another scaling


class Finding(NamedTuple):
    """What was found.

    Attributes:
        text: In some words.
        doubt: What speaks against the scaling; None where nothing does.
    """

    text: str
    doubt: str | None = None


def check_scaling(backbone: Backbone) -> Finding:
    """Judge a backbone's scaling by comparing it with the others that are known."""
    images = draw_noise(IMAGES, backbone.input_size)
    scalings = _scalings(backbone.scaling)
    named = next(iter(scalings))
    if backbone.needs_openvino:
        return judge_spread(
            named, {name: _run_graph(backbone, one, images) for name, one in scalings.items()}
        )
    network = next(layer for layer in backbone.model.layers if hasattr(layer, "layers"))
    inputs = {name: scale(images, one) for name, one in scalings.items()}
    if (first := _find_batch_norm(network)) is not None:
        return judge_divergences(named, {name: _diverge(*first, x) for name, x in inputs.items()})
    return judge_spread(named, {name: np.asarray(network(x)) for name, x in inputs.items()})


def draw_noise(count: int, size: int) -> NDArray[np.uint8]:
    """Draw images with the means, variances and spectrum of photos, uint8 `(count, size, size, 3)`."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = 1 / size
    white = np.fft.rfft2(rng.standard_normal((count, 4, size, size)))
    pink = np.fft.irfft2(white / frequency, s=(size, size))
    pink -= pink.mean(axis=(0, 2, 3), keepdims=True)  # of few images: their light differs
    pink /= pink.std(axis=(0, 2, 3), keepdims=True)
    channels = np.sqrt(GREY) * pink[:, :1] + np.sqrt(1 - GREY) * pink[:, 1:]
    pixels = 255 * (channels.transpose(0, 2, 3, 1) * TORCH_DEVIATION + TORCH_MEAN)
    drawn: NDArray[np.uint8] = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    return drawn


def scale(images: NDArray[np.uint8], scaling: AnyScaling) -> Floats:
    """Scale pixels as a backbone does."""
    mean, deviation, reverse = affine_scaling(scaling)
    scaled: Floats = ((images - np.array(mean)) / np.array(deviation)).astype(np.float32)
    return scaled[..., ::-1] if reverse else scaled


def judge_divergences(named: str, found: Mapping[str, float]) -> Finding:
    """Judge by how far BatchNorm's own statistics are from those under each scaling."""
    best = min(found, key=lambda name: found[name])
    figures = f"scaling {named} {found[named]:.2f}, best {best} {found[best]:.2f}"
    text = f"the first BatchNorm layer's statistics: {figures} (0: as in training)"
    if found[named] <= BAD or found[named] <= WORSE * found[best]:
        return Finding(text)
    return Finding(
        text,
        f"scaling {named} does not fit the weights: by the statistics of the first BatchNorm layer they were "
        f"trained on pixels scaled as {best} ({found[named]:.2f} against {found[best]:.2f} apart)",
    )


def judge_spread(named: str, found: Mapping[str, Floats]) -> Finding:
    """Judge by how far the features of images lie apart under each scaling."""
    spreads = {name: _spread(features) for name, features in found.items()}
    best = max(spreads, key=lambda name: spreads[name])
    text = "no BatchNorm layer, so only too small pixels would show"
    if ALIKE * spreads[named] >= spreads[best]:
        return Finding(f"{text}: they do not")
    return Finding(
        text,
        f"scaling {named} does not fit the weights: images hardly differ in their features (by "
        f"{spreads[named]:.1%}; under {best} by {spreads[best]:.1%}), as where pixels are too small",
    )


def _scalings(named: AnyScaling) -> dict[str, AnyScaling]:
    """Return the scaling that is named, first, and all others."""
    known: dict[str, AnyScaling] = {name: name for name in get_args(Scaling)}
    own = named if isinstance(named, str) else f"mean {named.mean}, std {named.std}"
    return {own: named, **known}


def _find_batch_norm(network: "keras.Model") -> tuple["keras.Model", Any] | None:
    """Return the network up to its first BatchNorm layer, and that layer; None where there is none."""
    import keras

    layers = [one for one in network.layers if not isinstance(one, keras.layers.InputLayer)]
    first = next((one for one in layers if isinstance(one, keras.layers.BatchNormalization)), None)
    if first is not None and isinstance(network, keras.Sequential):
        before = [keras.layers.Identity(), *layers[: layers.index(first)]]
        return keras.Sequential(before), first
    if first is not None:
        try:
            return keras.Model(network.input, first.input), first
        except (AttributeError, ValueError):  # it is called in several places
            return None
    # Another network may be the first layer, as where one was trained on.
    return _find_batch_norm(layers[0]) if layers and isinstance(layers[0], keras.Model) else None


def _diverge(before: "keras.Model", layer: Any, scaled: Floats) -> float:
    """Return how far a layer's input is from what it saw in training: the median over its channels.

    Of each channel the divergence of Kullback and Leibler between two normal distributions.
    """
    values = np.asarray(before(scaled, training=False), np.float64)
    values = values.reshape(-1, values.shape[-1])
    mean, variance = (
        np.asarray(one, np.float64) for one in (layer.moving_mean, layer.moving_variance)
    )
    ratio = values.var(axis=0) / np.maximum(variance, 1e-12)
    ratio = np.maximum(ratio, 1e-12)
    shift = (values.mean(axis=0) - mean) ** 2 / np.maximum(variance, 1e-12)
    alive = variance > 1e-3 * np.median(variance)  # of the others numbers say nothing
    return float(np.median((ratio + shift - 1 - np.log(ratio))[alive]) / 2)


def _spread(features: Floats) -> float:
    """Return how far the features of images lie apart, as a share of their mean's length."""
    pooled = features.reshape(len(features), -1, features.shape[-1]).mean(axis=1)
    middle = pooled.mean(axis=0)
    apart = np.linalg.norm(pooled - middle, axis=1).mean()
    return float(apart / max(np.linalg.norm(middle), 1e-12))


def _run_graph(backbone: Backbone, scaling: AnyScaling, images: NDArray[np.uint8]) -> Floats:
    settings = backbone.settings.model_copy(update={"scaling": scaling})
    return run_graph(Backbone(backbone.name, settings).graph, images)
