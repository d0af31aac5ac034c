"""Does an exported model say what `predict` says, and the head of the cached feature?

Every val image is asked.

    python benchmarks/export.py ../workspace
    python benchmarks/export.py ../shared/data/flower_photos_500.tgz --formats .onnx

In a workspace after `dvc repro`, every dataset and backbone of params.yaml; of an archive, a workspace is
made. A SavedModel gets the files' bytes, the others the pixels of the project's decoder, and ONNX once more
those made as docs/export.md shows. Each figure is the largest difference of a probability.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from predict import BACKBONE, DATASET, prepare

from pipeline import paths
from pipeline.exporting import export
from pipeline.exporting.formats import FORMATS
from pipeline.images import decode_square
from pipeline.params import Params, load_params
from pipeline.predictions_file import read_predictions
from pipeline.tools.predict import predict_files

TITLES = (
    "head", "model", "images", "from the cached feature's", "from predict's", "other class", "to write, s",
    "MB", "images/s",
)  # fmt: skip
AT_ONCE = 16
Probabilities = NDArray[Any]


def main() -> None:
    """Print a table: a row a head and format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a workspace, or an archive or folder of photos")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    options = parser.parse_args()
    source = options.source.resolve()
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        if (source / paths.PARAMS).is_file():
            with contextlib.chdir(source):
                params = load_params()
                heads = [(one, other) for one in params.datasets for other in params.backbones]
                report(heads, params, options.formats, Path(folder))
        else:
            with contextlib.chdir(folder):
                report([(DATASET, BACKBONE)], prepare(source), options.formats, Path(folder))


def report(heads: list[tuple[str, str]], params: Params, formats: list[str], folder: Path) -> None:
    """Print the rows of some heads."""
    print(f"| {' | '.join(TITLES)} |\n|{' --- |' * len(TITLES)}")
    for dataset, backbone in heads:
        table = read_predictions(paths.predictions_file(dataset, backbone)).of_split("val")
        files = [paths.split_folder(dataset) / path for path in table.path]
        answers = predict_files(files, dataset, backbone, params)
        predicted = np.array(
            [[one.probabilities[name] for name in table.classes] for one in answers]
        )
        (settings,) = params.backbone(backbone).networks
        size = settings.input_size
        for ending in formats:
            path = folder / f"{dataset}-{backbone}{ending}"
            began = time.perf_counter()
            export.run(dataset, backbone, params, path)
            written = time.perf_counter() - began
            for title, run in ways(path, ending, size):
                began = time.perf_counter()
                found = run(files)
                rate = len(files) / (time.perf_counter() - began)
                other = int((found.argmax(axis=1) != table.probabilities.argmax(axis=1)).sum())
                cells = [
                    f"{dataset}/{backbone}, {read_kind(dataset, backbone)}", title, str(len(files)),
                    f"{largest(found, table.probabilities):.1e}", f"{largest(found, predicted):.1e}",
                    str(other), f"{written:.0f}", f"{export.size_of(path) / 1e6:.1f}", f"{rate:.0f}",
                ]  # fmt: skip
                print(f"| {' | '.join(cells)} |", flush=True)


def ways(
    path: Path, ending: str, size: int
) -> list[tuple[str, Callable[[list[Path]], Probabilities]]]:
    """Return how files are answered by a model, by name."""
    if ending == "":
        import tensorflow as tf  # after pipeline, which pins what it reads from the environment

        answer = tf.saved_model.load(str(path)).signatures["serving_default"]

        def serve(files: list[Path]) -> Probabilities:
            found = [answer(images=tf.constant([one.read_bytes()])) for one in files]
            return np.concatenate([one["probabilities"].numpy() for one in found])

        return [("SavedModel, files", serve)]
    run, title = FORMATS[ending].open(path), FORMATS[ending].title

    def by(decode: Callable[[bytes, int], NDArray[np.uint8]]) -> Callable[[list[Path]], Any]:
        def answer_all(files: list[Path]) -> Probabilities:
            parts = [files[at : at + AT_ONCE] for at in range(0, len(files), AT_ONCE)]
            pixels = (np.stack([decode(one.read_bytes(), size) for one in part]) for part in parts)
            return np.concatenate([run(part) for part in pixels])

        return answer_all

    found = [(f"{title}, pixels", by(decode_square))]
    return (
        [*found, (f"{title}, the docs' pixels", by(as_documented))] if ending == ".onnx" else found
    )


def as_documented(data: bytes, size: int) -> NDArray[np.uint8]:
    """Return pixels as docs/export.md makes them."""
    photo = Image.open(io.BytesIO(data))
    photo.draft("RGB", (round(size * 8 / 7),) * 2)
    side = round(min(photo.size) * 7 / 8)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    square = photo.convert("RGB").crop((left, top, left + side, top + side))
    small = Image.fromarray(cv2.resize(np.asarray(square), (size, size)))
    small.info["exif"] = photo.info.get("exif", b"")
    return np.asarray(ImageOps.exif_transpose(small))


def largest(one: Probabilities, other: Probabilities) -> float:
    """Return the largest difference of a probability."""
    return float(np.abs(one - other).max())


def read_kind(dataset: str, backbone: str) -> str:
    """Return the kind of a head."""
    return export.read_saved(dataset, backbone).info.kind


if __name__ == "__main__":
    main()
