"""How time and memory of each stage grow with the number of images, and which do not grow alike.

    python benchmarks/size.py --images 10000 100000 --classes 1000

The images are tiny and all different, in one zip; the network is a fake that gives the mean colours of
an image's parts, no copies are made, and the head learns for two epochs. All else is as users have it:
each stage is a process of its own, whose seconds and most memory the system tells. Of several numbers
of images, each is compared with the one before: processor time and memory. The table says what an image
costs: what the memory grew by, over the images that came to it. Needs 6 KB an image on the disk, and
13 bytes an image and class.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import simplejpeg
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
DATASET, BACKBONE = "many", "efficientnet_lite0"
SIDE = 32  # pixels of an image
PARTS = 4  # of a side: 4 x 4 mean colours are 48 features
STAGES = (
    ("fetch", DATASET), ("split", DATASET), ("augment", DATASET), ("weights", BACKBONE),
    ("extract", DATASET, BACKBONE), ("assemble", DATASET, BACKBONE), ("inspect", DATASET, BACKBONE),
    ("train", DATASET, BACKBONE), ("evaluate", DATASET, BACKBONE), ("report-dataset", DATASET),
    ("report-head", DATASET, BACKBONE), ("report",),
)  # fmt: skip
SETTINGS = {
    "augment": {"copies": 0},
    "head": {"kind": "linear", "epochs": 2},
    "backbones": {
        BACKBONE: {"layer": None, "pooling": "avg", "input_size": SIDE, "weights": "imagenet"}
    },
    "datasets": {DATASET: {"source": "archive", "archive": "images.zip"}},
}


class Cost(NamedTuple):
    """What a stage took: of a processor, which other programs cannot stretch, and in all."""

    seconds: float
    processor: float  # seconds, of the stage and the processes that it waited for
    mebibytes: float  # the most that one of its processes held


def main() -> None:
    """Print a table of all stages and numbers of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument(
        "--inspected", type=int, default=100_000, metavar="IMAGES",
        help="of more, what inspect finds is made up, to save time",
    )  # fmt: skip
    names = [name for name, *_ in STAGES]
    parser.add_argument("--until", choices=names, default=names[-1], help="the last stage to run")
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's")
    options = parser.parse_args()
    print(
        "| stage | images | seconds | of a processor | times | peak MiB | times | bytes an image |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    before: dict[str, Cost] = {}
    for images, fewer in zip(options.images, [0, *options.images], strict=False):
        with tempfile.TemporaryDirectory(prefix="size-", dir=options.folder) as folder:
            run(folder, __file__, "--archive", str(images), str(options.classes))
            write_settings(Path(folder))
            for stage in STAGES[: names.index(options.until) + 1]:
                if stage[0] == "inspect" and images > options.inspected:
                    run(folder, __file__, "--inspect")
                    continue
                cost = measure(folder, stage)
                print(row_of(stage[0], cost, images, before.get(stage[0]), fewer), flush=True)
                before[stage[0]] = cost


def row_of(stage: str, cost: Cost, images: int, before: Cost | None, fewer: int) -> str:
    """Return a row of the table: a stage's cost, and what it grew by since there were fewer images."""
    times, more, grown = "", "", ""
    if before:
        times = f"{cost.processor / before.processor:.2f}"
        more = f"{cost.mebibytes / before.mebibytes:.2f}"
        grown = f"{(cost.mebibytes - before.mebibytes) * 2**20 / (images - fewer):,.0f}"
    return (
        f"| {stage} | {images:,} | {cost.seconds:.1f} | {cost.processor:.1f} | {times} "
        f"| {cost.mebibytes:.0f} | {more} | {grown} |"
    )


def write_settings(folder: Path) -> None:
    """Write the project's own settings, but for those of this benchmark."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in SETTINGS.items():
        settings[section] = values if "archive" in str(values) else settings[section] | values
    (folder / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def measure(folder: str, stage: Sequence[str]) -> Cost:
    """Run a stage in a process of its own; return what it took."""
    name, *names = stage
    command = ("-m", "pipeline", name, *names)
    if name in ("extract", "assemble"):  # which is extract once more, with nothing to compute
        command = (__file__, "--extract")
    began = time.perf_counter()
    usage = run(folder, *command)
    seconds = time.perf_counter() - began
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run(folder: str, *command: str) -> resource.struct_rusage:
    """Run Python in a folder; return what it, and the processes that it waited for, used."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_ROOT": folder}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    # Not by `resource.getrusage`, which tells the most of all processes so far.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage


def write_archive(images: str, classes: str) -> None:
    """Write a zip of noise, each image another, in class folders."""
    rng = np.random.default_rng(7)
    with zipfile.ZipFile("images.zip", "w") as pack:
        for number in range(int(images)):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            name = f"class {number % int(classes):04d}/{number:07d}.jpg"
            pack.writestr(name, simplejpeg.encode_jpeg(pixels, 50))


class MeanColours:
    """A fake engine: 48 features, the mean colours of 4 x 4 parts of an image, 0..1."""

    batch_size, streams = 1, os.cpu_count() or 1

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(1, h, h, 3)` into features float32 `(1, 48)`."""
        side = pixels.shape[1] // PARTS
        parts = pixels.reshape(1, PARTS, side, PARTS, side, 3)
        features: NDArray[np.float32] = parts.mean(axis=(2, 4), dtype=np.float32) / 255
        return features.reshape(1, -1)


def extract() -> None:
    """Run the stage extract as the command does, with the fake engine."""
    from pipeline import cli

    sys.argv = ["bottleneck", "extract", DATASET, BACKBONE]
    with patch("pipeline.extraction.extractor.open_engine", lambda *_: MeanColours()):
        cli.main()


def inspect() -> None:
    """Leave what the stage inspect would."""
    from report import make_inspections, used_images  # for the same dataset and backbone

    make_inspections(used_images(), np.random.default_rng(7))


TASKS: dict[str, Callable[..., None]] = {
    "--archive": write_archive,
    "--extract": extract,
    "--inspect": inspect,
}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in TASKS:
        TASKS[sys.argv[1]](*sys.argv[2:])
    else:
        main()
