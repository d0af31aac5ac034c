"""Bytes to checked, upright RGB pixels; the only decoder.

JPEG files, nearly all images, go through libjpeg-turbo, which can leave out detail that a
smaller image would not show (scaling in the DCT domain). Everything else goes through Pillow, HEIC
with pi-heif behind it.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
import pi_heif
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import ImageError
from pipeline.jpeg import (
    JPEG_FAULTS,
    START,
    find_damage,
    find_excess,
    join_segments,
    read_size,
    start_of_scan,
)
from pipeline.tiff import Levels, open_page

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")  # MPO opens as a JPEG
MAX_PIXELS = 100_000_000  # a 100-megapixel image takes 300 MB; larger ones are taken for bombs
MIN_SIDE, MAX_SIDE = 8, 32_766  # OpenCV cannot turn or zoom an image that is wider
CROP = 7 / 8
MAX_OF_UNIT = 2.0  # floats up to there are meant to be 0 to 1
AREA_FACTOR = 3  # from here on, linear interpolation would skip over pixels
ORIENTATION_MARKS = (b"Exif\0\0", b"tiff:Orientation")  # in EXIF, and in XMP
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
    8: lambda x: x.swapaxes(0, 1)[::-1],
}  # EXIF orientation to the change of an array (h, w, ...) that undoes it
LYING = (5, 6, 7, 8)  # the orientations in which width and height change places
TURNED = "turned as EXIF says"
MODES = {"YCbCr": "RGB", "Gray": "L"}  # libjpeg's colours to Pillow's mode, where both decode alike

cv2.setNumThreads(1)  # the callers run many images at once; threads inside one only get in the way
Image.MAX_IMAGE_PIXELS = None  # _check_size is stricter
# libheif turns images upright itself, and says so: their EXIF then has nothing left to turn.
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
# For good, not around each image: threads would undo one another's filters.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImage:
    """An image that was decoded whole.

    Attributes:
        pixels: uint8 `(h, w, 3)`, RGB, upright; grey and square from `decode_grey`.
        width, height: Of the whole image, upright, pixels.
        format: As Pillow names it: JPEG, PNG, GIF, BMP, WEBP, TIFF, AVIF, HEIF (also HEIC).
        mode: Pillow's mode in the file, before conversion: RGB, L, P, RGBA, CMYK, I;16, ...
        notes: What was done or is odd: `animated`, `turned`, `converted`.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    mode: str
    notes: tuple[str, ...]


def decoder_versions() -> dict[str, str]:
    """Return what decides pixel values here, for fingerprints."""
    names = ("simplejpeg", "pillow", "pi-heif", "opencv-python-headless")
    libraries = {name: version(name) for name in names}
    return {"algorithm": "dct halves, middle 7/8, linear below 3, else area", **libraries}


def decode_square(data: bytes, size: int) -> Pixels:
    """Decode an image and cut the square from its middle that a backbone looks at.

    The square is 7/8 as wide as the shorter side, as in the usual test on ImageNet: the aspect
    ratio stays (squashing costs cats and dogs half a point of accuracy). The DCT brings a JPEG
    down to less than twice the size; the rest is linear interpolation, as in the networks' own
    training, or averaging where there is much to shrink.

    Args:
        data: An image file's bytes.
        size: Height and width wanted, pixels.

    Returns:
        uint8 `(size, size, 3)`, RGB, 0..255, upright, C-contiguous.

    Raises:
        ImageError: The bytes are not an image that can be read.
    """
    _check_jpeg(data)
    try:
        pixels, turn = _decode_jpeg(data, round(size / CROP)), _orientation(data)
    except JPEG_FAULTS:
        pixels, turn = decode_whole(data).pixels, 1
    square = _middle(pixels)
    method = cv2.INTER_AREA if len(square) >= AREA_FACTOR * size else cv2.INTER_LINEAR
    resized = cv2.resize(square, (size, size), interpolation=method)
    return np.ascontiguousarray(_turn(np.asarray(resized, np.uint8), turn))


def decode_whole(data: bytes) -> DecodedImage:
    """Read every bit of an image, and say what it is.

    Args:
        data: An image file's bytes.

    Raises:
        ImageError: The bytes are empty, not an image, truncated, too small or too large; the
            message is the reason for a quarantine.
    """
    return _decode(data, side=0)


def decode_grey(data: bytes, side: int) -> DecodedImage:
    """Read and check an image just as `decode_whole` does, and shrink it to a small grey square.

    That takes two thirds of the time: a JPEG's colours and finest detail are left out, in the DCT domain.

    Args:
        data: An image file's bytes.
        side: Height and width wanted, pixels.

    Returns:
        The image, whose pixels are uint8 `(side, side)`: averages of 0.299 red + 0.587 green +
        0.114 blue over equal parts of it.

    Raises:
        ImageError: As `decode_whole`.
    """
    return _decode(data, side)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"too small: {width} x {height} pixels, at least {MIN_SIDE} x {MIN_SIDE} are needed"
        )
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            f"too large: {width} x {height} pixels, "
            f"at most {MAX_PIXELS:,} in all and {MAX_SIDE:,} a side are read"
        )


def _check_jpeg(data: bytes) -> None:
    size = read_size(data) if data.startswith(START) else None
    if size is None:
        return
    _check_size(*size)
    if excess := find_excess(data, *size):
        raise ImageError(excess)


def _decode(data: bytes, side: int) -> DecodedImage:
    """Decode in colour, or as `decode_grey` does if a side is given."""
    if not data:
        raise ImageError("0 bytes")
    _check_jpeg(data)
    try:
        return _load_plain(data, side)
    except JPEG_FAULTS:
        if data.startswith(START):
            if damage := find_damage(data):  # Pillow would fill what is lost with grey
                raise ImageError(f"damaged: {damage}") from None
            data = join_segments(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            levels = open_page(image)
            _check_size(*image.size)
            decoded = _load(image, levels)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image") from None
    except Exception as error:  # noqa: BLE001 (Pillow's readers raise nearly anything on damaged files)
        raise ImageError(f"damaged: {_first_line(error)}") from None
    if side:
        grey = np.asarray(cv2.cvtColor(decoded.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        decoded = replace(decoded, pixels=_squash(grey, decoded.width, decoded.height, side))
    return decoded


def _load_plain(data: bytes, side: int) -> DecodedImage:
    """Decode an ordinary JPEG, nearly every image, by the fast path; else one of JPEG_FAULTS."""
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    mode = MODES[colours]
    if side:
        grey = simplejpeg.decode_jpeg(
            data, "GRAY", min_height=side + 1, min_width=side + 1, strict=True
        )
        pixels = _squash(grey[..., 0], width, height, side)
    else:
        pixels = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    turn = _orientation(data)
    if turn in LYING:
        width, height = height, width
    notes = (TURNED,) if turn in UPRIGHT else ()
    return DecodedImage(
        pixels=_turn(pixels, turn),
        width=width,
        height=height,
        format="JPEG",
        mode=mode,
        notes=notes,
    )


def _squash(grey: Pixels, width: int, height: int, side: int) -> Pixels:
    """Average what may be a smaller version of an image over the cells of a square.

    libjpeg's versions have so many eighths of the width and height, rounded up: their last column
    and row lie partly outside the image.
    """
    rows, columns = grey.shape
    rows_inside, columns_inside = rows * 8 // height * height / 8, columns * 8 // width * width / 8
    squashed = cv2.resize(
        grey, None, fx=side / columns_inside, fy=side / rows_inside, interpolation=cv2.INTER_AREA
    )
    return np.asarray(squashed[:side, :side], np.uint8)


def _load(image: Image.Image, levels: Levels) -> DecodedImage:
    image_format = "JPEG" if image.format == "MPO" else str(image.format)
    mode, notes = image.mode, []
    if image_format not in ("JPEG", "HEIF") and getattr(image, "n_frames", 1) > 1:
        notes.append("animated: first frame used")
    turn = _read_orientation(image) if image_format == "JPEG" else image.getexif().get(0x0112, 1)
    if turn in UPRIGHT:
        notes.append(TURNED)
    if mode not in ("RGB", "L"):
        notes.append(f"converted from {mode}")
    pixels = _to_rgb(ImageOps.exif_transpose(image), levels)
    height, width, _ = pixels.shape
    return DecodedImage(
        pixels=pixels,
        width=width,
        height=height,
        format=image_format,
        mode=mode,
        notes=tuple(notes),
    )


def _to_rgb(image: Image.Image, levels: Levels) -> Pixels:
    """Turn any mode into RGB: more bits to 8, transparent parts to white."""
    image.load()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = _to_grey(image, levels)
        return np.repeat((255 - grey if levels.is_negative else grey)[..., None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(image.convert("RGB"), np.uint8)


def _to_grey(image: Image.Image, levels: Levels) -> Pixels:
    """Turn the numbers of a grey image of more than 8 bits into 0 (black) to 255.

    Of 16 bits, 65,535 is white. Of floats 1 is, where none is above 2: a photo that was enlarged or
    sharpened goes a little beyond. Of others, what no number says: 255, or the brightest there is.
    """
    if image.mode.startswith("I;16"):
        return (np.asarray(image, np.uint16) >> levels.bits - 8).astype(np.uint8)
    values = np.asarray(image, np.float64)
    if levels.is_unsigned:
        values = np.where(values < 0, values + 2**32, values)
    brightest = float(values.max(initial=0, where=np.isfinite(values)))
    values = np.clip(np.nan_to_num(values), 0, None)
    white = 1.0 if image.mode == "F" and brightest <= MAX_OF_UNIT else max(255.0, brightest)
    grey: Pixels = (np.minimum(values / white, 1) * 255).astype(np.uint8)
    return grey


def _decode_jpeg(data: bytes, size: int) -> Pixels:
    """Decode a JPEG no smaller than `size` either way; ValueError where Pillow must do it."""
    colours = simplejpeg.decode_jpeg_header(data, strict=False)[2]
    if colours not in MODES:
        raise ValueError(colours)
    pixels: Pixels = simplejpeg.decode_jpeg(
        data, "RGB", min_height=size, min_width=size, min_factor=2, strict=False
    )
    return pixels


def _middle(pixels: Pixels) -> Pixels:
    """Cut the square in the middle, 7/8 of the shorter side."""
    height, width, _ = pixels.shape
    side = max(1, round(min(height, width) * CROP))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _orientation(data: bytes) -> int:
    """Return a JPEG's orientation as Pillow reads it from EXIF or XMP, 1 if it has none."""
    head = data[: start_of_scan(data)]
    if not any(mark in head for mark in ORIENTATION_MARKS):
        return 1
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return _read_orientation(image)
    except Exception:  # noqa: BLE001 (Pillow's readers raise nearly anything on damaged files)
        return 1


def _read_orientation(image: Image.Image) -> int:
    """Return the orientation that a JPEG's EXIF or XMP tells, 1 if there is none."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 (a damaged EXIF block says nothing of the orientation)
        return 1


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    return UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
