"""A folder in which one way of a rival lives, and the runs of its script there."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from environments import last_line, settings_of, stop_database
from PIL import Image
from values import feature_of, scale_of, shrink

HERE = Path(__file__).parent
KILL_SECONDS = 0.01  # a pass, where the run is ended in its middle: 100 images/s
PATIENCE = 900  # seconds a run


class Rival(NamedTuple):
    """A way of a rival.

    Attributes:
        script: With which it is run.
        way: `default` or `tuned`.
        python: Of its environment.
    """

    name: str
    script: str
    way: str
    python: Path


class Run(NamedTuple):
    """What a run did: its passes, the version, and each photo's feature by its path."""

    passes: int
    version: str
    features: dict[str, list[float]]


class Failed(Exception):
    """A run that did not end well; the last line that it wrote says why."""


class Bench:
    """A folder in which one way of a rival lives: photos, weights, and the state that it keeps.

    Attributes:
        photos: A folder a class.
    """

    def __init__(self, folder: Path, rival: Rival) -> None:
        self.photos = folder / "photos"
        self._folder, self._rival = folder, rival
        self._state, self._weights, self._passes = (
            folder / "state",
            folder / "network.weights.h5",
            folder / "passes",
        )

    def begin(self, photos: Path, weights: Path) -> None:
        """Lay out photos and weights anew; nothing is known of them."""
        for path in (self.photos, self._state):
            shutil.rmtree(path, ignore_errors=True)
        copy(photos, self.photos)
        self.take_weights(weights)
        self._state.mkdir()

    def take_weights(self, weights: Path) -> None:
        """Put another network in the place of the one that was there, under the same name."""
        shutil.copyfile(weights, self._weights)

    def forget(self) -> None:
        """Throw away what the rival keeps."""
        shutil.rmtree(self._state)
        self._state.mkdir()

    def keep(self) -> None:
        """Keep the folder's state, to come back to it."""
        for name in ("photos", "state"):
            shutil.rmtree(self._folder / f"kept-{name}", ignore_errors=True)
            copy(self._folder / name, self._folder / f"kept-{name}")

    def go_back(self) -> None:
        """Come back to what was kept."""
        for name in ("photos", "state"):
            shutil.rmtree(self._folder / name)
            copy(self._folder / f"kept-{name}", self._folder / name)

    def start(
        self, *, seed: int = 7, units: int = 128, seconds: float = 0.0, script: str = ""
    ) -> "subprocess.Popen[str]":
        """Start the rival's script, in a process group of its own."""
        self._passes.write_bytes(b"")
        file = HERE / (script or self._rival.script)
        asked = {
            "WAY": self._rival.way, "PHOTOS": self.photos, "WEIGHTS": self._weights, "STATE": self._state,
            "PASSES": self._passes, "SEED": seed, "UNITS": units, "SECONDS": seconds,
        }  # fmt: skip
        return subprocess.Popen(
            [str(self._rival.python), str(self._second(file) if units != 128 else file)],
            cwd=self._folder,
            env=self._environment()
            | {f"PEERS_{name}": str(value) for name, value in asked.items()},
            stdout=(self._folder / "stdout").open("w"),
            stderr=(self._folder / "stderr").open("w"),
            start_new_session=True,
            text=True,
        )

    def run(self, **asked: Any) -> Run:
        """Run the rival's script to its end."""
        process = self.start(**asked)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {PATIENCE} s") from None
        finally:
            end_group(process, signal.SIGKILL)
            stop_database(self._state)
        if process.returncode:
            said = last_line((self._folder / "stderr").read_text(errors="replace"))
            raise Failed(said or "no message")
        told = json.loads((self._folder / "stdout").read_text().splitlines()[-1])
        return Run(self.passes(), told["version"], told["features"])

    def run_half(self, passes: int, number: signal.Signals) -> int:
        """Run until so many passes are done, then end all of it with a signal; return the passes."""
        process = self.start(seconds=KILL_SECONDS)
        while process.poll() is None and self.passes() < passes:
            time.sleep(0.002)
        end_group(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        end_group(process, signal.SIGKILL)
        stop_database(self._state)
        return self.passes()

    def passes(self) -> int:
        """Return the passes since the start."""
        return self._passes.stat().st_size

    def count_faults(self, found: Run) -> int:
        """Return how many features are not what photos and weights now say; Keras keeps none to be wrong."""
        if self._rival.script == "with_keras.py":
            return 0
        read = read_square if self._rival.script == "with_bottleneck.py" else read_small
        scale = scale_of(self._weights)
        right = {
            str(path.relative_to(self.photos)): feature_of(read(path), scale)
            for path in self.photos.glob("*/*")
        }
        return count_faults(found.features, right)

    def _second(self, file: Path) -> Path:
        """Return the same script in another file: what a second experiment of a script is."""
        if self._rival.script in ("with_dvc.py", "with_bottleneck.py"):
            return file  # their experiments are settings
        return Path(shutil.copy(file, self._folder / f"second_{file.name}"))

    def _environment(self) -> dict[str, str]:
        """Return variables by which all that the rivals keep lies in the state."""
        return {
            **os.environ,
            "PATH": f"{self._rival.python.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(HERE),
            **settings_of(self._state),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }


def read_small(path: Path) -> Any:
    """Read a photo as the scripts of the rivals do."""
    with Image.open(path) as image:
        return shrink(image)


def read_square(path: Path) -> Any:
    """Read a photo as this project does, at the size that its script asks for."""
    from pipeline.images import decode_square

    return decode_square(path.read_bytes(), 32)


def end_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started and that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its times, owners and links."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def count_faults(found: dict[str, list[float]], expected: dict[str, list[float]]) -> int:
    """Return how many photos have no feature, another one than expected, or should not be there."""
    return sum(found.get(path) != expected.get(path) for path in found.keys() | expected.keys())
