"""What an explanation looks like: an image, beside it the same one under its heat map, and a line of text."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.explanations.overlay import overlay
from pipeline.heads.rows import Float
from pipeline.images import Pixels

SIDE, GAP, LINE = 336, 8, 26  # pixels
FONT_SIZE = 16


def draw_row(pixels: Pixels, evidence: Float, title: str, name: str) -> Pixels:
    """Draw one image.

    Args:
        pixels: What the network saw, uint8 `(s, s, 3)`.
        evidence: What each place adds to the class, float64 `(h, w)`; negative: to others.
        title: The class and its probability.
        name: Of the image; its end is cut off where it is too long.

    Returns:
        uint8 `(376, 696, 3)`.
    """
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    row = Image.new("RGB", (2 * SIDE + 3 * GAP, SIDE + LINE + GAP + GAP // 2), "white")
    row.paste(image, (GAP, LINE + GAP // 2))
    heat = Image.fromarray(overlay(np.asarray(image), evidence))
    row.paste(heat, (SIDE + 2 * GAP, LINE + GAP // 2))
    pen, font = ImageDraw.Draw(row), ImageFont.load_default(FONT_SIZE)
    pen.text((GAP, GAP // 2), _shortened(name, font), "black", font)
    pen.text((SIDE + 2 * GAP, GAP // 2), _shortened(title, font), "black", font)
    return np.asarray(row)


def stack_rows(rows: Sequence[Pixels]) -> Pixels:
    """Put rows of one size below one another."""
    return np.concatenate(rows)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut a text's end off where it is wider than an image."""
    if font.getlength(text) <= SIDE:
        return text
    while text and font.getlength(f"{text}...") > SIDE:
        text = text[:-1]
    return f"{text}..."
