"""Would 8-bit integers pay? Speed and accuracy of EfficientNet-Lite0 in OpenVINO, as NNCF quantises it.

    pip install nncf
    python benchmarks/int8.py ../shared/data/cats_vs_dogs_2000.zip ../shared/data/flower_photos_500.tgz

Calibrated on images that the project draws, so that features would not depend on the dataset. Speed is
that of the forward pass alone, on pixels in memory, of all precisions in turn; accuracy as in precision.py.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
from decoding import SIZE, features, score
from numpy.typing import NDArray
from precision import open_engine

from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine
from pipeline.engines.hardware import find_bfloat16
from pipeline.images import decode_square
from pipeline.params import BackboneParams
from pipeline.sources import drawn

DRAWINGS = 300
ROUNDS = 5


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "archives", type=Path, nargs="+", help=".zip, .tar, .tgz or folders of photos"
    )
    options = parser.parse_args()
    precisions = ["float32", *(["bfloat16"] if find_bfloat16() else [])]
    engines = {precision: open_engine(precision) for precision in precisions}
    pixels = drawn_pixels(DRAWINGS)
    engines["int8"] = quantise(pixels, engines["float32"].streams)
    speeds = measure_speeds(list(engines.values()), pixels)
    print("| precision | images/s | times float32 |\n| --- | ---: | ---: |")
    for name, speed in zip(engines, speeds, strict=True):
        print(f"| {name} | {speed:.0f} | {speed / speeds[0]:.2f} |")
    print(f"\n| photos | images | {' | '.join(engines)} | of a fold, s. d. |")
    print("| --- " * (len(engines) + 3) + "|")
    for archive in options.archives:
        found = [
            features(archive, engine, lambda data: decode_square(data, SIZE))
            for engine in engines.values()
        ]
        scores = [score(rows, labels) for labels, rows in found]
        means = " | ".join(f"{one.mean():.4f}" for one in scores)
        spread = 100 * scores[0].std()
        print(
            f"| {archive.stem} | {len(found[0][0])} | {means} | {spread:.2f} points |", flush=True
        )


def drawn_pixels(count: int) -> NDArray[np.uint8]:
    """Draw images of all drawn classes in turn, and decode them: uint8 `(count, SIZE, SIZE, 3)`."""
    kinds = [(dataset, label) for dataset in drawn.DRAWN for label in drawn.classes(dataset)]
    images = (drawn.draw(*kinds[one % len(kinds)], one // len(kinds) + 1) for one in range(count))
    return np.stack([decode_square(data, SIZE) for data in images])


def quantise(pixels: NDArray[np.uint8], streams: int) -> Any:
    """Return an engine that computes in 8-bit integers where NNCF finds that it may."""
    import nncf
    import openvino

    backbone = Backbone("efficientnet_lite0", BackboneParams())
    model = openvino.convert_model(backbone.model, input=[1, SIZE, SIZE, 3])
    small = nncf.quantize(model, nncf.Dataset([image[None] for image in pixels]))
    hints = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    compiled = openvino.Core().compile_model(small, "CPU", hints)

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = compiled.create_infer_request()
        request.infer([batch], share_inputs=True)
        values: NDArray[np.float32] = request.get_output_tensor().data.copy()
        return values

    return SimpleNamespace(run=run, streams=streams)


def measure_speeds(engines: Sequence[Engine], pixels: NDArray[np.uint8]) -> list[float]:
    """Return the images a second of each, the median of rounds in which they take turns."""
    seconds: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, taken in zip(engines, seconds, strict=True):
            with ThreadPoolExecutor(engine.streams) as pool:
                began = time.perf_counter()
                list(pool.map(engine.run, pixels[:, None]))
                taken.append(time.perf_counter() - began)
    return [len(pixels) / median(taken) for taken in seconds]


if __name__ == "__main__":
    main()
