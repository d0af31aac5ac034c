"""A mosaic: a square tile of each of many images, all in one picture, made once and kept."""

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

from pipeline.parallel import count_cores, map_ordered
from pipeline.reporting.thumbnails import (
    AHEAD,
    EFFORT,
    Thumbnail,
    as_thumbnail,
    encode_webp,
    read_sealed,
    showing,
    shrink,
    write_sealed,
)

TILE_PIXELS = 48
QUALITY = 40
RECIPE = f"mosaic-{TILE_PIXELS}-{QUALITY}-{EFFORT}"


def mosaic_of_files(files: Mapping[str, Path], cache: Path) -> tuple[str, Thumbnail]:
    """Return a mosaic of image files and what it is called: a hash of what is on it.

    Tiles are 48 pixels wide and lie row by row, as many in a row as `tiles_in_a_row` says.

    Args:
        files: Where each image lies, by its sha256; one at least.
        cache: The folder where thumbnails are kept.

    Raises:
        PipelineError: An image is missing or cannot be read.
    """
    name = hashlib.sha256(" ".join([RECIPE, *files]).encode()).hexdigest()
    place = cache / RECIPE / f"{name}.webp"
    webp = read_sealed(place)
    if webp is None:
        webp = encode_webp(_lay(files), QUALITY)
        write_sealed(place, webp)
    return name, as_thumbnail(webp)


def tiles_in_a_row(count: int) -> int:
    """Return how many tiles lie in a row of a mosaic of so many, which is nearly a square."""
    return math.isqrt(max(0, count - 1)) + 1


def _lay(files: Mapping[str, Path]) -> Image.Image:
    """Return all tiles, side by side."""
    columns = tiles_in_a_row(len(files))
    size = (columns * TILE_PIXELS, -(-len(files) // columns) * TILE_PIXELS)
    mosaic = Image.new("RGB", size)
    with ThreadPoolExecutor(count_cores()) as pool:
        tiles = map_ordered(pool, _tile, files.values(), ahead=AHEAD)
        for place, tile in enumerate(tiles):
            mosaic.paste(tile, (place % columns * TILE_PIXELS, place // columns * TILE_PIXELS))
    return mosaic


def _tile(path: Path) -> Image.Image:
    with showing(path):
        return ImageOps.fit(shrink(path.read_bytes(), 2 * TILE_PIXELS), (TILE_PIXELS, TILE_PIXELS))
