"""Which images of an archive are used, and why not the others."""

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from posixpath import basename, splitext
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images import DecodedImage, Pixels, decode_grey, decode_whole
from pipeline.labels import label_members
from pipeline.manifest import DUPLICATE, QUARANTINED, USED, ImageRow
from pipeline.signatures import IMAGE_SUFFIXES, format_of, is_image, is_lfs_pointer, suffix_of
from pipeline.splitting.duplicates import HASHED_SIDE, group_near_duplicates, perceptual_hashes
from pipeline.splitting.staging import StagingFolder

NO_CLASS = "no class: neither its folder nor its name tells one"
EMPTY_FOLDER = "an empty folder"
NOT_FETCHED = "a Git LFS pointer, not the image: run `git lfs pull`, then fetch again"
NOT_AN_IMAGE = "not an image"
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
}  # the formats of which Keras reads every kind (of BMP it does not), with the names by which it finds them
OTHER_SUFFIXES = {"TIFF": (".tif", ".tiff"), "HEIF": (".heic", ".heif", ".hif")}
KERAS_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
BLANK = np.zeros((HASHED_SIDE, HASHED_SIDE), np.uint8)  # stands for an image that cannot be decoded
STEM_BYTES = (
    200  # of the 255 that a file's name may have, so that `__copy1.jpg` and a hash fit behind it
)


class File(NamedTuple):
    """A file of an archive.

    Attributes:
        member: Its name in the archive.
        sha256: Of its bytes, hexadecimal.
    """

    member: str
    sha256: str


def examine(shelf: StagingFolder, files: Iterable[File]) -> list[tuple[ImageRow, bytes | None]]:
    """Read every bit of files that wait on a shelf, and say what each is or why it cannot be used.

    Returns:
        For each file what the manifest will say of it, while label, split, path and group are still
        open; and what is to be kept in its place if Keras cannot read its format: a PNG,
        larger than a lossy copy, but of the same pixels, so that `predict` sees what training saw.
    """
    looked = [_look(file, shelf.read(file.sha256)) for file in files]
    greys = np.stack([grey for _, _, grey in looked])
    levels, hashes = (
        greys.mean(axis=(1, 2)).round().astype(int).tolist(),
        perceptual_hashes(greys).tolist(),
    )
    return [
        (
            row._replace(brightness=level, hash=f"{number:016x}") if row.status == USED else row,
            instead,
        )
        for (row, instead, _), level, number in zip(looked, levels, hashes, strict=True)
    ]


def _look(file: File, data: bytes) -> tuple[ImageRow, bytes | None, Pixels]:
    """Return what is to be said of a file by itself, what to keep instead, and how bright it is where."""
    row = ImageRow(sha256=file.sha256, member=file.member, bytes=len(data), format=format_of(data))
    try:
        image = decode_grey(data, HASHED_SIDE)
    except ImageError as error:
        reason = _reason(file.member, data, str(error))
        return row._replace(status=QUARANTINED, reason=reason), None, BLANK
    notes = [*image.notes, *_naming_notes(file.member, image)]
    instead = None
    if image.format not in SUFFIXES:
        instead = _as_png(data)
        row = row._replace(sha256=hashlib.sha256(instead).hexdigest(), bytes=len(instead))
        notes.append(f"{image.format} kept as PNG")
    row = row._replace(
        note="; ".join(notes),
        width=image.width,
        height=image.height,
        format=image.format,
        mode=image.mode,
    )
    return row, instead, image.pixels


def label_rows(
    rows: Sequence[ImageRow], aliases: Mapping[str, str]
) -> tuple[list[ImageRow], dict[str, str]]:
    """Give rows the class that their names tell; quarantine images whose names tell none.

    It takes all names to know, and those of a tar are known when all of it has been read.

    Args:
        rows: All files of an archive, and its empty folders.
        aliases: Other spellings of a class, lower case, to the class.

    Returns:
        The rows; and member to the split that its folder tells.
    """
    images = {row.member for row in rows if row.format or suffix_of(row.member) in IMAGE_SUFFIXES}
    labels = label_members([row.member for row in rows], images, aliases)
    labelled = [
        row._replace(label=one.label) if one else _without_class(row)
        for row, one in zip(rows, labels, strict=True)
    ]
    return labelled, {one.name: one.folder_split for one in labels if one and one.folder_split}


def _without_class(row: ImageRow) -> ImageRow:
    return row._replace(status=QUARANTINED, reason=NO_CLASS) if row.status == USED else row


def settle_duplicates(rows: Iterable[ImageRow]) -> list[ImageRow]:
    """Use the same bytes once, and not at all if they stand under two labels.

    Which of the equal files is used does not depend on their order: the first by name.
    """
    same: dict[str, list[ImageRow]] = defaultdict(list)
    settled = []
    for row in rows:
        same[row.sha256].append(row) if row.status == USED else settled.append(row)
    for equals in same.values():
        labels = sorted({row.label for row in equals})
        first, *others = sorted(equals, key=lambda row: row.member)
        if len(labels) > 1:
            reason = f"conflicting labels: {', '.join(labels)}"
            settled += [row._replace(status=QUARANTINED, reason=reason) for row in equals]
        else:
            settled.append(first)
            settled += [
                row._replace(status=DUPLICATE, reason=f"same bytes as: {first.member}")
                for row in others
            ]
    return settled


def group_rows(rows: Iterable[ImageRow], *, near_duplicates: bool) -> list[ImageRow]:
    """Name each used image's group of near-duplicates; without them each is its own."""
    rows = list(rows)
    used = sorted((row for row in rows if row.status == USED), key=lambda row: row.sha256)
    keys = [row.sha256 for row in used]
    hashes = np.array([int(row.hash, 16) for row in used], np.uint64)
    groups = dict(
        zip(keys, group_near_duplicates(keys, hashes) if near_duplicates else keys, strict=True)
    )
    return [row._replace(group=groups[row.sha256]) if row.status == USED else row for row in rows]


def place_rows(rows: Iterable[ImageRow], splits: Mapping[str, str]) -> list[ImageRow]:
    """Give each used image its split and its path `<split>/<class>/<file>`.

    Names are those of the archive. Where two of a class have the same stem (in any
    capitals), both get a piece of their sha256 behind it, so that copies cannot collide; so
    does a stem that must be cut because it is too long.

    Args:
        rows: All images.
        splits: sha256 of a used image to its split.
    """
    rows = list(rows)
    used = [(row, *splitext(basename(row.member))) for row in rows if row.status == USED]
    stems = Counter((row.label, stem.lower()) for row, stem, _ in used)
    placed = []
    for row, stem, suffix in used:
        short = stem.encode()[:STEM_BYTES].decode(errors="ignore")
        if stems[row.label, stem.lower()] > 1 or short != stem:
            stem = f"{short}-{row.sha256[:12]}"
        if suffix.lower() not in KERAS_SUFFIXES:
            suffix = SUFFIXES.get(row.format, (".png",))[0]
        split = splits[row.sha256]
        placed.append(row._replace(split=split, path=f"{split}/{row.label}/{stem}{suffix}"))
    return placed + [row for row in rows if row.status != USED]


def _reason(member: str, data: bytes, fault: str) -> str:
    """Return why a file that cannot be decoded is not used."""
    if member.endswith("/"):
        return EMPTY_FOLDER
    if is_lfs_pointer(data):
        return NOT_FETCHED
    return fault if is_image(member, data) else NOT_AN_IMAGE


def _naming_notes(member: str, image: DecodedImage) -> list[str]:
    suffix = splitext(member)[1].lower()
    named = (f".{image.format.lower()}",)
    wanted = {**SUFFIXES, **OTHER_SUFFIXES}.get(image.format, named)
    return [] if suffix in wanted else [f"named {suffix or 'without a suffix'}, is {image.format}"]


def _as_png(data: bytes) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(decode_whole(data).pixels).save(stream, "PNG")
    return stream.getvalue()
