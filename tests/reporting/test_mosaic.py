"""Mosaics: every image in its place, made once."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.reporting import mosaic
from pipeline.reporting.mosaic import TILE_PIXELS, mosaic_of_files, tiles_in_a_row

COLOURS = ("red", "green", "blue", "white", "black")


def place(folder: Path) -> dict[str, Path]:
    for colour in COLOURS:
        Image.new("RGB", (90, 60), colour).save(folder / f"{colour}.png")
    return {colour: folder / f"{colour}.png" for colour in COLOURS}


def test_tiles_lie_row_by_row(tmp_path: Path) -> None:
    _, picture = mosaic_of_files(place(tmp_path), tmp_path / "cache")
    assert (picture.width, picture.height) == (3 * TILE_PIXELS, 2 * TILE_PIXELS)
    with Image.open(io.BytesIO(picture.webp)) as image:
        pixels = np.asarray(image.convert("RGB"), np.int64)
    middle = TILE_PIXELS // 2
    for number, colour in enumerate(COLOURS):
        row, column = divmod(number, 3)
        found = pixels[row * TILE_PIXELS + middle, column * TILE_PIXELS + middle]
        expected = np.asarray(Image.new("RGB", (1, 1), colour))[0, 0]
        assert np.abs(found - expected).max() < 12, colour


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (3000, 55)])
def test_a_mosaic_is_nearly_a_square(count: int, columns: int) -> None:
    assert tiles_in_a_row(count) == columns


def test_a_mosaic_is_made_once_and_again_when_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, cache = place(tmp_path), tmp_path / "cache"
    first = mosaic_of_files(files, cache)
    lay = mosaic._lay
    monkeypatch.setattr(mosaic, "_lay", None)
    assert mosaic_of_files(files, cache) == first
    (kept,) = cache.rglob("*.webp")
    kept.write_bytes(kept.read_bytes()[:-9])
    monkeypatch.setattr(mosaic, "_lay", lay)
    assert mosaic_of_files(files, cache) == first


def test_other_images_or_another_order_make_another_mosaic(tmp_path: Path) -> None:
    files, cache = place(tmp_path), tmp_path / "cache"
    name, _ = mosaic_of_files(files, cache)
    assert mosaic_of_files(dict(reversed(files.items())), cache)[0] != name
    files.pop("red")
    assert mosaic_of_files(files, cache)[0] != name


def test_an_image_that_cannot_be_shown_is_named(tmp_path: Path) -> None:
    files = place(tmp_path)
    files["blue"].write_bytes(b"")
    with pytest.raises(PipelineError, match=r"the report cannot show .*blue\.png: 0 bytes"):
        mosaic_of_files(files, tmp_path / "cache")
