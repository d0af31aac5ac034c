"""How well each kind of head does with the settings of params.yaml: the table of docs/heads.md.

    python benchmarks/defaults.py features/*/efficientnet_lite0.h5

Cross-validation over train and val together, as `bottleneck crossvalidate` does it, on all images and
on a fifth of them: five folds, drawn three times with other seeds.
"""

import argparse
import sys
from pathlib import Path

from pipeline import paths
from pipeline.features import read_features
from pipeline.heads.loading import rows_by_split
from pipeline.params import load_params
from pipeline.tools.crossvalidate import TITLES, compare_kinds, format_figures

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("mlp", "linear", "logistic", "lda", "knn", "centroid")


def main() -> None:
    """Print the table, each dataset's rows as soon as they are known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path, nargs="+", help="features files")
    parser.add_argument("--params", type=Path, default=ROOT / paths.PARAMS)
    parser.add_argument("--fractions", type=float, nargs="+", default=(1.0, 0.2))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    settings = load_params(options.params).head
    titles = ("dataset", TITLES[0], "head", *TITLES[1:])
    print(f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}")
    for file in options.features:
        features = read_features(file)
        splits = rows_by_split(features)
        for fraction in options.fractions:
            found = compare_kinds(
                splits["train"].join(splits["val"]),
                settings,
                KINDS,
                folds=options.folds,
                repeats=options.repeats,
                fraction=fraction,
            )
            for kind, records in found.items():
                images, *figures = format_figures(records)
                cells = (features.header.dataset, images, kind, *figures)
                print(f"| {' | '.join(cells)} |", flush=True)
            print(f"{file}, {fraction:g} of the groups: done", file=sys.stderr)


if __name__ == "__main__":
    main()
