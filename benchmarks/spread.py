"""What one run can take in from workers of Ray, and give out to them, and what it costs to begin.

    python benchmarks/spread.py [--images 200000] [--files 10000] [--workers 2]

The workers compute nothing: they send features that are made up, as fast as they can, and the run stores
them as `extract` does. So the figures are the most that any number of real workers can bring. Beside
it, the same features stored by one process without Ray. Then the run takes files of 45 kB from an
archive, hashes and writes them, as `split` does, and gives them to workers that look at none.
"""

import argparse
import hashlib
import os
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from pipeline.extraction.decoding import ImageFile
from pipeline.parallel import no_progress
from pipeline.params import RayParams
from pipeline.runners.cluster import connected
from pipeline.runners.ray_workers import extract_on_ray
from pipeline.splitting.screening import File, ScreenedImage, screen_archive
from pipeline.splitting.staging import StagingFolder
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import Store

WIDTH = 1280
BATCH = 64  # images that come at once, as of a GPU
FILE_BYTES = 45_000  # of a photo of cats and dogs


class MadeUp:
    """Opens itself, and gives features without looking at an image."""

    def open(self) -> "MadeUp":
        """Take no time."""
        return self

    def extract(self, images: Iterable[ImageFile]) -> Iterator[tuple[Any, Any]]:
        """Yield features float16 `(b, 1280)`, equal ones, each under a hash of its image's path."""
        features = np.ones((BATCH, WIDTH), np.float16)
        names = [str(image.path) for image in images]
        for start in range(0, len(names), BATCH):
            hashes = [hashlib.sha256(name.encode()).digest() for name in names[start:][:BATCH]]
            keys = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
            yield keys, features[: len(keys)]


def images(count: int) -> Iterator[ImageFile]:
    """Yield names as of a dataset's table."""
    return (
        ImageFile(Path(f"data/split/pets/train/cat/cat.{number}.jpg"), "0" * 64)
        for number in range(count)
    )


def measure(folder: Path, features: Iterable[tuple[Any, Any]]) -> float:
    """Store features; return the seconds."""
    began = time.perf_counter()
    SideBySide([Store(folder, Fingerprint(parts={}))]).add(features)
    return time.perf_counter() - began


def look_at_none(staging: StagingFolder, files: Iterable[File]) -> list[tuple[ScreenedImage, None]]:
    """Return what `screen` would of files that it does not read."""
    return [(ScreenedImage(file.member, file.sha256, FILE_BYTES), None) for file in files]


def give_out(folder: Path, count: int, settings: RayParams) -> float:
    """Have workers get the files of an archive; return the seconds."""
    archive, rng = folder / "files.zip", np.random.default_rng(7)
    with zipfile.ZipFile(archive, "w") as pack:
        for number in range(count):
            pack.writestr(f"cat/{number}.jpg", rng.bytes(FILE_BYTES))
    staging = StagingFolder(folder / "staging")
    began = time.perf_counter()
    with patch("pipeline.splitting.screening.screen", look_at_none):
        screen_archive(archive, staging, count, no_progress, settings)
    return time.perf_counter() - began


def main() -> None:
    """Print a line a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    settings = RayParams(workers=options.workers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        with connected(settings):
            print(f"to start a Ray of this machine: {time.perf_counter() - began:.1f} s")
            few = extract_on_ray(images(1), 1, MadeUp(), settings)
            print(f"to start a worker: {measure(folder / 'one', few):.1f} s")
            many = extract_on_ray(images(options.images), options.images, MadeUp(), settings)
            seconds = measure(folder / "many", many)
            given = give_out(folder, options.files, settings)
        alone = measure(folder / "alone", MadeUp().extract(images(options.images)))
    for what, took in (("sent by workers and stored", seconds), ("stored without Ray", alone)):
        print(f"features {what}: {options.images / took:,.0f} images/s, {took:.1f} s")
    print(f"files given out by split: {options.files / given:,.0f} files/s, {given:.1f} s")
    print(
        f"{options.images:,} x {WIDTH} float16, {options.files:,} x {FILE_BYTES:,} bytes, "
        f"{options.workers} workers, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
