"""A small project after `dvc repro`: images whose mean colour tells their class, features, a head.

root, params = make_trained(tmp_path / "project", patch)      # and chdir; see use_mean_colour
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.params import Params
from pipeline.stages import evaluate, extract, train
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, draw_image, make_project, place

SIZES = {"train": 12, "val": 6}


def make_trained(
    root: Path,
    patch: pytest.MonkeyPatch,
    dataset: str = "pets",
    classes: Sequence[str] = ("cat", "dog"),
    sizes: dict[str, int] = SIZES,
) -> Params:
    """Leave what the stages would, of images of each class in each split; each of train has a copy."""
    use_mean_colour(patch)
    own = {f"datasets.{dataset}": {"source": "archive", "archive": dataset}}
    params = make_project(root, patch, {**own, "head.kind": "mlp", "head.epochs": 20})
    images, copies = {}, {}
    wanted = [
        (split, name, one) for split in sizes for name in classes for one in range(sizes[split])
    ]
    for number, (split, label, one) in enumerate(wanted):
        path = f"{split}/{label}/{one}.jpg"
        images[path] = tinted_image(classes.index(label), number)
        if split == "train":
            copy = tinted_image(classes.index(label), 10_000 + number)
            copies[path] = {f"train/{label}/{one}__copy1.jpg": copy}
    place(dataset, images, copies)
    for stage in (extract, train, evaluate):
        stage.run(dataset, BACKBONE, params)
    return params


def tinted_image(label: int, number: int) -> bytes:
    """Return a JPEG of coloured noise, different for each number, in the colour of a class."""
    noise = Image.open(io.BytesIO(draw_image(number)))
    colour = np.random.default_rng(label).integers(0, 256, 3).tolist()
    stream = io.BytesIO()
    tint = Image.new("RGB", noise.size, tuple(colour))
    Image.blend(noise, tint, 0.5).save(stream, "JPEG", quality=95)
    return stream.getvalue()
