"""What a TIFF file says of its pages and numbers, and Pillow does not heed."""

from typing import NamedTuple

from PIL import Image, TiffImagePlugin

from pipeline.errors import ImageError

# Tags of TIFF 6.0, and values of theirs.
SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, PLANES, SAMPLES = 254, 258, 259, 262, 284, 339
REDUCED, UNCOMPRESSED, WHITE_IS_ZERO, IN_PLANES, UNSIGNED = 1, 1, 0, 2, 1


class Levels(NamedTuple):
    """How the numbers of a grey image of more than 8 bits are to be read.

    Attributes:
        is_negative: Is 0 white?
        is_unsigned: Are there 32 bits without a sign, which Pillow takes for one?
        bits: Of each number, where Pillow gives numbers of 16: 9 to 16.
    """

    is_negative: bool = False
    is_unsigned: bool = False
    bits: int = 16


def open_page(image: Image.Image) -> Levels:
    """Go to the first page that is no smaller version of another, and say how to read its numbers.

    Raises:
        ImageError: Pillow would read other pixels than there are.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return Levels()
    pages = range(image.n_frames)
    image.seek(next((page for page in pages if not _is_reduced(image, page)), 0))
    tags, mode = image.tag_v2, image.mode
    bits = max(tags.get(BITS, (1,)))
    is_plain = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED
    if is_plain and tags.get(PLANES) == IN_PLANES and bits > 8:
        raise ImageError(
            "a TIFF of more than 8 bits in uncompressed planes, which is not read right: save it compressed, "
            "or its channels together"
        )
    is_deep = mode in ("I", "F") or mode.startswith("I;16")
    return Levels(
        is_negative=is_deep and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO,
        is_unsigned=mode == "I" and tags.get(SAMPLES, (UNSIGNED,))[0] == UNSIGNED,
        bits=min(max(bits, 9), 16),
    )


def _is_reduced(image: TiffImagePlugin.TiffImageFile, page: int) -> bool:
    image.seek(page)
    return bool(image.tag_v2.get(SUBFILE, 0) & REDUCED)
