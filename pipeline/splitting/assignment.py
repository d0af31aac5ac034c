"""From screened images to rows of the manifest: status, group, split and path of each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.errors import SplitError
from pipeline.labels import label_members
from pipeline.manifest import CONFLICTING, DUPLICATE, QUARANTINED, SPLITS, USED, ImageRow
from pipeline.params import SplitParams
from pipeline.signatures import IMAGE_SUFFIXES, suffix_of
from pipeline.splitting.duplicates import group_near_duplicates
from pipeline.splitting.naming import Named, name_files
from pipeline.splitting.screening import ScreenedImage
from pipeline.splitting.splits import assign_splits

NO_CLASS = "no class: neither its folder nor its name tells one"
FOLDERS_DECIDE = "the archive's folders"


class LabelledImage(NamedTuple):
    """A screened image with what its name tells.

    Attributes:
        label: Its class; empty if its name tells none.
        folder_split: `train`, `val` or `test` if it lies in such a folder.
    """

    image: ScreenedImage
    label: str
    folder_split: str | None


def label_images(
    images: Sequence[ScreenedImage], aliases: Mapping[str, str]
) -> list[LabelledImage]:
    """Give images the class that their names tell.

    It takes all names to know, and those of a tar are known when all of it has been read.

    Args:
        images: All files of an archive, and its empty folders.
        aliases: Other spellings of a class, lower case, to the class.
    """
    meant = {one.member for one in images if one.format or suffix_of(one.member) in IMAGE_SUFFIXES}
    labels = label_members([image.member for image in images], meant, aliases)
    return [
        LabelledImage(image, found.label, found.folder_split)
        if found
        else LabelledImage(image, "", None)
        for image, found in zip(images, labels, strict=True)
    ]


def assign_images(images: Sequence[LabelledImage], settings: SplitParams) -> list[ImageRow]:
    """Make an image's row of the manifest from what it is and from those beside it.

    The order of the images changes nothing in a row.

    Raises:
        SplitError: None of a class's images can be used, or it would have none in some split.
    """
    statuses = settle_duplicates(images)
    _check_usable(images, statuses)
    used = [one for one, (status, _) in zip(images, statuses, strict=True) if status == USED]
    groups = _group(used, settings)
    rules = _split(used, groups, settings)
    files = name_files(
        [Named(one.image.member, one.label, one.image.sha256, one.image.format) for one in used]
    )
    rows = []
    for (image, label, _), (status, reason) in zip(images, statuses, strict=True):
        known = image._asdict() | {"label": label, "status": status, "reason": reason}
        if status == USED:
            split, rule = rules[image.sha256]
            known |= {"split": split, "split_rule": rule, "group": groups[image.sha256]}
            known["path"] = f"{split}/{files[image.sha256]}"
        rows.append(ImageRow(**known))
    return rows


def settle_duplicates(images: Sequence[LabelledImage]) -> list[tuple[str, str]]:
    """Use the same bytes once, and not at all if they stand under two labels.

    Which of the equal files is used does not depend on their order: the first by name.

    Returns:
        For each image its status, and why it is not used.
    """
    labels: dict[str, str] = {}
    conflicts: dict[str, set[str]] = {}
    first: dict[str, str] = {}
    for image, label, _ in images:
        if label and not image.reason:
            if (other := labels.setdefault(image.sha256, label)) != label:
                conflicts.setdefault(image.sha256, {other}).add(label)
            first[image.sha256] = min(image.member, first.get(image.sha256, image.member))

    def settle(image: ScreenedImage, label: str) -> tuple[str, str]:
        if image.reason or not label:
            return QUARANTINED, image.reason or NO_CLASS
        if image.sha256 in conflicts:
            return QUARANTINED, f"{CONFLICTING}{', '.join(sorted(conflicts[image.sha256]))}"
        if image.member != first[image.sha256]:
            return DUPLICATE, f"same bytes as: {first[image.sha256]}"
        return USED, ""

    return [settle(image, label) for image, label, _ in images]


def describe_split_rule(settings: SplitParams) -> str:
    """Say by what images are assigned; equal texts mean equal splits for equal images."""
    singly = "" if settings.near_duplicates else ", near-duplicates apart"
    return (
        f"{settings.method}, seed {settings.seed}, val {settings.val_fraction:g}, "
        f"test {settings.test_fraction:g}{singly}"
    )


def _group(used: Sequence[LabelledImage], settings: SplitParams) -> dict[str, str]:
    """Return sha256 to group of near-duplicates; if those do not matter, each is its own."""
    sha256 = [one.image.sha256 for one in used]
    if not settings.near_duplicates:
        return dict(zip(sha256, sha256, strict=True))
    hashes = np.array([int(one.image.hash, 16) for one in used], np.uint64)
    return dict(zip(sha256, group_near_duplicates(sha256, hashes), strict=True))


def _split(
    used: Sequence[LabelledImage], groups: Mapping[str, str], settings: SplitParams
) -> dict[str, tuple[str, str]]:
    """Return sha256 to the split and what decided it."""
    folders = _folder_splits(used) if settings.respect_folders else {}
    drawn = [one for one in used if one.image.sha256 not in folders]
    sha256 = [one.image.sha256 for one in drawn]
    splits = assign_splits(
        sha256=sha256,
        labels=[one.label for one in drawn],
        groups=[groups[key] for key in sha256],
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        method=settings.method,
    )
    rule = describe_split_rule(settings)
    rules = {key: (split, FOLDERS_DECIDE) for key, split in folders.items()}
    rules |= {key: (split, rule) for key, split in zip(sha256, splits, strict=True)}
    if folders:
        _check_folders(used, rules)
    return rules


def _folder_splits(used: Sequence[LabelledImage]) -> dict[str, str]:
    """Return sha256 to split of the images that the archive's own folders decide.

    An archive with train and test alone has no validation images: its train is drawn.
    """
    found = {one.image.sha256: one.folder_split for one in used}
    kept = set(SPLITS) if "val" in found.values() else {"test"}
    return {key: split for key, split in found.items() if split is not None and split in kept}


def _check_usable(images: Sequence[LabelledImage], statuses: Sequence[tuple[str, str]]) -> None:
    """Refuse a class that would vanish because none of its images can be used."""
    first: dict[str, tuple[bool, str, str]] = {}
    for (image, label, _), (status, reason) in zip(images, statuses, strict=True):
        if label:
            one = (status != USED, image.member, reason)
            first[label] = min(one, first.get(label, one))
    unused = [
        f"{label} ({member}: {reason})"
        for label, (is_unused, member, reason) in sorted(first.items())
        if is_unused
    ]
    if unused:
        raise SplitError(
            f"no image of these classes can be used: {'; '.join(unused)}. Mend the archive."
        )


def _check_folders(used: Sequence[LabelledImage], rules: Mapping[str, tuple[str, str]]) -> None:
    """Demand train and val images of each class, where the archive's folders decide."""
    found = {(one.label, rules[one.image.sha256][0]) for one in used}
    lacking = [
        f"{label} has none in {split}"
        for label in sorted({one.label for one in used})
        for split in ("train", "val")
        if (label, split) not in found
    ]
    if lacking:
        raise SplitError(
            f"with the archive's own folders, {'; '.join(lacking)}. Add images there, or set "
            "split.respect_folders to false (params.yaml)"
        )
