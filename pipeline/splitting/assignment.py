"""How each image comes to its split: by the archive's own folders, or by the draw of its group."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import SplitError
from pipeline.manifest import USED, ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.splits import assign_splits

FOLDERS_DECIDE = "the archive's folders"


def describe_split_rule(settings: SplitParams) -> str:
    """Say by what images are assigned; equal texts mean equal splits for equal images."""
    singly = "" if settings.near_duplicates else ", near-duplicates apart"
    return (
        f"{settings.method}, seed {settings.seed}, val {settings.val_fraction:g}, "
        f"test {settings.test_fraction:g}{singly}"
    )


def assign_rows(
    rows: Iterable[ImageRow], settings: SplitParams, folders: Mapping[str, str]
) -> tuple[list[ImageRow], dict[str, str]]:
    """Find each used image's split.

    Args:
        rows: All images, with their groups.
        settings: How to assign.
        folders: sha256 to the split that the archive's own folders give; only the others are drawn.

    Returns:
        The rows, in which each used one says how it came to its split; and sha256 to split of the
        used ones.

    Raises:
        SplitError: A class would have no image in some split.
    """
    rows = list(rows)
    used = [row for row in rows if row.status == USED]
    drawn = [row for row in used if row.sha256 not in folders]
    splits = {**folders, **_draw_splits(drawn, settings)}
    if folders:
        _check_splits(used, splits)
    rules = {True: FOLDERS_DECIDE, False: describe_split_rule(settings)}
    rows = [
        row._replace(split_rule=rules[row.sha256 in folders]) if row.status == USED else row
        for row in rows
    ]
    return rows, splits


def _draw_splits(rows: Sequence[ImageRow], settings: SplitParams) -> dict[str, str]:
    """Return sha256 to split of the images that no folder decides."""
    sha256 = [row.sha256 for row in rows]
    splits = assign_splits(
        sha256=sha256,
        labels=[row.label for row in rows],
        groups=[row.group for row in rows],
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        method=settings.method,
    )
    return dict(zip(sha256, splits, strict=True))


def _check_splits(used: Sequence[ImageRow], splits: Mapping[str, str]) -> None:
    """Demand train and val images of each class, where the archive's folders decide."""
    found = {(row.label, splits[row.sha256]) for row in used}
    lacking = [
        f"{label} has none in {split}"
        for label in sorted({row.label for row in used})
        for split in ("train", "val")
        if (label, split) not in found
    ]
    if lacking:
        raise SplitError(
            f"with the archive's own folders, {'; '.join(lacking)}. Add images there, or set "
            "split.respect_folders to false (params.yaml)"
        )
