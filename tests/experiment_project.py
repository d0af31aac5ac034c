"""A repository of git and DVC whose one stage copies prepared results: those of `head.units`.

project = ExperimentProject(tmp_path)          # committed, with the results of 8 units
project.run_experiment("wide", units=16)       # as `dvc exp run` leaves it, and back
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import cli, paths
from pipeline.predictions import Predictions
from pipeline.predictions_file import write_predictions

BACKBONE = "lite"
SETTINGS: dict[str, Any] = {
    "datasets": {
        "herbs": {"source": "archive", "archive": None},
        "pets": {"source": "archive", "archive": None},
    },
    "backbones": {BACKBONE: {"layer": None}},
    "head": {"units": 8, "kind": "mlp"},
}
STAGES = """
stages:
  head:
    matrix: {dataset: "${datasets}", backbone: "${backbones}"}
    cmd: >-
      mkdir -p models/${item.dataset} metrics/${item.dataset}
      && cp -r prepared/${head.units}/${item.dataset} models/${item.dataset}/${item.backbone}
      && cp prepared/${head.units}/${item.dataset}.json metrics/${item.dataset}/${item.backbone}.json
    params: [head]
    outs: ["models/${item.dataset}/${item.backbone}"]
    metrics: [{"metrics/${item.dataset}/${item.backbone}.json": {cache: false}}]
"""
# Right and wrong on 20 images: wide is right on 5 where narrow is wrong, and wrong on 3 where it is right.
NARROW = [True] * 15 + [False] * 5
WIDE = [False] * 3 + [True] * 17


def val_metrics(accuracy: float, log_loss: float) -> dict[str, Any]:
    """Return what a metrics file holds, with an interval of 0.1 either way."""
    low, high = round(accuracy - 0.1, 6), round(accuracy + 0.1, 6)
    figures = {"accuracy": accuracy, "log_loss": log_loss, "n": 20}
    return {"train": figures, "val": {**figures, "accuracy_low": low, "accuracy_high": high}}


def make_predictions(is_right: Sequence[bool], confidence: float, first: int = 0) -> Predictions:
    """Return predictions for images `first`, `first + 1`, ... of split val, and for one of train."""
    n = len(is_right)
    labels = np.array([0, *(image % 2 for image in range(first, first + n))], np.int64)
    predicted = np.where([True, *is_right], labels, 1 - labels)
    probabilities = np.full((n + 1, 2), 1 - confidence)
    probabilities[np.arange(n + 1), predicted] = confidence
    return Predictions(
        splits=("train", *["val"] * n),
        sha256=("t", *map(str, range(first, first + n))),
        path=("train/t.jpg", *(f"val/{image}.jpg" for image in range(first, first + n))),
        labels=labels,
        classes=("cat", "dog"),
        probabilities=probabilities,
    )


def run_in(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_experiments_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `bottleneck experiments` in this process, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["bottleneck", "experiments", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


class ExperimentProject:
    """The repository in a folder, made if missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / paths.PARAMS).write_text(yaml.safe_dump(SETTINGS))
        (folder / "dvc.yaml").write_text(STAGES)
        self.prepare(8, NARROW, confidence=0.8, metrics=val_metrics(0.75, 0.5))
        self.prepare(16, WIDE, confidence=0.8, metrics=val_metrics(0.85, 0.4))
        self.prepare(32, WIDE[:18], confidence=0.9, metrics=val_metrics(0.85, 0.3), first=4)
        self.run("git", "init", "--quiet")
        self.run("git", "config", "user.email", "test@example.com")
        self.run("git", "config", "user.name", "Test")
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "repro", "--quiet")
        self.commit()

    def prepare(
        self,
        units: int,
        is_right: Sequence[bool],
        confidence: float,
        metrics: dict[str, Any],
        first: int = 0,
    ) -> None:
        """Write what the stage will copy for a number of units, the same for both datasets."""
        for dataset in SETTINGS["datasets"]:
            place = self.folder / "prepared" / str(units)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{dataset}.json").write_text(json.dumps(metrics))
            predictions = make_predictions(is_right, confidence, first)
            write_predictions(place / dataset / "predictions.csv", [predictions])

    def commit(self) -> str:
        """Commit all, and return the commit's hash."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "results")
        return self.run("git", "rev-parse", "HEAD").strip()

    def run_experiment(self, name: str, units: int) -> None:
        """Run an experiment, and put the workspace back."""
        setting = f"head.units={units}"
        self.run("dvc", "exp", "run", "--quiet", "--name", name, "--set-param", setting)
        self.run("git", "checkout", "--quiet", ".")
        self.run("dvc", "checkout", "--quiet")

    def queue_experiment(self, name: str, units: int) -> None:
        """Queue an experiment, which does not run yet."""
        setting = f"head.units={units}"
        self.run("dvc", "exp", "run", "--queue", "--name", name, "--set-param", setting)

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the test work in the folder, and with the DVC of this process there."""
        monkeypatch.chdir(self.folder)
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)

    def run(self, *command: str) -> str:
        """Run a command in the folder, and return what it printed."""
        return run_in(self.folder, *command, environment=self.environment())

    def environment(self) -> dict[str, str]:
        """Return what DVC should find in the environment."""
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc" / "tmp" / "site"),
        }
