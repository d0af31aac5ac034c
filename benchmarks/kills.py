"""Does an extraction that is killed again and again end with the same file, and how much work is lost?

    python benchmarks/kills.py ../shared/data/cats_vs_dogs_2000.zip --kills 25

First the stage extract runs once undisturbed. Then, with an empty store, it is killed (SIGKILL) at a
random moment after its first image and started again, until it ends; if there were not yet enough
kills, all over again. Every features file must have the sha256 of the first.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from pipeline import paths
from pipeline.engines import open_engine
from pipeline.files import sha256_of
from pipeline.params import Params, load_params
from pipeline.stages import augment, extract, fetch, split
from pipeline.store.shards import open_shard

ROOT = Path(__file__).resolve().parents[1]
DATASET, BACKBONE = "photos", "efficientnet_lite0"
FEATURES = paths.features_file(DATASET, BACKBONE)
LOG = Path("log")


def main() -> None:
    """Print a line a kill, and what they cost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="a .zip, .tar, .tgz or folder of photos")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    archive = options.archive.resolve()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder, contextlib.chdir(folder):
        prepare(archive)
        process = start()
        await_image(process, 0)
        began = time.monotonic()
        finish(process)
        seconds, expected, images = (
            time.monotonic() - began,
            sha256_of(FEATURES),
            LOG.stat().st_size,
        )
        print(
            f"undisturbed: {images} images in {seconds:.1f} s from the first on, sha256 {expected[:12]}",
            flush=True,
        )
        kill(options.kills, random.Random(options.seed), seconds, expected)


def prepare(archive: Path) -> None:
    """Make a project of one data set, without copies, up to the stage extract."""
    settings = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    settings["datasets"] = {DATASET: {"source": "archive", "archive": str(archive)}}
    settings["augment"]["copies"] = 0
    paths.PARAMS.write_text(yaml.safe_dump(settings), encoding="utf-8")
    params = load_params()
    for stage in (fetch, split, augment):
        print(stage.run(DATASET, params), flush=True)


def kill(kills: int, rng: random.Random, seconds: float, expected: str) -> None:
    """Kill extractions; stop the benchmark when a file is not the expected one."""
    done, ended, lost = 0, 0, []
    while done < kills:
        shutil.rmtree(paths.store_folder().parent)
        stored = 0
        while True:
            before = computed()
            process = start()
            await_image(process, before)
            if done < kills:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0, seconds))
            if done == kills or process.poll() is not None:
                finish(process)
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
            now = count_stored()
            lost.append(computed() - before - (now - stored))
            print(f"kill {done}: {now - stored} stored, {lost[-1]} lost", flush=True)
            stored = now
        found = sha256_of(FEATURES)
        if found != expected:
            sys.exit(f"after kills the features file has sha256 {found[:12]}, not {expected[:12]}")
        ended += 1
        print(f"extraction {ended} ended, sha256 {found[:12]}", flush=True)
    print(f"{done} kills, {ended} extractions, each file the same; a kill lost at most {max(lost)} images, "
          f"{sum(lost) / len(lost):.0f} on average")  # fmt: skip


def start() -> subprocess.Popen[str]:
    """Start the stage in a process of its own."""
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--child"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def await_image(process: subprocess.Popen[str], before: int) -> None:
    """Wait until a process has computed its first image, or has ended."""
    while process.poll() is None and computed() == before:
        time.sleep(0.01)


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a process that must end well."""
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(errors)


def computed() -> int:
    """Return how many images went through the backbone so far."""
    return LOG.stat().st_size if LOG.exists() else 0


def count_stored() -> int:
    """Return how many features the store holds."""
    shards = paths.store_folder().glob("*/[!.]*.h5")
    return sum(len(open_shard(path, path.parent.name).keys) for path in shards)


class Logged:
    """An engine that notes each image in a file, as soon as it is through."""

    def __init__(self, engine: Any) -> None:
        self.batch_size, self.streams, self._engine = engine.batch_size, engine.streams, engine
        self._log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(self, pixels: Any) -> Any:
        """Run the engine, and add a byte to the file."""
        features = self._engine.run(pixels)
        os.write(self._log, b"x")
        return features


def child() -> None:
    """Run the stage with an engine that is logged."""
    params: Params = load_params()
    with patch(
        "pipeline.extraction.extractor.open_engine", lambda *asked: Logged(open_engine(*asked))
    ):
        extract.run(DATASET, BACKBONE, params)


if __name__ == "__main__":
    child() if sys.argv[1:] == ["--child"] else main()
