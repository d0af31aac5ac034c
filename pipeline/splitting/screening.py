"""Which files of an archive hold an image that can be used, told by their content alone."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from posixpath import splitext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from pipeline.archives import read_members
from pipeline.errors import ImageError, ManifestError
from pipeline.images import DecodedImage, decode_grey, decode_whole
from pipeline.parallel import Progress, map_ordered
from pipeline.runners.pool import open_pool
from pipeline.signatures import NOT_AN_IMAGE, NOT_FETCHED, explain_fault, format_of, is_image
from pipeline.splitting.duplicates import HASHED_SIDE, perceptual_hashes
from pipeline.splitting.naming import OTHER_SUFFIXES, SUFFIXES
from pipeline.splitting.staging import StagingFolder

if TYPE_CHECKING:  # 0.2 s that processes which decode need not take
    from pipeline.params import RayParams

EMPTY_FOLDER = "an empty folder"
BATCH = 64  # files that a process screens at once
BATCHES_AHEAD = 8  # that wait for a process, for each there is
BLANK = np.zeros((HASHED_SIDE, HASHED_SIDE), np.uint8)  # stands for an image that cannot be decoded


class File(NamedTuple):
    """A file of an archive.

    Attributes:
        member: Its name in the archive.
        sha256: Of its bytes, hexadecimal.
    """

    member: str
    sha256: str


class ScreenedImage(NamedTuple):
    """What a file's content tells, whatever its class; the attributes are those of `ImageRow`.

    Attributes:
        reason: Why it cannot be used; empty if it can. A format may be known all the same.
    """

    member: str
    sha256: str
    bytes: int
    reason: str = ""
    note: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    brightness: int = 0
    hash: str = ""


class _Decoded(NamedTuple):
    """A file's image, or why there is none; and the PNG to keep if Keras cannot read the format."""

    size: int
    format: str
    image: DecodedImage | None
    reason: str = ""
    replacement: bytes | None = None


def screen_archive(
    archive: Path,
    staging: StagingFolder,
    total: int,
    progress: Progress,
    ray: "RayParams | None" = None,
) -> list[ScreenedImage]:
    """Put an archive's files into the staging folder; have them screened while others follow.

    Args:
        archive: Its path.
        staging: Gets each file, and what is to be kept in place of one that Keras cannot read.
        total: Files that the archive holds.
        progress: Shows how far it is; gets batches of screened files.
        ray: The cluster that screens them; None: processes of this machine.
    """
    files = (File(member.name, staging.add(member.data)) for member in read_members(archive))
    images = []
    with open_pool(__name__, ray, staging.folder) as (pool, workers):
        ahead = BATCHES_AHEAD * workers
        batches = map_ordered(pool, partial(screen, staging), _batches(files), ahead=ahead)
        for batch in progress(batches, total):
            for image, replacement in batch:
                images.append(image)
                if replacement is not None:
                    staging.add(replacement)
    return images


def screen(
    staging: StagingFolder, files: Iterable[File]
) -> list[tuple[ScreenedImage, bytes | None]]:
    """Read every bit of files in the staging folder, and say what each is or why it cannot be used.

    Returns:
        For each file what it is; and what is to be kept in its place if Keras cannot read its
        format: a PNG, larger than a lossy copy, but of the same pixels, so that `predict` sees
        what training saw.
    """
    files = list(files)
    decoded = [_decode(file.member, staging.read(file.sha256)) for file in files]
    greys = np.stack([BLANK if one.image is None else one.image.pixels for one in decoded])
    return [
        (_describe(file, one, f"{number:016x}"), one.replacement)
        for file, one, number in zip(files, decoded, perceptual_hashes(greys).tolist(), strict=True)
    ]


def check_known(dataset: str, images: Iterable[ScreenedImage], unreadable: frozenset[str]) -> None:
    """Compare what cannot be read with what is known of the catalogue's archive.

    Raises:
        ManifestError: Another image cannot be read, or one can that could not.
    """
    found = {image.member for image in images if image.reason}
    new, gone = sorted(found - unreadable), sorted(unreadable - found)
    if new or gone:
        raise ManifestError(
            f"of the known archive of {dataset}, these cannot be read though they should: "
            f"{new or 'none'}; these can though they should not: {gone or 'none'}. The libraries that "
            "decode have changed: see known_unreadable in pipeline/catalogue/datasets.py."
        )


def _batches(files: Iterator[File]) -> Iterator[list[File]]:
    return iter(lambda: list(islice(files, BATCH)), [])


def _decode(member: str, data: bytes) -> _Decoded:
    try:
        image = decode_grey(data, HASHED_SIDE)
    except ImageError as error:
        return _Decoded(len(data), format_of(data), None, _reason(member, data, str(error)))
    replacement = None if image.format in SUFFIXES else _as_png(data)
    return _Decoded(len(data), image.format, image, replacement=replacement)


def _reason(member: str, data: bytes, fault: str) -> str:
    """Return why a file that cannot be decoded is not used."""
    if member.endswith("/"):
        return EMPTY_FOLDER
    reason = explain_fault(data, fault)
    if reason == NOT_FETCHED:
        return f"{reason}, then fetch again"
    return reason if is_image(member, data) else NOT_AN_IMAGE


def _describe(file: File, decoded: _Decoded, perceptual_hash: str) -> ScreenedImage:
    image, replacement = decoded.image, decoded.replacement
    if image is None:
        return ScreenedImage(
            file.member, file.sha256, decoded.size, decoded.reason, format=decoded.format
        )
    notes = [*image.notes, *_naming_notes(file.member, image)]
    sha256, size = file.sha256, decoded.size
    if replacement is not None:
        sha256, size = hashlib.sha256(replacement).hexdigest(), len(replacement)
        notes.append(f"{image.format} kept as PNG")
    return ScreenedImage(
        member=file.member,
        sha256=sha256,
        bytes=size,
        note="; ".join(notes),
        width=image.width,
        height=image.height,
        format=decoded.format,
        mode=image.mode,
        brightness=round(float(image.pixels.mean())),
        hash=perceptual_hash,
    )


def _naming_notes(member: str, image: DecodedImage) -> list[str]:
    suffix = splitext(member)[1].lower()
    named = (f".{image.format.lower()}",)
    wanted = {**SUFFIXES, **OTHER_SUFFIXES}.get(image.format, named)
    return [] if suffix in wanted else [f"named {suffix or 'without a suffix'}, is {image.format}"]


def _as_png(data: bytes) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(decode_whole(data).pixels).save(stream, "PNG")
    return stream.getvalue()
