"""How long the report of a large dataset takes to make and to open, and how large it is.

    python benchmarks/report.py --images 25000 --classes 100

The images are drawn ones, again and again under other hashes; what would come of extract, inspect and
train is made up, right nine times in ten. The stages fetch, split, evaluate and those of the report are
the real ones, each a process as DVC starts it. The second head is little unlike the first, as an
experiment's is: it finds most thumbnails there, and makes those of images that the first did not show.
The browser is Debian's chromium, where it is installed.
"""

import argparse
import contextlib
import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline import paths
from pipeline.heads.saving import HeadInfo, SavedHead, write_head
from pipeline.inspections import Inspections, write_inspections
from pipeline.manifest import USED, read_manifest
from pipeline.params import Params, load_params
from pipeline.predictions import Predictions
from pipeline.sources import drawn
from pipeline.stages import evaluate, fetch, split

ROOT = Path(__file__).resolve().parents[1]
DATASET, BACKBONE = "many", "efficientnet_lite0"
DRAWINGS = 100
MAPPED = 3000
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def main() -> None:
    """Print a line a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--classes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="report-") as folder, contextlib.chdir(folder):
        params = make_project(options.images, options.classes)
        rng = np.random.default_rng(7)
        images = used_images()
        scores = make_scores(images, rng)
        make_inspections(images, rng)
        place_head(params, images, scores)
        first = {name: time_stage(name) for name in ("report-dataset", "report-head", "report")}
        place_head(params, images, scores + rng.normal(0, 0.2, scores.shape))
        second = {name: time_stage(name) for name in ("report-head", "report")}
        again = {"report-head": time_stage("report-head")}
        print(f"{len(images):,} images used, {options.classes} classes, {os.cpu_count()} cores\n")
        print("| what | seconds | of a processor |\n| --- | ---: | ---: |")
        titles = ("first report", "another head", "the same again")
        for title, runs in zip(titles, (first, second, again), strict=True):
            for name, (seconds, busy) in runs.items():
                print(f"| {title}: {name} | {seconds:.2f} | {busy:.2f} |")
        for event, milliseconds in open_page(paths.REPORT).items():
            print(f"| page opened: {event} | {milliseconds / 1000:.2f} | |")
        print(f"\nThe page has {paths.REPORT.stat().st_size / 1e6:.2f} MB.")


def make_project(images: int, classes: int) -> Params:
    """Draw the images into class folders, and have them checked and split."""
    settings = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    settings["datasets"] = {DATASET: {"source": "archive", "archive": "drawings"}}
    settings["split"]["near_duplicates"] = False  # each drawing is there many times
    settings["head"]["kind"] = "linear"
    paths.PARAMS.write_text(yaml.safe_dump(settings), encoding="utf-8")
    labels = drawn.classes("flowers")
    drawings = [
        drawn.draw("flowers", labels[one % len(labels)], one + 1)
        for one in range(min(DRAWINGS, images))
    ]
    for number, jpeg in enumerate(islice(cycle(drawings), images)):
        file = Path("drawings", f"class {number % classes:03d}", f"{number:06d}.jpg")
        file.parent.mkdir(parents=True, exist_ok=True)
        comment = b"\xff\xfe\x00\x08" + f"{number:06d}".encode()
        file.write_bytes(jpeg[:2] + comment + jpeg[2:])
    params = load_params()
    for stage in (fetch, split):
        print(stage.run(DATASET, params), file=sys.stderr)
    return params


def used_images() -> Predictions:
    """Return the used images as a table of predictions that knows nothing."""
    rows = [row for row in read_manifest(paths.manifest_file(DATASET)) if row.status == USED]
    rows.sort(key=lambda row: (row.split, row.path))
    classes = tuple(sorted({row.label for row in rows}))
    return Predictions(
        splits=tuple(row.split for row in rows),
        sha256=tuple(row.sha256 for row in rows),
        path=tuple(row.path for row in rows),
        labels=np.array([classes.index(row.label) for row in rows]),
        classes=classes,
        probabilities=np.full((len(rows), len(classes)), 1 / len(classes)),
    )


def make_scores(images: Predictions, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return scores `(n, k)` of which some nine in ten are highest for the label."""
    scores = rng.normal(0, 1.2, (len(images), len(images.classes)))
    scores[np.arange(len(images)), images.labels] += 5
    return scores


def place_head(params: Params, images: Predictions, scores: NDArray[np.float64]) -> None:
    """Leave what the stage train would, and measure it; the head itself knows nothing."""
    exponentials = np.exp(scores)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    known = {name: getattr(images, name) for name in images.__slots__ if name != "probabilities"}
    info = HeadInfo(
        kind="linear", settings=params.head.own_settings().model_dump(mode="json"),
        scaling="none", temperature=1.0, shape=(1,), rows=1, fit_on="train", chosen={}, trials=(),
        classes=images.classes, backbone=BACKBONE, fingerprint="f" * 32, fingerprint_parts="{}",
    )  # fmt: skip
    tensors = {name: np.zeros(size, np.float32) for name, size in info.tensor_shapes().items()}
    predictions = Predictions(**known, probabilities=probabilities)
    folder = paths.model_folder(DATASET, BACKBONE)
    shutil.rmtree(folder, ignore_errors=True)
    write_head(folder, SavedHead(info=info, tensors=tensors), [predictions])
    history = paths.history_file(DATASET, BACKBONE)
    history.parent.mkdir(parents=True, exist_ok=True)
    with history.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["epoch", "split", "log_loss", "accuracy"])
        table.writerows(
            (epoch, name, 1 / epoch, 0.9) for epoch in range(1, 16) for name in ("train", "val")
        )
    print(evaluate.run(DATASET, BACKBONE, params), file=sys.stderr)


def make_inspections(images: Predictions, rng: np.random.Generator) -> None:
    """Leave what the stage inspect would: one image in fifty a suspect, three thousand on the map."""
    n = len(images)
    label = tuple(images.classes[one] for one in images.labels)
    quality, outlier = rng.random((2, n))
    place = rng.normal(0, 1, (n, 2)) + 6 * rng.normal(0, 1, (len(images.classes), 2))[images.labels]
    place[rng.permutation(n)[MAPPED:]] = np.nan
    train = [row for row in range(n) if images.splits[row] == "train"]
    near = rng.choice(train, (n, min(3, len(train))))
    write_inspections(
        paths.inspection_file(DATASET, BACKBONE),
        Inspections(
            sha256=images.sha256, path=images.path, split=images.splits, label=label,
            suggested=label[1:] + label[:1], quality=quality, suspect=quality < 0.02,
            outlier=outlier, is_outlier=outlier > 0.99, x=place[:, 0], y=place[:, 1],
            neighbours=tuple(tuple(images.sha256[one] for one in row) for row in near.tolist()),
        ),
    )  # fmt: skip


def time_stage(command: str) -> tuple[float, float]:
    """Return how many seconds a stage takes, from the start of its process to the end, and a processor's."""
    names = {"report-dataset": [DATASET], "report-head": [DATASET, BACKBONE]}.get(command, [])
    began, used = time.perf_counter(), children_seconds()
    subprocess.run(
        [sys.executable, "-m", "pipeline", command, *names],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began, children_seconds() - used


def children_seconds() -> float:
    """Return the time that processors gave to the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def open_page(file: Path) -> dict[str, float]:
    """Return the milliseconds from opening a page to what a reader waits for; nothing without a browser."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("playwright or chromium is not installed: the page is not opened", file=sys.stderr)
        return {}
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(file.resolve().as_uri())
        page.wait_for_function(PAINTED)
        timing: dict[str, Any] = page.evaluate(
            "performance.getEntriesByType('navigation')[0].toJSON()"
        )
        painted = float(page.evaluate(PAINTED))
        browser.close()
    return {
        "first paint": painted,
        "scripts run": float(timing["domContentLoadedEventEnd"]),
        "all loaded": float(timing["loadEventEnd"]),
    }


if __name__ == "__main__":
    main()
