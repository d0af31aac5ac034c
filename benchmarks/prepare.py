"""How fast an archive becomes checked class folders, against decoding alone: one table, measured in one run.

The ways take turns, so that what slows the machine slows all. Figures are medians over the rounds; the
shares are medians of the ratios within a round. They tell how near the stage comes to one decoding pass:
each photo is read from the archive, decoded once, in full, on as many threads, and nothing else is done; and
to decoding alone, with all photos in memory before the clock starts.

    python benchmarks/prepare.py ../shared/data/cats_vs_dogs_2000.zip --rounds 7
    python benchmarks/prepare.py ../shared/data/cats_vs_dogs_2000.zip --large 25000
"""

import argparse
import contextlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import simplejpeg
import yaml
from PIL import Image

from pipeline import paths
from pipeline.archives import Member, read_members
from pipeline.errors import ImageError
from pipeline.images import decode_whole
from pipeline.jpeg import JPEG_FAULTS
from pipeline.parallel import map_ordered
from pipeline.params import Params, load_params
from pipeline.splitting.duplicates import group_near_duplicates
from pipeline.stages import fetch, split

ROOT = Path(__file__).resolve().parents[1]
DATASET = "photos"
HASHES = 100_000
SMALL_PIXELS = 160
STAGES = ("fetch", "split", "augment")
DVC_ROUNDS = 5
LINKS = ("copy", "hardlink", "symlink", "reflink")
PYTHON = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}


def main() -> None:
    """Prepare the photos again and again, or many small ones once, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="a .zip, .tar, .tgz or folder of photos")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--large", type=int, default=0, metavar="IMAGES", help="go all the way with so many"
    )
    options = parser.parse_args()
    del globals()[
        "__file__"
    ]  # else each process that split starts would import this file, unlike the stage
    archive = options.archive.resolve()
    with tempfile.TemporaryDirectory(prefix="prepare-") as folder, contextlib.chdir(folder):
        if options.large:
            measure_large(archive, options.large)
        else:
            compare(archive, options.rounds)
            print(f"\n{HASHES:,} perceptual hashes grouped in {time_of(group_many):.1f} s")


def compare(archive: Path, rounds: int) -> None:
    """Print the table of `split` against decoding."""
    params = make_project(archive)
    print(fetch.run(DATASET, params), file=sys.stderr)
    members = list(read_members(paths.raw_archive(DATASET)))
    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: decode_all(members),
        "Pillow": lambda: decode_all(members, by_pillow),
        "read, decode": lambda: decode_all(read_members(paths.raw_archive(DATASET))),
        "split": lambda: split.run(DATASET, params),
    }
    seconds: list[dict[str, float]] = []
    for number in range(rounds + 1):
        if Path(
            "data/split"
        ).exists():  # not removed: ext4 is slow to make files just after it lost many
            Path("data/split").rename(f"split-{number}")
        seconds.append({name: time_of(way) for name, way in ways.items()})
        print(f"round {number} of {rounds}", file=sys.stderr)
    print_table(seconds[1:], len(members))  # the first warms up


def make_project(archive: Path) -> Params:
    """Write the project's own settings for one data set into the working folder."""
    settings = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    settings["datasets"] = {DATASET: {"source": "archive", "archive": str(archive)}}
    paths.PARAMS.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load_params()


def decode_all(
    members: Iterator[Member] | list[Member], one: Callable[[Member], bool] | None = None
) -> int:
    """Decode every image in full, in the fastest way unless told otherwise; return how many there are."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(map_ordered(pool, one or decode, members, ahead=64))


def by_pillow(member: Member) -> bool:
    """Tell whether Pillow can decode a file."""
    try:
        with Image.open(io.BytesIO(member.data)) as image:
            image.load()
    except OSError:
        return False
    return True


def decode(member: Member) -> bool:
    """Tell whether a file can be decoded."""
    try:
        simplejpeg.decode_jpeg(member.data, "RGB")
    except JPEG_FAULTS:
        try:
            decode_whole(member.data)
        except ImageError:
            return False
    return True


def time_of(way: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def group_many() -> list[str]:
    """Group as many hashes as a large data set has; all are unrelated."""
    hashes = np.random.default_rng(0).integers(0, 2**64, HASHES, np.uint64)
    return group_near_duplicates([f"{number:064x}" for number in range(HASHES)], hashes)


def print_table(rounds: list[dict[str, float]], images: int) -> None:
    """Print medians, and medians of ratios within the rounds."""
    names = {
        "decode": "decoding alone, from memory",
        "Pillow": "the same by Pillow",
        "read, decode": "a decoding pass: reading the archive too",
        "split": "stage split: check, hash, split, write",
    }
    print(f"| {'what':40} | images/s | of decoding alone | of a decoding pass |")
    print(f"| {'-' * 40} | -------- | ----------------- | ------------------ |")
    for way, name in names.items():
        seconds = statistics.median(one[way] for one in rounds)
        alone, whole = (
            statistics.median(one[limit] / one[way] for one in rounds)
            for limit in ("decode", "read, decode")
        )
        print(f"| {name:40} | {images / seconds:8.0f} | {alone:17.2f} | {whole:18.2f} |")
    print(f"\n{images:,} images, {len(rounds)} rounds, {os.cpu_count()} cores")


def measure_large(archive: Path, images: int) -> None:
    """Send many small images through fetch, split and augment, then ask DVC about the result."""
    write_small(archive, Path("small.zip"), images)
    project = Path("project")
    shutil.copytree(
        ROOT / "pipeline", project / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "dvc.yaml", project)
    shutil.copytree(ROOT / "data" / "labels", project / "data" / "labels")
    (project / "None").touch()
    with contextlib.chdir(project):
        make_project(Path("../small.zip").resolve())
        print("| stage    | seconds | peak MiB, all processes |")
        print("| -------- | ------- | ----------------------- |")
        for stage in STAGES:
            seconds, peak = watch([sys.executable, "-m", "pipeline", stage, DATASET])
            print(f"| {stage:8} | {seconds:7.1f} | {peak / 2**20:23.0f} |", flush=True)
    files = sum(path.is_file() for path in (project / "data").rglob("*"))
    print(f"\n{images:,} images, {files:,} files\n")
    print("| DVC's cache link | commit s | disk MiB | status s | of DVC's minimum |")
    print("| ---------------- | -------- | -------- | -------- | ---------------- |")
    for link in LINKS:
        print_link(link, project)


def write_small(archive: Path, target: Path, images: int) -> None:
    """Write a zip of so many small JPEG files: the photos again and again, each with noise of its own."""
    photos = [
        np.asarray(shrink(member.data), np.int16)
        for member in read_members(archive)
        if member.name.endswith(".jpg")
    ]
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(target, "w") as pack:
        for number in range(images):
            photo = number % len(photos)
            label, pixels = ("cat", "dog")[photo % 2], photos[photo]
            noisy = np.clip(pixels + rng.integers(-12, 13, pixels.shape, np.int16), 0, 255).astype(
                np.uint8
            )
            pack.writestr(f"{label}/{label}.{number}.jpg", simplejpeg.encode_jpeg(noisy, 85))


def shrink(data: bytes) -> Image.Image:
    """Return an image with a longer side of so many pixels."""
    image = Image.fromarray(decode_whole(data).pixels)
    image.thumbnail((SMALL_PIXELS, SMALL_PIXELS))
    return image


def watch(command: list[str]) -> tuple[float, int]:
    """Run a command; return its seconds, and the most bytes that all its processes held at once."""
    began, peak = time.perf_counter(), 0
    running = psutil.Popen(command, env=PYTHON, stdout=subprocess.DEVNULL)
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [running, *running.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family))
        time.sleep(0.1)
    if running.returncode:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - began, peak


def print_link(link: str, project: Path) -> None:
    """Print what DVC takes to commit the result and to look at it, with one type of link."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, least = Path(folder, "ours"), Path(folder, "least")
        shutil.copytree(project, ours)
        start_dvc(ours, link)
        start_dvc(least, link)
        try:
            commit = time_of(
                lambda: run_dvc(ours, "commit", "-q", "-f", *(f"{one}@{DATASET}" for one in STAGES))
            )
        except subprocess.CalledProcessError:
            print(f"| {link:16} | cannot be had on this file system | | | |")
            return
        disk = int(subprocess.check_output(["du", "-sm", ours], text=True).split()[0])
        shutil.copytree(project / "data", least / "data")
        run_dvc(least, "add", "-q", "data")
        rounds = [
            (
                time_of(lambda: run_dvc(ours, "status", "-q")),
                time_of(lambda: run_dvc(least, "status", "-q")),
            )
            for _ in range(DVC_ROUNDS + 1)
        ][1:]
    status = statistics.median(one for one, _ in rounds)
    ratio = statistics.median(one / other for one, other in rounds)
    print(f"| {link:16} | {commit:8.1f} | {disk:8} | {status:8.2f} | {ratio:16.2f} |", flush=True)


def start_dvc(folder: Path, link: str) -> None:
    """Make a folder a repository of DVC."""
    folder.mkdir(exist_ok=True)
    run_dvc(folder, "init", "-q", "--no-scm")
    run_dvc(folder, "config", "-q", "cache.type", link)


def run_dvc(folder: Path, *arguments: str) -> None:
    """Run DVC in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=PYTHON, check=False
    )
    if done.returncode and "status" not in arguments:  # whose 1 says that something has changed
        raise subprocess.CalledProcessError(done.returncode, done.args)


if __name__ == "__main__":
    main()
