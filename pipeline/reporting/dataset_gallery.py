"""Which images tell how healthy a dataset is: what is quarantined, and what looks alike; with thumbnails."""

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipeline.archives import Member
from pipeline.errors import PipelineError
from pipeline.manifest import QUARANTINED, USED, ImageRow
from pipeline.reporting.prediction_gallery import thumbnail_of

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
        thumbnail: JPEG as a `data:` address; None if it cannot be shown.
    """

    name: str
    label: str
    split: str
    reason: str
    thumbnail: str | None


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
    """

    quarantined: tuple[GalleryImage, ...]
    groups: tuple[Group, ...]
    group_count: int
    sides: NDArray[np.int64]
    brightness: NDArray[np.int64]


def build_dataset_gallery(
    rows: Iterable[ImageRow], folder: Path, read_archive: Callable[[], Iterator[Member]]
) -> DatasetGallery:
    """Choose images and make their thumbnails.

    Args:
        rows: The dataset's manifest.
        folder: Its split folder.
        read_archive: Reads its archive, where alone the quarantined images are. Not
            called if none of those that were chosen can be decoded.

    Raises:
        PipelineError: A chosen image is missing or cannot be read.
    """
    rows = list(rows)
    used = [row for row in rows if row.status == USED]
    quarantined = choose_quarantined(rows)
    groups = find_groups(used)
    thumbnails = _read_thumbnails({row.member for row in quarantined if row.width}, read_archive)
    return DatasetGallery(
        quarantined=tuple(_gallery_image(row, thumbnails.get(row.member)) for row in quarantined),
        groups=tuple(_group(group, folder) for group in groups[:GROUPS]),
        group_count=len(groups),
        sides=np.array([min(row.width, row.height) for row in used], np.int64),
        brightness=np.array([row.brightness for row in used], np.int64),
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


def _group(rows: Sequence[ImageRow], folder: Path) -> Group:
    shown = rows[:GROUP_IMAGES]
    return Group(
        images=tuple(_gallery_image(row, thumbnail_of(folder / row.path)) for row in shown),
        size=len(rows),
    )


def _gallery_image(row: ImageRow, thumbnail: str | None) -> GalleryImage:
    name = PurePosixPath(row.member).name if row.label else row.member
    return GalleryImage(
        name=name, label=row.label, split=row.split, reason=row.reason, thumbnail=thumbnail
    )


def _read_thumbnails(
    wanted: set[str], read_archive: Callable[[], Iterator[Member]]
) -> Mapping[str, str | None]:
    """Return the thumbnails of members of the archive, reading no further than the last of them.

    An image has none if Pillow alone cannot read it: the decoder of HEIC is not in the report.
    """
    found: dict[str, str | None] = {}
    if not wanted:
        return found
    for member in read_archive():
        if member.name in wanted:
            found[member.name] = None
            with suppress(PipelineError):
                found[member.name] = thumbnail_of(io.BytesIO(member.data))
        if len(found) == len(wanted):
            break
    return found
