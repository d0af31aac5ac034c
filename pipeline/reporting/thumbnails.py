"""Small copies of images, made once: where they are kept, and what is believed of what is found there.

They lie beside DVC, as the store of features does, one file an image by the sha256 of its bytes. Each
ends in a checksum of its own, behind what programs that show images read; one that is damaged is made again.
"""

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from PIL.WebPImagePlugin import WebPImageFile  # by itself Pillow reads all its formats to find this

from pipeline.errors import ImageError, PipelineError
from pipeline.files import atomic_write
from pipeline.parallel import count_cores, map_ordered

THUMBNAIL_PIXELS = 320
QUALITY, EFFORT = (
    50,
    2,
)  # of WebP, which takes 8 kB for a photo; 4 takes 5 % less, in twice the time
RECIPE = f"webp-{THUMBNAIL_PIXELS}-{QUALITY}-{EFFORT}"
CHECKSUM_BYTES = 4
AHEAD = 64  # images that wait for a thread, or were made and wait to be taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """An upright image of at most 320 x 320 pixels.

    Attributes:
        webp: The bytes of a WebP file.
        width, height: Pixels.
    """

    webp: bytes
    width: int
    height: int


def thumbnails_of_files(files: Mapping[str, Path], cache: Path) -> dict[str, Thumbnail]:
    """Return the thumbnails of image files: those in the cache, and the others made and kept there.

    Args:
        files: Where each image lies, by its sha256.
        cache: The folder where thumbnails are kept.

    Raises:
        PipelineError: An image is missing or cannot be read.
    """
    found = find_thumbnails(files, cache)
    missing = [(sha256, path) for sha256, path in files.items() if sha256 not in found]
    with ThreadPoolExecutor(count_cores()) as pool:
        made = map_ordered(pool, lambda item: _of_file(*item, cache), missing, ahead=AHEAD)
        found |= {sha256: one for (sha256, _), one in zip(missing, made, strict=True)}
    return found


def find_thumbnails(sha256s: Iterable[str], cache: Path) -> dict[str, Thumbnail]:
    """Return the thumbnails that the cache has, whole ones only."""
    found = {sha256: read_sealed(_place(sha256, cache)) for sha256 in sha256s}
    return {sha256: as_thumbnail(webp) for sha256, webp in found.items() if webp is not None}


def keep_thumbnail(sha256: str, data: bytes, cache: Path) -> Thumbnail:
    """Make an image's thumbnail, and keep it if the image is the one that its sha256 says.

    Args:
        sha256: What the image is called, hexadecimal.
        data: The image file's bytes.
        cache: The folder where thumbnails are kept.

    Raises:
        ImageError: The bytes are no image that can be read.
    """
    webp = encode_webp(shrink(data, THUMBNAIL_PIXELS), QUALITY)
    if hashlib.sha256(data).hexdigest() == sha256:
        write_sealed(_place(sha256, cache), webp)
    return as_thumbnail(webp)


def shrink(data: bytes, pixels: int) -> Image.Image:
    """Return an image in RGB, upright, neither side longer than so many pixels.

    Most are JPEG files, of which only as much detail is read as is needed.

    Raises:
        ImageError: The bytes are no image that can be read.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.mode in ("RGB", "L"):
                image.thumbnail((pixels, pixels))
                return ImageOps.exif_transpose(image).convert("RGB")
    except Exception:  # noqa: BLE001, S110 (Pillow's readers raise nearly anything; the decoder says what is wrong)
        pass
    from pipeline.images import decode_whole  # 0.2 s that most reports never need

    small = Image.fromarray(decode_whole(data).pixels)
    small.thumbnail((pixels, pixels))
    return small


def encode_webp(image: Image.Image, quality: int) -> bytes:
    """Return an image as a WebP file that tells nothing beside its pixels; quality is of 0..100."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=EFFORT, icc_profile=b"", exif=b"")
    return stream.getvalue()


def as_thumbnail(webp: bytes) -> Thumbnail:
    """Return a WebP file's bytes with its size."""
    with WebPImageFile(io.BytesIO(webp)) as image:
        return Thumbnail(webp=webp, width=image.width, height=image.height)


@contextmanager
def showing(path: Path) -> Iterator[None]:
    """Turn what is wrong with an image that the report shows into an error that names it."""
    try:
        yield
    except (OSError, ImageError) as error:
        if isinstance(error, OSError) and error.filename not in (None, str(path)):
            raise  # of the cache's file
        raise PipelineError(
            f"the report cannot show {path}: {error}. Run the split and train stages again."
        ) from None


def read_sealed(path: Path) -> bytes | None:
    """Return what `write_sealed` wrote, None if there is no such file or it is not what was written."""
    try:
        sealed = path.read_bytes()
    except OSError:
        return None
    content, checksum = sealed[:-CHECKSUM_BYTES], sealed[-CHECKSUM_BYTES:]
    return content if content and checksum == _checksum(content) else None


def write_sealed(path: Path, content: bytes) -> None:
    """Write bytes and their checksum, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content + _checksum(content))


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")


def _place(sha256: str, cache: Path) -> Path:
    return cache / RECIPE / sha256[:2] / f"{sha256}.webp"


def _of_file(sha256: str, path: Path, cache: Path) -> Thumbnail:
    with showing(path):
        data = path.read_bytes()
        return keep_thumbnail(sha256, data, cache)
