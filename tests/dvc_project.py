"""A repository of Git and DVC with the code as it is, in which real stages run on a few small images.

project = Project(tmp_path / "project")
project.repro()                                        # the names of the stages that ran
"""

import os
import re
import shutil
import subprocess
import sys
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.project import BACKBONE, SETTINGS, draw_folders

ROOT = Path(__file__).parents[1]
CODE = (
    "pipeline",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    "None",
    "data/labels",
    "weights",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
)


class Project:
    """A repository of Git and DVC in a folder, with the code as it is and small data of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {
            **deepcopy(SETTINGS),
            "backbones": {
                BACKBONE: {"layer": None, "pooling": "avg", "input_size": 64, "weights": "random"}
            },
        }
        for name in CODE:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
        draw_folders(folder / "pets", {"cat": 12, "dog": 12})
        self.write_settings()
        self.run("git", "init", "--quiet")
        self._sign()

    def write_settings(self) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.settings))

    def run(self, *command: str) -> str:
        """Run a command to its end, which must be a good one; return what it printed."""
        with self.start(*command) as process:
            printed, complaints = process.communicate()
        assert process.returncode == 0, f"{' '.join(command)}\n{printed}\n{complaints}"
        return printed

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command, in a group of its own with all that it starts."""
        hidden = ("DVC_ROOT", "PYTHONPATH", "GIT_DIR")
        environment = {name: value for name, value in os.environ.items() if name not in hidden} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc" / "tmp" / "site"),
        }
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip

    def repro(self, *options: str) -> list[str]:
        """Reproduce, and return the names of the stages that ran (or, with `--dry`, would)."""
        return re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro", *options))

    def lock(self) -> bytes:
        return (self.folder / "dvc.lock").read_bytes()

    def commit(self) -> None:
        """Commit all that Git takes."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "results")

    def clone(self, folder: Path) -> "Project":
        """Return a fresh clone in another folder, as a colleague has it: nothing but what Git has."""
        self.run("git", "clone", "--quiet", str(self.folder), str(folder))
        other = copy(self)
        other.folder = folder
        other._sign()
        return other

    def _sign(self) -> None:
        self.run("git", "config", "user.email", "test@example.com")
        self.run("git", "config", "user.name", "Test")
