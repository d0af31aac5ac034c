"""How hard the drawn datasets are: a linear model on tiny thumbnails against one on a backbone's features.

A dataset that thumbnails give away would make every head look perfect; one that a backbone cannot tell apart
would teach nothing. Run from the project's root:

    python benchmarks/drawn_difficulty.py
"""

import argparse
import io
from pathlib import Path

import numpy as np
from keras.applications import MobileNet
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.backbones.efficientnet_lite import build_lite, load_imagenet_weights
from pipeline.backbones.weights import pip_weights_file
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.sources import drawn

SPLITS = StratifiedShuffleSplit(n_splits=5, test_size=0.2, random_state=7)
STRENGTHS = (0.001, 0.01, 0.1)  # inverse regularisation; the kindest to the model counts


def main() -> None:
    """Print one row a dataset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="*", default=sorted(drawn.DRAWN))
    parser.add_argument(
        "--weights", type=Path, help="of MobileNet 0.25 without top; else EfficientNet-Lite0"
    )
    parser.add_argument("--images", type=int, help="of each class; else as many as the set has")
    options = parser.parse_args()
    print(f"{'dataset':14} {'n':>5} {'thumbnails 8x8':>15} {'backbone':>9}")
    for dataset in options.datasets:
        images, labels = load_images(dataset, options.images)
        thumbnails = measure_accuracy(shrink(images, 8), labels)
        backbone = measure_accuracy(embed(images, options.weights), labels)
        print(f"{dataset:14} {len(labels):5d} {thumbnails:15.3f} {backbone:9.3f}", flush=True)


def load_images(dataset: str, count: int | None) -> tuple[list[Image.Image], NDArray[np.str_]]:
    """Draw so many images of each class; return them and their labels, row for row."""
    numbers = range(1, (count or drawn.DRAWN[dataset].images_per_class) + 1)
    named = [
        (label, drawn.draw(dataset, label, i)) for label in drawn.classes(dataset) for i in numbers
    ]
    images = [Image.open(io.BytesIO(content)).convert("RGB") for _, content in named]
    return images, np.array([label for label, _ in named])


def shrink(images: list[Image.Image], side: int) -> NDArray[np.float32]:
    """Return images averaged down to `(n, side * side * 3)`, 0..1."""
    small = [np.asarray(image.resize((side, side), Image.Resampling.BOX)) for image in images]
    return np.asarray(np.stack(small).reshape(len(small), -1) / 255, np.float32)


def embed(images: list[Image.Image], weights: Path | None) -> NDArray[np.float32]:
    """Return a backbone's pooled features `(n, d)`: MobileNet's where its weights are given, else Lite0's."""
    pixels = np.stack(
        [np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)) for image in images]
    )
    if weights is None:
        scaled, network = (pixels - np.float32(127)) / 128, build_lite("lite0")
        load_imagenet_weights(
            network, pip_weights_file(str(CATALOGUE["efficientnet_lite0"].pip_weights))
        )
        pooled: NDArray[np.float32] = network.predict(scaled, verbose=0).mean(axis=(1, 2))
        return pooled
    network = MobileNet(
        alpha=0.25, include_top=False, pooling="avg", weights=weights, input_shape=(224, 224, 3)
    )
    features: NDArray[np.float32] = network.predict(pixels / np.float32(127.5) - 1, verbose=0)
    return features


def measure_accuracy(rows: NDArray[np.float32], labels: NDArray[np.str_]) -> float:
    """Return the mean accuracy of the best-regularised logistic regression on five 80/20 splits."""
    return max(
        float(cross_val_score(_linear_model(strength), rows, labels, cv=SPLITS).mean())
        for strength in STRENGTHS
    )


def _linear_model(strength: float) -> object:
    """Return an unfitted logistic regression on standardised columns."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


if __name__ == "__main__":
    main()
