r"""How many wrong labels and foreign images `bottleneck suspects` finds, put there on purpose.

    python benchmarks/suspects.py features/cats_vs_dogs/efficientnet_lite0.h5 \
      features/flowers/efficientnet_lite0.h5

A share of the first dataset's labels (30 of 2,000) and of the second's (15 of 500) is changed, and as many
as twice that are looked at, the worst first, by the heads of few images and classes and by those of many.
Then 20 images of the other dataset are mixed in under labels drawn at random, and the 40 images furthest
from their class are looked at. Other draws for each seed.

    python benchmarks/suspects.py --times 2000,2 2000,50 20000,5 20000,50

says how long both heads take to judge drawn features, by images and classes.
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from pipeline.features import read_features
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.rows import Rows
from pipeline.inspection import suspects
from pipeline.inspection.originals import Originals
from pipeline.inspection.outliers import measure_outliers

HEADS = {"logistic": suspects.LOGISTIC, "lda": suspects.LDA}
WIDTH = 1280
SHARES = (0.015, 0.03)  # of labels changed: 30 of 2,000 and 15 of 500
FOREIGN = 20


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path, nargs="*", help="two features files of one backbone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--times", nargs="+", default=[], metavar="IMAGES,CLASSES")
    options = parser.parse_args()
    if options.times:
        print_times(tuple(map(int, size.split(","))) for size in options.times)
    if options.features:
        print_found(options.features, options.seeds)


def print_found(files: Sequence[Path], seeds: Sequence[int]) -> None:
    """Print a row a dataset and a trial."""
    names = [path.parent.name for path in files]
    both = [Originals.of(read_features(path)).rows for path in files]
    print("| dataset | put there | looked at | found, by seed | mean |")
    print("| --- | --- | --- | --- | --- |")
    with one_blas_thread():
        for name, rows, share in zip(names, both, SHARES, strict=True):
            count = max(1, round(share * len(rows)))
            for head in HEADS:
                found = [count_wrong_labels(rows, count, seed, head) for seed in seeds]
                print_row(name, f"{count} wrong labels, {head}", 2 * count, found)
        for name, rows, others in zip(names, both, reversed(both), strict=True):
            found = [count_foreign(rows, others, seed) for seed in seeds]
            print_row(name, f"{FOREIGN} foreign images", 2 * FOREIGN, found)


def print_row(name: str, put: str, looked_at: int, found: list[int]) -> None:
    """Print a row of the table."""
    figures = ", ".join(map(str, found))
    print(f"| {name} | {put} | {looked_at} | {figures} | {np.mean(found):.1f} |", flush=True)


def print_times(sizes: Iterable[tuple[int, ...]]) -> None:
    """Print the seconds of a processor that a verdict on drawn features takes, by head."""
    print(f"| images | classes | {' | '.join(HEADS)} |")
    print(f"| ---: | ---: | {' | '.join('---:' for _ in HEADS)} |")
    with one_blas_thread():
        for images, classes in sizes:
            rows = draw_rows(images, classes)
            seconds = [f"{time_verdict(rows, head):.1f}" for head in HEADS]
            print(f"| {images:,} | {classes} | {' | '.join(seconds)} |", flush=True)


def draw_rows(images: int, classes: int) -> Rows:
    """Draw features of length 1, most of which say little, of classes that overlap."""
    rng = np.random.default_rng(7)
    labels = np.arange(images) % classes
    features = rng.standard_normal((classes, WIDTH))[labels] * 0.1
    features += rng.standard_normal((images, WIDTH))
    features *= np.arange(1, WIDTH + 1) ** -0.5
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Rows(
        features=features.astype(np.float32),
        labels=labels,
        groups=np.arange(images).astype("S64"),
        original=np.ones(images, np.bool_),
        classes=classes,
    )


def time_verdict(rows: Rows, head: str) -> float:
    """Return the seconds of a processor that a verdict takes."""
    began = time.process_time()
    with patch.object(suspects, "choose_recipe", lambda *size: HEADS[head]):
        suspects.judge_labels(rows)
    return time.process_time() - began


def count_wrong_labels(rows: Rows, count: int, seed: int, head: str) -> int:
    """Change labels at random; return how many are among twice as many likeliest."""
    rng = np.random.default_rng(seed)
    changed = rng.choice(len(rows), count, replace=False)
    labels = rows.labels.copy()
    labels[changed] = (labels[changed] + rng.integers(1, rows.classes, count)) % rows.classes
    with patch.object(suspects, "choose_recipe", lambda *size: HEADS[head]):
        verdicts = suspects.judge_labels(replace(rows, labels=labels))
    order = np.argsort(verdicts.quality, kind="stable")
    return int(np.isin(order[: 2 * count], changed).sum())


def count_foreign(rows: Rows, others: Rows, seed: int) -> int:
    """Mix in images of another dataset; return how many are among twice as many furthest."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(others), FOREIGN, replace=False)
    mixed = Rows(
        features=np.concatenate([rows.features, others.features[chosen]]),
        labels=np.concatenate([rows.labels, rng.integers(0, rows.classes, FOREIGN)]),
        groups=np.concatenate([rows.groups, others.groups[chosen]]),
        original=np.ones(len(rows) + FOREIGN, np.bool_),
        classes=rows.classes,
    )
    order: NDArray[np.int64] = np.argsort(-measure_outliers(mixed), kind="stable")
    return int((order[: 2 * FOREIGN] >= len(rows)).sum())


if __name__ == "__main__":
    main()
