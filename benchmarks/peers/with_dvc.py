"""Features with DVC and its tutorial's script.

`default` is the tutorial's one stage, `tuned` the two stages that it leaves to the reader, with the weights
among the dependencies.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from network import PHOTOS, SEED, STATE, UNITS, WAY, WEIGHTS, tell

PROJECT = STATE / "project"
SCRIPT = "tutorial.py"
ONE_STAGE = {
    "train": {
        "cmd": f"{sys.executable} {SCRIPT} both",
        "deps": [SCRIPT, str(PHOTOS)],
        "params": ["seed", "units"],
        "outs": ["features.npz", "head.npz"],
    }
}
TWO_STAGES = {
    "features": {
        "cmd": f"{sys.executable} {SCRIPT} features",
        "deps": [SCRIPT, str(PHOTOS), str(WEIGHTS)],
        "params": ["seed"],
        "outs": ["features.npz"],
    },
    "head": {
        "cmd": f"{sys.executable} {SCRIPT} head",
        "deps": [SCRIPT, "features.npz"],
        "params": ["units"],
        "outs": ["head.npz"],
    },
}


def run(*command: str) -> None:
    """Run a command in the project; what it says goes to stderr."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run(command, cwd=PROJECT, check=True, stdout=sys.stderr, env=environment)


def make_project() -> None:
    """Write the script and its stages, and commit them."""
    PROJECT.mkdir()
    shutil.copy(Path(__file__).with_name(SCRIPT), PROJECT)
    stages = ONE_STAGE if WAY == "default" else TWO_STAGES
    (PROJECT / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")


if not PROJECT.exists():
    make_project()
(PROJECT / "params.yaml").write_text(yaml.safe_dump({"seed": SEED, "units": UNITS}))
run("dvc", "repro")
found = np.load(PROJECT / "features.npz")
tell(dict(zip(found["names"].tolist(), found["features"], strict=True)), "dvc")
