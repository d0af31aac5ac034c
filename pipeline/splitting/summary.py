"""How healthy a dataset is, counted from its manifest; for metrics and the report."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from pipeline.manifest import DUPLICATE, QUARANTINED, SPLITS, USED, ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.splits import draw_split


def count_rows(rows: Iterable[ImageRow], settings: SplitParams) -> dict[str, Any]:
    """Count images by split, class, fate and reason, and the leaks that grouping prevented.

    Returns:
        Nested counts, as docs name them: `images`, `splits`, `classes`, `quarantined`,
        `duplicates`, `leaks_prevented`; and `balance`, the images of the smallest class over
        those of the largest, 0..1.
    """
    rows = list(rows)
    used = [row for row in rows if row.status == USED]
    sizes = Counter(row.split for row in used)
    classes: dict[str, dict[str, int]] = defaultdict(dict)
    for (label, split), number in sorted(Counter((row.label, row.split) for row in used).items()):
        classes[label][split] = number
    groups = Counter(row.group for row in used)
    conflicting = sum(row.reason.startswith("conflicting labels") for row in rows)
    quarantined = Counter(row.reason.split(":")[0] for row in rows if row.status == QUARANTINED)
    return {
        "images": {"found": len(rows), "used": len(used), "quarantined": sum(quarantined.values())},
        "splits": {name: sizes[name] for name in SPLITS if name in sizes},
        "classes": dict(classes),
        "quarantined": dict(quarantined),
        "duplicates": {
            "exact": sum(row.status == DUPLICATE for row in rows),
            "near_groups": sum(number > 1 for number in groups.values()),
            "conflicting": conflicting,
        },
        "balance": _compare_classes(used),
        "leaks_prevented": _count_leaks(used, settings),
    }


def _compare_classes(used: list[ImageRow]) -> float:
    """Return the images of the smallest class over those of the largest; 0 if there are none."""
    sizes = Counter(row.label for row in used).values()
    return min(sizes) / max(sizes) if sizes else 0.0


def _count_leaks(used: list[ImageRow], settings: SplitParams) -> int:
    """Return how many groups would lie in several splits, had each image been drawn alone."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in used:
        alone = draw_split(row.sha256, settings.val_fraction, settings.test_fraction, settings.seed)
        splits[row.group].add(alone)
    return sum(len(found) > 1 for found in splits.values())
