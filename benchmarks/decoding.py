"""What does leaving out detail while decoding cost? Accuracy with it, and with Pillow's full decoding.

    python benchmarks/decoding.py ../shared/data/cats_vs_dogs_2000.zip ../shared/data/flower_photos_500.tgz

Both ways cut the same square. Logistic regression on EfficientNet-Lite0's features, with the same
folds for both: five folds, drawn anew again and again.
"""

import argparse
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from photos import labelled_photos
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.archives import Member
from pipeline.engines import Engine
from pipeline.errors import ImageError
from pipeline.extraction.extractor import Extractor
from pipeline.images import CROP, decode_square
from pipeline.parallel import map_ordered
from pipeline.params import BackboneParams, ExtractParams

SIZE = 224
REPEATS = 10


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "archives", type=Path, nargs="+", help=".zip, .tar, .tgz or folders of photos"
    )
    settings = ExtractParams(engine="auto", precision="float32", batch_size=None, dtype="float32")
    extractor = Extractor("efficientnet_lite0", BackboneParams(), settings)
    print(
        "| photos | images | ours | Pillow, full decoding | points of difference | of a fold, s. d. |"
    )
    print(
        "| ------ | ------ | ---- | --------------------- | -------------------- | ---------------- |"
    )
    for archive in parser.parse_args().archives:
        labels, ours = features(archive, extractor.engine, lambda data: decode_square(data, SIZE))
        _, full = features(archive, extractor.engine, by_pillow)
        one, other = score(ours, labels), score(full, labels)
        print(
            f"| {archive.stem} | {len(labels)} | {one.mean():.4f} | {other.mean():.4f} "
            f"| {100 * (one.mean() - other.mean()):+.2f} | {100 * one.std():.2f} |",
            flush=True,
        )


def features(archive: Path, engine: Engine, decode: Callable[[bytes], Any]) -> tuple[Any, Any]:
    """Return the labels `(n,)` and the features `(n, 1280)` of all images that can be decoded."""

    def work(photo: tuple[str, Member]) -> tuple[str, Any] | None:
        label, member = photo
        try:
            return label, engine.run(decode(member.data)[None])[0]
        except (ImageError, OSError):
            return None

    with ThreadPoolExecutor(engine.streams) as pool:
        found = [
            one
            for one in map_ordered(pool, work, labelled_photos(archive), ahead=4 * engine.streams)
            if one
        ]
    return np.array([label for label, _ in found]), np.array([row for _, row in found])


def by_pillow(data: bytes) -> Any:
    """Decode an image in full, cut the square that `decode_square` cuts, and shrink it with a filter."""
    with Image.open(io.BytesIO(data)) as image:
        whole = image.convert("RGB")
    side = round(min(whole.size) * CROP)
    left, top = (whole.width - side) // 2, (whole.height - side) // 2
    square = whole.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def score(rows: Any, labels: Any) -> Any:
    """Return the accuracy on each fold."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=1000))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=REPEATS, random_state=0)
    return cross_val_score(model, rows, labels, cv=folds)


if __name__ == "__main__":
    main()
