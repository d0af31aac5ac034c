"""Features with this project: `dvc repro` in a clone, whose stage extract runs the network that counts.

Nothing is tuned. `python with_bottleneck.py extract DATASET BACKBONE` is that stage.
"""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import yaml
from network import PHOTOS, SEED, STATE, UNITS, WEIGHTS, CountedNetwork, tell

ROOT = Path(__file__).resolve().parents[2]
PROJECT = STATE / "project"
BACKBONE = "efficientnet_lite0"
INPUT_SIZE = 32  # pixels
FEATURES = PROJECT / "features" / "photos" / f"{BACKBONE}.h5"


class CountedEngine:
    """The counting network in the place of an engine."""

    batch_size, streams, width = 1, 2, 3

    def __init__(self, *_: Any) -> None:
        self._network = CountedNetwork()

    def run(self, pixels: Any) -> Any:
        """Turn uint8 `(1, h, w, 3)` into float32 `(1, 3)`."""
        return np.array(self._network.run(pixels), np.float32)


def extract() -> None:
    """Run the stage as `bottleneck extract` does, but for the engine."""
    from pipeline.cli import main

    with patch("pipeline.extraction.extractor.open_engine", CountedEngine):
        main()


def make_project() -> None:
    """Clone the project and set it up for these photos, without augmented copies."""
    run("git", "clone", "--quiet", str(ROOT), str(PROJECT), folder=STATE)
    pipeline = PROJECT / "dvc.yaml"
    command = f"{sys.executable} {Path(__file__).resolve()} extract"
    text = pipeline.read_text(encoding="utf-8").replace("python -m pipeline extract", command)
    pipeline.write_text(text, encoding="utf-8")


def set_params() -> None:
    """Write the settings that are asked for."""
    file = PROJECT / "params.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings["datasets"] = {"photos": {"source": "archive", "archive": str(PHOTOS)}}
    settings["backbones"][BACKBONE] |= {"weights": str(WEIGHTS), "input_size": INPUT_SIZE}
    settings["split"]["seed"] = SEED
    settings["augment"]["copies"] = 0
    settings["extract"]["dtype"] = "float32"
    settings["head"]["units"] = UNITS
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")


def run(*command: str, folder: Path = PROJECT) -> None:
    """Run a command; what it says goes to stderr."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    environment["PYTHONPATH"] = f"{PROJECT}:{Path(__file__).parent}"
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr, env=environment)


def read_features() -> dict[str, Any]:
    """Return the feature of each photo of the folder, equal ones by their one row."""
    rows: dict[str, Any] = {}
    with h5py.File(FEATURES) as file:
        for group in file.values():
            rows |= {
                key.decode(): row
                for key, row in zip(group["sha256"][:], group["features"][:], strict=True)
            }
    hashes = {path: sha256(path.read_bytes()).hexdigest() for path in sorted(PHOTOS.glob("*/*"))}
    return {str(path.relative_to(PHOTOS)): rows[key] for path, key in hashes.items() if key in rows}


if sys.argv[1:2] == ["extract"]:
    extract()
    sys.exit()
if not PROJECT.exists():
    make_project()
set_params()
run("dvc", "repro", "train")
tell(read_features(), "frozen-bottleneck")
