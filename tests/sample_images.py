"""Images of every kind and what is none, as the bytes of files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def scene(width: int = 60, height: int = 44, seed: int = 0) -> Image.Image:
    """Return a smooth coloured image with nothing alike in its corners."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return an image as a file of some format."""
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def heic(name: str) -> bytes:
    """Return a HEIC of `scene()`: `scene`, `turned` by 90 degrees, or with an `alpha` from 0 to 255.

    Only pillow-heif could write one: these are its own, of quality 90.
    """
    return (Path(__file__).parent / "data" / f"{name}.heic").read_bytes()


def odd_images() -> dict[str, bytes]:
    """Return a file of each kind that can be used, by a name that fits."""
    image = scene(seed=99)
    frames = [scene(seed=seed) for seed in (101, 102)]
    return {
        "plain.jpg": encode(image, "JPEG"),
        "UPPER.JPEG": encode(scene(seed=1), "JPEG"),
        "cmyk.jpg": encode(scene(seed=2).convert("CMYK"), "JPEG"),
        "grey.jpg": encode(scene(seed=3).convert("L"), "JPEG"),
        "two.mpo": encode(scene(seed=4), "MPO", save_all=True, append_images=[scene(seed=5)]),
        "alpha.png": encode(scene(seed=6).convert("RGBA"), "PNG"),
        "palette.png": encode(scene(seed=7).convert("P"), "PNG"),
        "bits.png": encode(scene(seed=8).convert("1"), "PNG"),
        "deep.png": encode(
            Image.fromarray(np.asarray(scene(seed=9).convert("L")).astype(np.uint16) * 257), "PNG"
        ),
        "moving.gif": encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "plain.bmp": encode(scene(seed=10), "BMP"),
        "bits.bmp": encode(scene(seed=11).convert("1"), "BMP"),
        "moving.webp": encode(scene(seed=12), "WEBP", save_all=True, append_images=frames),
        "plain.tiff": encode(scene(seed=13), "TIFF"),
        "phone.heic": heic("turned"),
        "plain.avif": encode(scene(seed=18), "AVIF"),
        "no suffix": encode(scene(seed=14), "PNG"),
        ".jpg": encode(scene(seed=15), "JPEG"),
        "is_webp.jpg": encode(scene(seed=16), "WEBP"),
        "is_jpeg.tif": encode(scene(seed=17), "JPEG"),
    }
