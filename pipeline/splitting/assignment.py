"""How each image comes to its side: by an earlier manifest, by the archive's own folders, or by its hash."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import ManifestError, SplitError
from pipeline.manifest import QUARANTINED, USED, ImageRow, read_manifest
from pipeline.params import SplitParams
from pipeline.splitting.splits import assign_splits, settle_groups

ON_BOTH_SIDES = "near-duplicate of images on both sides"


def describe_split_rule(settings: SplitParams) -> str:
    """Say by what images are dealt; equal texts mean equal sides for equal groups."""
    singly = "" if settings.near_duplicates else ", near-duplicates apart"
    return (
        f"{settings.method}, seed {settings.seed}, val {settings.val_fraction:g}, "
        f"test {settings.test_fraction:g}{singly}"
    )


def read_prior(path: Path, settings: SplitParams) -> dict[str, str]:
    """Return sha256 to side of an earlier manifest that was dealt in the same way; else nothing.

    With it, an image that joins an old group of near-duplicates does not move the old ones.
    """
    if settings.method == "exact":
        return {}
    dealt = describe_split_rule(settings)
    try:
        return {row.sha256: row.split for row in read_manifest(path) if row.split_rule == dealt}
    except ManifestError:
        return {}


def assign_rows(
    rows: Iterable[ImageRow],
    settings: SplitParams,
    prior: Mapping[str, str],
    folders: Mapping[str, str],
) -> tuple[list[ImageRow], dict[str, str]]:
    """Find each used image's side.

    Args:
        rows: All images, with their groups.
        settings: How to deal.
        prior: sha256 to side of an earlier dealing.
        folders: sha256 to the side that the archive's own folders give; such images are not dealt.

    Returns:
        The rows, in which a new image that resembles old ones on two sides is now quarantined
        and each used one says how it was dealt; and sha256 to side of the used ones.

    Raises:
        SplitError: A class would have no image on some side.
    """
    rows = list(rows)
    open_rows = [row for row in rows if row.status == USED and row.sha256 not in folders]
    keys = [row.sha256 for row in open_rows]
    groups = settle_groups(sha256=keys, groups=[row.group for row in open_rows], prior=prior)
    regrouped = dict(zip(keys, groups, strict=True))
    rows = [
        _regroup(row, regrouped[row.sha256]) if row.sha256 in regrouped else row for row in rows
    ]
    open_rows = [row for row in rows if row.status == USED and row.sha256 not in folders]
    sides = {**folders, **_deal(open_rows, settings, prior)}
    if folders:
        _check_sides([row for row in rows if row.status == USED], sides)
    ways = {True: "the archive's folders", False: describe_split_rule(settings)}
    rows = [
        row._replace(split_rule=ways[row.sha256 in folders]) if row.status == USED else row
        for row in rows
    ]
    return rows, sides


def _regroup(row: ImageRow, group: str | None) -> ImageRow:
    if row.status != USED or row.group == group:
        return row
    if group is None:
        return row._replace(status=QUARANTINED, reason=ON_BOTH_SIDES, group="")
    return row._replace(group=group)


def _deal(
    rows: Sequence[ImageRow], settings: SplitParams, prior: Mapping[str, str]
) -> dict[str, str]:
    if not rows:
        return {}
    keys = [row.sha256 for row in rows]
    splits = assign_splits(
        sha256=keys,
        labels=[row.label for row in rows],
        groups=[row.group for row in rows],
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        method=settings.method,
        prior=prior,
    )
    return dict(zip(keys, splits, strict=True))


def _check_sides(used: Sequence[ImageRow], sides: Mapping[str, str]) -> None:
    """Demand train and val images of each class, where the archive's folders decide."""
    found = {(row.label, sides[row.sha256]) for row in used}
    lacking = [
        f"{label} has none in {side}"
        for label in sorted({row.label for row in used})
        for side in ("train", "val")
        if (label, side) not in found
    ]
    if lacking:
        raise SplitError(
            f"with the archive's own folders, {'; '.join(lacking)}. Add images there, or set "
            "split.respect_folders to false (params.yaml)"
        )
