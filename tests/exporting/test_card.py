"""The card's lines, and those of docs/export.md: the pixels that they prepare are the project's."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.exporting.card import describe_pixels
from pipeline.images import decode_square
from tests.sample_images import scene

DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"
SIZE = 224

PHOTO = Image.fromarray(np.asarray(scene(300, 260, seed=3)))
WITH_ALPHA = PHOTO.convert("RGBA")
WITH_ALPHA.putalpha(PHOTO.getchannel("R"))
TURNED = Image.Exif()
TURNED[0x0112] = 6


def lines_of_the_document() -> str:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "exif_transpose" in block)


def lines_of_the_card() -> str:
    return re.findall(r"```python\n(.*?)```", describe_pixels(SIZE), re.DOTALL)[0]


@pytest.mark.parametrize("lines", [lines_of_the_document, lines_of_the_card])
@pytest.mark.parametrize(
    ("image", "image_format", "options"),
    [
        pytest.param(PHOTO, "JPEG", {}, id="JPEG"),
        pytest.param(PHOTO, "JPEG", {"exif": TURNED}, id="turned"),
        pytest.param(PHOTO.resize((900, 820)), "PNG", {}, id="much to shrink"),
        pytest.param(PHOTO.resize((5000, 4800)), "JPEG", {}, id="more than JPEG shrinks"),
        pytest.param(PHOTO.convert("CMYK"), "JPEG", {}, id="CMYK"),
        pytest.param(PHOTO.convert("1"), "PNG", {}, id="one bit"),
        pytest.param(PHOTO.quantize(16), "PNG", {}, id="palette"),
        pytest.param(PHOTO.quantize(16), "PNG", {"transparency": 3}, id="a transparent colour"),
        pytest.param(
            PHOTO.quantize(4), "PNG", {"transparency": b"\0\x64\xc8\xff"}, id="a palette's"
        ),
        pytest.param(PHOTO.convert("L"), "PNG", {"transparency": 90}, id="a transparent grey"),
        pytest.param(WITH_ALPHA, "PNG", {}, id="RGBA"),
        pytest.param(WITH_ALPHA.convert("LA"), "PNG", {}, id="LA"),
        pytest.param(WITH_ALPHA, "WEBP", {"lossless": True}, id="WebP"),
        pytest.param(PHOTO.quantize(32), "GIF", {"transparency": 0}, id="GIF"),
    ],
)
def test_the_lines_prepare_the_pixels_of_the_project(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: Callable[[], str],
    image: Image.Image,
    image_format: str,
    options: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = Path("photo.jpg")
    image.save(photo, image_format, **options)
    names: dict[str, Any] = {}
    exec(lines(), names)
    names["photo"].close()
    np.testing.assert_array_equal(names["pixels"][0], decode_square(photo.read_bytes(), SIZE))
