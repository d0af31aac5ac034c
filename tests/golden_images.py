"""Images by every way through the decoder, with the pixels that came out: `tests/data/golden.npz`.

    python -m tests.golden_images

adds what is new here, and renews the pixels. The files are kept, since other versions of the
encoders write other bytes; so are those of HEIC, which no library here can write.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.images import decode_grey, decode_square
from tests.sample_images import encode, heic

FILE = Path(__file__).parent / "data" / "golden.npz"
SIDE = 16
JPEG_SIZES = {"whole": 30, "half": 50, "quarter": 90, "eighth": 170, "eighth, averaged": 460}
PNG_SIZES = {"grown": 12, "linear": 46, "averaged": 64}
EXIF_TURNS = range(2, 9)


def pattern(width: int, height: int) -> Image.Image:
    """Return rings of each colour that become finer away from a corner, in integers alone."""
    y, x = np.mgrid[:height, :width] * 240 // max(width, height)
    rings = [(x * x + y * y * k) // 48 + 40 * k for k in (1, 2, 3)]
    waves = np.abs(np.stack(rings, axis=2) % 512 - 256).clip(0, 255)
    return Image.fromarray(waves.astype(np.uint8))


def golden_images() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the file of each."""
    for name, side in JPEG_SIZES.items():
        yield f"jpeg, {name}", encode(pattern(side * 4 // 3, side), "JPEG", quality=60)
    for name, side in PNG_SIZES.items():
        yield f"png, {name}", encode(pattern(side, side * 4 // 3), "PNG")
    image = pattern(60, 45)
    for turn in EXIF_TURNS:
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"jpeg, turned {turn}", encode(image, "JPEG", exif=exif)
    yield "jpeg, progressive", encode(pattern(120, 90), "JPEG", progressive=True)
    yield "jpeg, full colour", encode(pattern(120, 90), "JPEG", subsampling=0)
    yield "jpeg, grey", encode(image.convert("L"), "JPEG")
    cmyk = encode(image.convert("CMYK"), "JPEG")
    yield "jpeg, cmyk", cmyk
    adobe = cmyk.index(b"Adobe") + 11  # what it says of the colours: 2 is YCCK
    yield "jpeg, ycck", cmyk[:adobe] + b"\x02" + cmyk[adobe + 1 :]
    yield "jpeg, two images", encode(image, "MPO", save_all=True, append_images=[image.rotate(90)])
    yield (
        "png, 16 bits",
        encode(Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 251), "PNG"),
    )
    yield "png, 1 bit", encode(image.convert("1"), "PNG")
    yield "png, transparent", encode(with_alpha(image), "PNG")
    palette = image.quantize(16)
    yield "png, palette", encode(palette, "PNG")
    yield "png, transparent palette", encode(palette, "PNG", transparency=bytes(range(0, 256, 16)))
    frames = [image.rotate(90), image.rotate(180)]
    for name in ("GIF", "WEBP"):
        yield f"{name.lower()}, moving", encode(image, name, save_all=True, append_images=frames)
    yield "webp, transparent", encode(with_alpha(image), "WEBP")
    yield "bmp", encode(image, "BMP")
    yield "tiff", encode(image, "TIFF", compression="tiff_lzw")
    yield "tiff, 32 bits", encode(image.convert("I"), "TIFF")
    yield (
        "tiff, floats",
        encode(Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255), "TIFF"),
    )
    yield "avif", encode(image, "AVIF")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "avif, turned", encode(image, "AVIF", exif=exif)
    for name in ("scene", "turned", "alpha"):
        yield f"heic, {name}", heic(name)


def with_alpha(image: Image.Image) -> Image.Image:
    """Return an image that is the less transparent, the further to the right."""
    alpha = np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def main() -> None:
    """Renew the file."""
    found: dict[str, NDArray[Any]] = dict(np.load(FILE)) if FILE.exists() else {}
    golden = {}
    for name, data in golden_images():
        kept = found.get(f"{name}: file", np.frombuffer(data, np.uint8))
        golden[f"{name}: file"] = kept
        golden[f"{name}: square"] = decode_square(kept.tobytes(), SIDE)
        golden[f"{name}: grey"] = decode_grey(kept.tobytes(), SIDE).pixels
    np.savez_compressed(FILE, **golden)


if __name__ == "__main__":
    main()
