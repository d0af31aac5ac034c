"""What a dataset holds, counted from its manifest; for the report and people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.manifest import DUPLICATE, QUARANTINED, SPLITS, USED, ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.assignment import FOLDERS_DECIDE
from pipeline.splitting.splits import assign_singly


def count_rows(
    rows: Iterable[ImageRow],
    settings: SplitParams,
    folder_splits: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Count images by split, status and reason, and the leaks that there are or that grouping prevented.

    Args:
        rows: All that was found in the archive.
        settings: How images were split.
        folder_splits: Member to the split that its folder in the archive tells.

    Returns:
        Nested counts, as docs name them: `images` (found = used + duplicate + quarantined),
        `splits`, `own_splits` (used images in folders of the archive's own that tell a split,
        unless all tell train: `split.respect_folders` would change nothing then),
        `quarantined`, `duplicates` (groups of near-duplicates, and how many of them have several
        labels); `leaks`, the groups of near-duplicates that lie in several
        splits, as the archive's own folders may have them, and `leaks_prevented`, those that
        would, had each image been split for itself; and `balance`, the images of the smallest class
        over those of the largest, 0..1.
    """
    rows = list(rows)
    used = [row for row in rows if row.status == USED]
    sizes = Counter(row.split for row in used)
    own = Counter(folder_splits[row.member] for row in used if row.member in folder_splits)
    if not own.keys() - {"train"}:
        own.clear()
    groups = Counter(row.group for row in used)
    labels = Counter(group for group, _ in {(row.group, row.label) for row in used})
    leaks, leaks_prevented = _count_leaks(used, settings)
    quarantined = Counter(row.reason.split(":")[0] for row in rows if row.status == QUARANTINED)
    return {
        "images": {
            "found": len(rows),
            "used": len(used),
            "duplicate": sum(row.status == DUPLICATE for row in rows),
            "quarantined": sum(quarantined.values()),
        },
        "splits": {name: sizes[name] for name in SPLITS if name in sizes},
        "own_splits": {name: own[name] for name in SPLITS if name in own},
        "quarantined": dict(quarantined),
        "duplicates": {
            "near_groups": sum(number > 1 for number in groups.values()),
            "conflicting": sum(number > 1 for number in labels.values()),
        },
        "balance": _compare_classes(used),
        "leaks": leaks,
        "leaks_prevented": leaks_prevented,
    }


def count_classes(rows: Iterable[ImageRow]) -> list[dict[str, str | int]]:
    """Return a row a class, in alphabetical order: `class`, and how many used images each split has.

    Every split is a column, `train`, `val` and `test`, whether or not it has images.
    """
    sizes = Counter((row.label, row.split) for row in rows if row.status == USED)
    return [
        {"class": label} | {split: sizes[label, split] for split in SPLITS}
        for label in sorted({label for label, _ in sizes})
    ]


def describe_counts(counts: Mapping[str, Any], settings: SplitParams) -> str:
    """Say in a line what became of everything that was found, as `count_rows` counts it."""
    images = counts["images"]
    sizes = ", ".join(f"{number:,} {name}" for name, number in counts["splits"].items())
    line = (
        f"{images['found']:,} found: {images['used']:,} used ({sizes}), "
        f"{images['duplicate']:,} duplicate, {images['quarantined']:,} quarantined"
    )
    if set(counts["own_splits"]) - {"train"} and not settings.respect_folders:
        own = ", ".join(counts["own_splits"])
        line += f"; split anew, not by the archive's own folders {own} (split.respect_folders)"
    if leaks := counts["leaks"]:
        line += (
            f"; near-duplicates of {leaks:,} {'group' if leaks == 1 else 'groups'} lie in several splits, "
            "where the archive's own folders have them (split.respect_folders): what is measured there was "
            "all but seen in training"
        )
    return line


def _compare_classes(used: list[ImageRow]) -> float:
    """Return the images of the smallest class over those of the largest; 0 if there are none."""
    sizes = Counter(row.label for row in used).values()
    return min(sizes) / max(sizes) if sizes else 0.0


def _count_leaks(used: list[ImageRow], settings: SplitParams) -> tuple[int, int]:
    """Return how many groups lie in several splits, and how many others would, split image by image."""
    drawn = [row for row in used if row.split_rule != FOLDERS_DECIDE]
    alone: dict[str, str] = {}
    if len({row.group for row in used}) < len(used):
        splits = assign_singly(
            sha256=[row.sha256 for row in drawn],
            labels=[row.label for row in drawn],
            val_fraction=settings.val_fraction,
            test_fraction=settings.test_fraction,
            seed=settings.seed,
            method=settings.method,
        )
        alone = dict(zip((row.sha256 for row in drawn), splits, strict=True))
    there, without = defaultdict(set), defaultdict(set)
    for row in used:
        there[row.group].add(row.split)
        without[row.group].add(alone.get(row.sha256, row.split))
    torn = {group for group, found in there.items() if len(found) > 1}
    return len(torn), sum(len(without[group]) > 1 for group in without.keys() - torn)
