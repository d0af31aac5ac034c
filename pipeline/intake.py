"""Which pictures of an archive are used, and why not the others."""

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.archives import Member
from pipeline.duplicates import group_near_duplicates, perceptual_hash
from pipeline.errors import ImageError
from pipeline.images import Picture, brightness, decode_whole
from pipeline.manifest import DUPLICATE, QUARANTINED, USED, ImageRow

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
}  # the formats of which Keras reads every kind (of BMP it does not), with the names by which it finds them
LOOK_PIXELS = 64  # a side; what a perceptual hash and the brightness look at
STEM_BYTES = 200  # of the 255 that a file's name may have, so that `__copy1.jpg` and a hash fit behind it


Batch = list[tuple[str, Member]]  # files with their labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A file of an archive after a look at every pixel.

    Attributes:
        row: What the manifest will say of it; split, path and group are still open.
        data: The bytes to keep: the file's own, or a lossless PNG of a format that Keras
            cannot read.
    """

    row: ImageRow
    data: bytes


def keep(folder: Path, batch: Batch) -> list[ImageRow]:
    """Examine some files, and write those that can be used into a folder under their sha256."""
    rows = []
    for label, member in batch:
        examined = examine(member.name, label, member.data)
        if examined.row.fate == USED:
            (folder / examined.row.sha256).write_bytes(examined.data)
        rows.append(examined.row)
    return rows


def examine(member: str, label: str, data: bytes) -> Examined:
    """Read every bit of a file, and say what it is or why it cannot be used."""
    try:
        picture = decode_whole(data, least=LOOK_PIXELS)
    except ImageError as error:
        row = ImageRow(
            label=label,
            sha256=_sha256(data),
            fate=QUARANTINED,
            reason=str(error),
            member=member,
            bytes=len(data),
        )
        return Examined(row=row, data=b"")
    notes = [*picture.notes, *_naming_notes(member, picture)]
    if picture.format not in SUFFIXES:
        data = _as_png(picture)
        notes.append(f"{picture.format} kept as PNG")
    row = ImageRow(
        label=label,
        sha256=_sha256(data),
        note="; ".join(notes),
        member=member,
        width=picture.width,
        height=picture.height,
        format=picture.format,
        mode=picture.mode,
        bytes=len(data),
        brightness=brightness(picture.pixels),
        hash=f"{perceptual_hash(picture.pixels):016x}",
    )
    return Examined(row=row, data=data)


def settle_duplicates(rows: Iterable[ImageRow]) -> list[ImageRow]:
    """Use the same bytes once, and not at all if they stand under two labels.

    Which of the equal files is used does not depend on their order: the first by name.
    """
    same: dict[str, list[ImageRow]] = defaultdict(list)
    settled = []
    for row in rows:
        same[row.sha256].append(row) if row.fate == USED else settled.append(row)
    for equals in same.values():
        labels = sorted({row.label for row in equals})
        first, *others = sorted(equals, key=lambda row: row.member)
        if len(labels) > 1:
            reason = f"conflicting labels: {', '.join(labels)}"
            settled += [replace(row, fate=QUARANTINED, reason=reason) for row in equals]
        else:
            settled.append(first)
            settled += [
                replace(row, fate=DUPLICATE, reason=f"same bytes as: {first.member}") for row in others
            ]
    return settled


def group_rows(rows: Iterable[ImageRow], *, near_duplicates: bool) -> list[ImageRow]:
    """Name each used image's group of near-duplicates; without them each is its own."""
    rows = list(rows)
    used = sorted((row for row in rows if row.fate == USED), key=lambda row: row.sha256)
    keys = [row.sha256 for row in used]
    hashes = np.array([int(row.hash, 16) for row in used], np.uint64)
    groups = dict(zip(keys, group_near_duplicates(keys, hashes) if near_duplicates else keys, strict=True))
    return [replace(row, group=groups[row.sha256]) if row.fate == USED else row for row in rows]


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
    used = [row for row in rows if row.fate == USED]
    stems = Counter((row.label, _stem(row).lower()) for row in used)
    placed = []
    for row in used:
        stem = _stem(row)
        short = stem.encode()[:STEM_BYTES].decode(errors="ignore")
        if stems[row.label, stem.lower()] > 1 or short != stem:
            stem = f"{short}-{row.sha256[:12]}"
        split = splits[row.sha256]
        placed.append(replace(row, split=split, path=f"{split}/{row.label}/{stem}{_suffix(row)}"))
    return placed + [row for row in rows if row.fate != USED]


def _naming_notes(member: str, picture: Picture) -> list[str]:
    suffix = PurePosixPath(member).suffix.lower()
    wanted = SUFFIXES.get(picture.format, (f".{picture.format.lower()}", ".tif"))
    return [] if suffix in wanted else [f"named {suffix or 'without a suffix'}, is {picture.format}"]


def _as_png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture.pixels).save(stream, "PNG")
    return stream.getvalue()


def _stem(row: ImageRow) -> str:
    return PurePosixPath(row.member).stem


def _suffix(row: ImageRow) -> str:
    """Return the name's own suffix if Keras finds files by it, else that of the format."""
    own = PurePosixPath(row.member).suffix
    known = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
    return own if own.lower() in known else SUFFIXES.get(row.format, (".png",))[0]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
