"""Which images tell how healthy a dataset is: what is quarantined, and what looks alike; with thumbnails."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipeline.archives import Member
from pipeline.errors import ImageError
from pipeline.manifest import QUARANTINED, USED, ImageRow
from pipeline.reporting.thumbnails import (
    Thumbnail,
    find_thumbnails,
    keep_thumbnail,
    thumbnails_of_files,
)

QUARANTINE_IMAGES = 12
GROUPS = 8
GROUP_IMAGES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryImage:
    """One image and what the manifest says of it.

    Attributes:
        name: Its name in the archive; without folders if it has a class, for they tell no more.
        label: Its class; empty if it has none.
        split: `train`, `val` or `test`; empty if it is not used.
        reason: Why it is not used.
        sha256: Of the file's bytes.
        path: Under the dataset's split folder; empty if it is not used.
        is_shown: Has it a thumbnail?
    """

    name: str
    label: str
    split: str
    reason: str
    sha256: str
    path: str
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Near-duplicates: at most six of them as images, and how many there are in all."""

    images: tuple[GalleryImage, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetGallery:
    """What the report shows of a dataset.

    Attributes:
        quarantined: At most twelve files that are quarantined, each reason in turn.
        groups: At most eight groups of near-duplicates.
        group_count: How many groups there are.
        sides: int64 `(n,)`, the shorter side of each used image, pixels.
        brightness: int64 `(n,)`, the mean of its pixels, 0..255.
        thumbnails: Of the images above that can be shown, by sha256.
    """

    quarantined: tuple[GalleryImage, ...]
    groups: tuple[Group, ...]
    group_count: int
    sides: NDArray[np.int64]
    brightness: NDArray[np.int64]
    thumbnails: dict[str, Thumbnail]


def build_dataset_gallery(
    rows: Iterable[ImageRow],
    folder: Path,
    read_archive: Callable[[], Iterator[Member]],
    cache: Path,
) -> DatasetGallery:
    """Choose images, and find or make their thumbnails.

    Args:
        rows: The dataset's manifest.
        folder: Its split folder.
        read_archive: Reads its archive, where alone the quarantined images are. Not
            called if none of those that were chosen can be decoded, or all were shown before.
        cache: The folder where thumbnails are kept.

    Raises:
        PipelineError: A chosen image is missing or cannot be read.
    """
    rows = list(rows)
    used = [row for row in rows if row.status == USED]
    quarantined = choose_quarantined(rows)
    groups = find_groups(used)
    thumbnails = _quarantined_thumbnails(quarantined, read_archive, cache)
    shown = [group[:GROUP_IMAGES] for group in groups[:GROUPS]]
    files = {row.sha256: folder / row.path for group in shown for row in group}
    thumbnails |= thumbnails_of_files(files, cache)
    return DatasetGallery(
        quarantined=tuple(_gallery_image(row, thumbnails) for row in quarantined),
        groups=tuple(
            Group(images=tuple(_gallery_image(row, thumbnails) for row in some), size=len(group))
            for some, group in zip(shown, groups, strict=False)
        ),
        group_count=len(groups),
        sides=np.array([min(row.width, row.height) for row in used], np.int64),
        brightness=np.array([row.brightness for row in used], np.int64),
        thumbnails=thumbnails,
    )


def choose_quarantined(rows: Iterable[ImageRow]) -> list[ImageRow]:
    """Choose quarantined files: the first of each reason by name, then the second of each, ..."""
    kinds: dict[str, list[ImageRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.member):
        if row.status == QUARANTINED:
            kinds[row.reason.split(":")[0]].append(row)
    turns = sorted((turn, kind) for kind, of_kind in kinds.items() for turn in range(len(of_kind)))
    chosen = sorted((kind, turn) for turn, kind in turns[:QUARANTINE_IMAGES])
    return [kinds[kind][turn] for kind, turn in chosen]


def find_groups(used: Iterable[ImageRow]) -> list[list[ImageRow]]:
    """Return the groups of two or more: those with several labels first, then the largest."""
    members: dict[str, list[ImageRow]] = defaultdict(list)
    for row in used:
        members[row.group].append(row)
    groups = [
        sorted(group, key=lambda row: row.path) for group in members.values() if len(group) > 1
    ]
    return sorted(groups, key=lambda group: (-_count_labels(group), -len(group), group[0].group))


def _count_labels(group: Sequence[ImageRow]) -> int:
    return len({row.label for row in group})


def _gallery_image(row: ImageRow, thumbnails: Container[str]) -> GalleryImage:
    return GalleryImage(
        name=PurePosixPath(row.member).name if row.label else row.member,
        label=row.label,
        split=row.split,
        reason=row.reason,
        sha256=row.sha256,
        path=row.path,
        is_shown=row.sha256 in thumbnails,
    )


def _quarantined_thumbnails(
    quarantined: Iterable[ImageRow], read_archive: Callable[[], Iterator[Member]], cache: Path
) -> dict[str, Thumbnail]:
    """Return the thumbnails of what the archive alone has, reading it no further than the last of them.

    An image that cannot be decoded has none.
    """
    wanted = {row.member: row.sha256 for row in quarantined if row.width}
    found = find_thumbnails(wanted.values(), cache)
    missing = {member for member, sha256 in wanted.items() if sha256 not in found}
    for member in read_archive() if missing else ():
        if member.name in missing:
            missing.remove(member.name)
            with suppress(ImageError):
                sha256 = wanted[member.name]
                found[sha256] = keep_thumbnail(sha256, member.data, cache)
        if not missing:
            break
    return found
