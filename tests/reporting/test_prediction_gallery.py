"""The gallery: which images are chosen, and what becomes of them."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.predictions import Predictions
from pipeline.reporting.prediction_gallery import (
    IMAGES,
    THUMBNAIL_PIXELS,
    build_prediction_gallery,
    choose_images,
)


def val_of(rows: list[tuple[str, int, float]]) -> Predictions:
    """Return predictions from (sha256, label, probability of class b)."""
    return Predictions(
        splits=("val",) * len(rows),
        sha256=tuple(sha256 for sha256, _, _ in rows),
        path=tuple(f"val/{sha256}.png" for sha256, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], np.int64),
        classes=("a", "b"),
        probabilities=np.array([[1 - p, p] for _, _, p in rows]),
    )


ROWS = [("0", 1, 0.9), ("1", 0, 0.7), ("2", 0, 0.99), ("3", 1, 0.52), ("4", 0, 0.45)]


def test_mistakes_come_most_confident_first_and_the_rest_least_confident_first() -> None:
    assert choose_images(val_of(ROWS)) == ([2, 1], [3, 4, 0])


def test_the_order_of_rows_decides_nothing_even_between_equals() -> None:
    rows = [(str(index), index % 2, 0.6) for index in range(10)]

    def chosen(order: list[int]) -> list[list[str]]:
        val = val_of([rows[row] for row in order])
        return [[val.sha256[row] for row in group] for group in choose_images(val)]

    assert chosen(list(range(10))) == chosen([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


def test_there_are_only_so_many_of_each_kind() -> None:
    mistakes, uncertain = choose_images(
        val_of([(f"{index:02d}", index % 2, 0.6) for index in range(40)])
    )
    assert (len(mistakes), len(uncertain)) == (IMAGES, IMAGES)
    assert not set(mistakes) & set(uncertain)


def save_images(folder: Path) -> None:
    (folder / "val").mkdir(parents=True)
    for name, _, _ in ROWS:
        Image.new("RGBA", (300, 150), "red").save(folder / "val" / f"{name}.png")


def test_thumbnails_are_small_jpegs(tmp_path: Path) -> None:
    save_images(tmp_path)
    gallery = build_prediction_gallery(val_of(ROWS), tmp_path)
    first = gallery.mistakes[0]
    assert (first.path, first.label, first.predicted, first.probability) == (
        "val/2.png",
        "a",
        "b",
        0.99,
    )
    head, _, code = first.thumbnail.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(code))) as image:
        assert (image.format, image.size) == ("JPEG", (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS // 2))


def test_an_image_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    save_images(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 150)).save(tmp_path / "val" / "2.png", exif=exif)
    code = build_prediction_gallery(val_of(ROWS), tmp_path).mistakes[0].thumbnail.partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(code))) as image:
        assert image.size == (THUMBNAIL_PIXELS // 2, THUMBNAIL_PIXELS)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\x89PNG\r\n")])
def test_an_image_that_cannot_be_shown_is_named(tmp_path: Path, damage: object) -> None:
    save_images(tmp_path)
    assert callable(damage)
    damage(tmp_path / "val" / "2.png")
    with pytest.raises(PipelineError, match=r"cannot show .*2\.png"):
        build_prediction_gallery(val_of(ROWS), tmp_path)
