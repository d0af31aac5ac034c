r"""How many wrong labels and foreign images `bottleneck suspects` finds, put there on purpose.

    python benchmarks/suspects.py features/cats_vs_dogs/efficientnet_lite0.h5 \
      features/flowers/efficientnet_lite0.h5

A share of the first dataset's labels (30 of 2,000) and of the second's (15 of 500) is changed, and as many
as twice that are looked at, the worst first. Then 20 images of the other dataset are mixed in under
labels drawn at random, and the 40 images furthest from their class are looked at. Other draws for each seed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.features import read_features
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.rows import Rows
from pipeline.inspection.originals import Originals
from pipeline.inspection.outliers import measure_outliers
from pipeline.inspection.suspects import judge_labels

SHARES = (0.015, 0.03)  # of labels changed: 30 of 2,000 and 15 of 500
FOREIGN = 20


def main() -> None:
    """Print a row a dataset and a trial."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path, nargs=2, help="features files of one backbone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options = parser.parse_args()
    names = [path.parent.name for path in options.features]
    both = [Originals.of(read_features(path)).rows for path in options.features]
    print("| dataset | put there | looked at | found, by seed | mean |")
    print("| --- | --- | --- | --- | --- |")
    with one_blas_thread():
        for name, rows, share in zip(names, both, SHARES, strict=True):
            count = max(1, round(share * len(rows)))
            found = [count_wrong_labels(rows, count, seed) for seed in options.seeds]
            print_row(name, f"{count} wrong labels", 2 * count, found)
        for name, rows, others in zip(names, both, reversed(both), strict=True):
            found = [count_foreign(rows, others, seed) for seed in options.seeds]
            print_row(name, f"{FOREIGN} foreign images", 2 * FOREIGN, found)


def print_row(name: str, put: str, looked_at: int, found: list[int]) -> None:
    """Print a row of the table."""
    figures = ", ".join(map(str, found))
    print(f"| {name} | {put} | {looked_at} | {figures} | {np.mean(found):.1f} |", flush=True)


def count_wrong_labels(rows: Rows, count: int, seed: int) -> int:
    """Change labels at random; return how many are among twice as many likeliest."""
    rng = np.random.default_rng(seed)
    changed = rng.choice(len(rows), count, replace=False)
    labels = rows.labels.copy()
    labels[changed] = (labels[changed] + rng.integers(1, rows.classes, count)) % rows.classes
    order = np.argsort(judge_labels(replace(rows, labels=labels)).quality, kind="stable")
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
