"""What the scripts of all rivals share: what they are asked, and a network that counts its passes.

The network stands in for a frozen one, so that behaviour costs no computing. Each pass appends a byte to
a file before anything else, so that the count survives whatever ends the process. Values depend on the
image and on the bytes of the weights file: stale and mixed ones can be told from right ones.
"""

import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from values import feature_of, scale_of, shrink

WAY = os.environ["PEERS_WAY"]  # default | tuned
PHOTOS = Path(os.environ["PEERS_PHOTOS"])  # a folder a class
WEIGHTS = Path(os.environ["PEERS_WEIGHTS"])
STATE = Path(os.environ["PEERS_STATE"])  # whatever the rival keeps
SEED = int(os.environ["PEERS_SEED"])  # of the split; who does not read it draws after the features
UNITS = int(
    os.environ["PEERS_UNITS"]
)  # of the head; who does not read it has a script of its own for it


class CountedNetwork:
    """Three numbers of an image, scaled by what the weights file holds."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._scale = scale_of(weights)

    def look(self, image: Any) -> list[float]:
        """Take a pass with one image of Pillow's."""
        return self.run(shrink(image)[np.newaxis])[0]

    def run(self, pixels: Any) -> list[list[float]]:
        """Take a pass with each image of a batch, `(b, h, w, 3)`, 0..255."""
        for _ in range(len(pixels)):
            count_pass()
        return [feature_of(one, self._scale) for one in pixels]


def count_pass() -> None:
    """Write a pass down, and take as long as one is to take."""
    # Read and opened each time: rivals send the network to other processes, and hash what it holds.
    file = os.open(os.environ["PEERS_PASSES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, b"x")
    os.close(file)
    time.sleep(float(os.environ["PEERS_SECONDS"]))


def tell(features: dict[str, Any], package: str) -> None:
    """Print the last line of a script: the package and each photo's feature by its path."""
    rows = {path: [round(float(value), 3) for value in row] for path, row in features.items()}
    print(json.dumps({"version": f"{package} {version(package)}", "features": rows}))
