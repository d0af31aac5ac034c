"""What does computing in bfloat16 cost? Accuracy with it, and with float32, on the same folds.

    python benchmarks/precision.py ../shared/data/cats_vs_dogs_2000.zip ../shared/data/flower_photos_500.tgz

Logistic regression on EfficientNet-Lite0's features; benchmarks/extract.py says how much time it saves.
"""

import argparse
from pathlib import Path

from decoding import SIZE, features, score

from pipeline.engines import Engine
from pipeline.engines.hardware import find_bfloat16
from pipeline.extraction.extractor import Extractor
from pipeline.images import decode_square
from pipeline.params import BackboneParams, ExtractParams


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "archives", type=Path, nargs="+", help=".zip, .tar, .tgz or folders of photos"
    )
    options = parser.parse_args()
    if find_bfloat16() is None:
        print("This processor has neither AMX nor AVX512-BF16: there is no bfloat16 to measure.")
        return
    engines = [open_engine(precision) for precision in ("float32", "bfloat16")]
    print("| photos | images | float32 | bfloat16 | points of difference | of a fold, s. d. |")
    print("| ------ | ------ | ------- | -------- | -------------------- | ---------------- |")
    for archive in options.archives:
        found = [features(archive, one, lambda data: decode_square(data, SIZE)) for one in engines]
        exact, rounded = (score(rows, labels) for labels, rows in found)
        print(
            f"| {archive.stem} | {len(found[0][0])} | {exact.mean():.4f} | {rounded.mean():.4f} "
            f"| {100 * (rounded.mean() - exact.mean()):+.2f} | {100 * exact.std():.2f} |",
            flush=True,
        )


def open_engine(precision: str) -> Engine:
    """Open EfficientNet-Lite0 in OpenVINO."""
    settings = ExtractParams.model_validate(
        {"engine": "openvino", "precision": precision, "batch_size": None, "dtype": "float16"}
    )
    return Extractor("efficientnet_lite0", BackboneParams(), settings).engine


if __name__ == "__main__":
    main()
