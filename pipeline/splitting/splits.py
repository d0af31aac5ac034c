"""Which side of the split an image lies on: groups of near-duplicates are dealt into train, val and test.

Two methods. `stable`: a group's side follows from its name and the seed alone, so that adding or
removing other images moves nothing. `exact`: each class has exactly the shares that were asked for,
but any change among its images may move others.

A group's name is the smallest sha256 in it, which changes when such an image joins. So `stable` can be
given an earlier dealing, and leaves every image that it knows where it was. A new image that resembles
old ones on different sides can then lie on neither; `settle_groups` finds those.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.errors import SplitError

TRAIN, VAL, TEST = "train", "val", "test"
Method = Literal["stable", "exact"]

_SEEDS_TRIED = 50  # in search of one to recommend


class _Image(NamedTuple):
    """An image, in the order in which images are gone through: by sha256."""

    sha256: str
    label: str
    group: str


def deal(group: str, val_fraction: float, test_fraction: float, seed: int) -> str:
    """Return the side of one group, the same on every machine.

    `u` in [0, 1) is the number that the first 48 bits of sha256("<seed>:<group>") make, over 2**48. The
    group goes to val if `u < val_fraction`, else to test if `u < val_fraction + test_fraction`, else to
    train. So a larger fraction takes no image out of val.

    Args:
        group: Its name: the smallest sha256 of its images, hexadecimal.
        val_fraction: Share of the groups expected in val, 0..1.
        test_fraction: Share of the groups expected in test, 0..1.
        seed: Another one deals all groups anew.
    """
    u = _draw(group, seed)
    if u < val_fraction:
        return VAL
    return TEST if u < val_fraction + test_fraction else TRAIN


def assign_splits(
    *,
    sha256: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    method: Method = "stable",
    prior: Mapping[str, str] | None = None,
) -> list[str]:
    """Give each image its side. No group is on two sides, and the order of the images changes nothing.

    `stable` deals each group by `deal`: the shares are met on average, more closely the more images
    there are. If by bad luck a class has no image on some side, that is an error and is not mended:
    whatever mends it would have to move images later on.

    `exact` goes through the groups of each class in the order of their `u`. A group goes to val while
    it fits into `round(val_fraction * images of the class)`, at least 1; else to test likewise; else
    to train. Counts are exact as long as single images are left to fill up with. A group with several
    labels counts for that of its first image by sha256.

    Args:
        sha256: Of each image, hexadecimal, all different.
        labels: Class of each image.
        groups: Group of each image, as `group_near_duplicates` names them.
        val_fraction: Share of the images, 0 < f < 1.
        test_fraction: Share of the images, 0 <= f < 1; at 0 there is no test side.
        seed: Decides the dealing, together with the groups' names.
        method: `stable` or `exact`.
        prior: sha256 to side, of an earlier `stable` dealing with the same fractions and seed. Images
            found there keep their side, and the others of their groups join them.

    Returns:
        `train`, `val` or `test` for each image.

    Raises:
        SplitError: A class has no image on some side, or `prior` has a side that is not dealt.
        ValueError: The columns differ in length, an image occurs twice, `prior` comes with `exact`, or
            a group has images on several sides of `prior` (see `settle_groups`).
    """
    images = sorted(_Image(*values) for values in zip(sha256, labels, groups, strict=True))
    if len(set(sha256)) < len(images):
        raise ValueError("an image is given twice: settle exact duplicates first")
    if prior and method == "exact":
        raise ValueError("only the method 'stable' can keep an earlier dealing")
    shares = {
        side: share for side, share in ((VAL, val_fraction), (TEST, test_fraction)) if share > 0
    }
    if method == "exact":
        sides = _cut_exactly(images, shares, seed)
    else:
        sides = _deal_all(images, shares, seed) | _keep_sides(images, shares, prior or {})
    if lacking := _find_lacking(images, sides, shares):
        raise SplitError(_explain(lacking, images, shares, seed, method))
    return [sides[group] for group in groups]


def settle_groups(
    *, sha256: Sequence[str], groups: Sequence[str], prior: Mapping[str, str]
) -> list[str | None]:
    """Take apart the groups that have images on several sides of an earlier dealing; the rest stay whole.

    Such a group arises when a new image resembles two old ones that do not resemble each other. The old
    ones never move, so each side's become a group of their own. The new ones would be a leak on either
    side: they get no group, and the caller sets them aside as near-duplicates of images on both sides.

    Args:
        sha256: Of each image, hexadecimal, all different.
        groups: Group of each image, as `group_near_duplicates` names them.
        prior: sha256 to side, of the earlier dealing.

    Returns:
        The group of each image, for `assign_splits`; None for an image to set aside.

    Raises:
        ValueError: The columns differ in length.
    """
    firsts: dict[str, dict[str, str]] = defaultdict(
        dict
    )  # group to side to the smallest sha256 there
    for image, group in sorted(zip(sha256, groups, strict=True)):
        if image in prior:
            firsts[group].setdefault(prior[image], image)
    torn = {group: first for group, first in firsts.items() if len(first) > 1}
    return [
        torn[group].get(prior.get(image, "")) if group in torn else group
        for image, group in zip(sha256, groups, strict=True)
    ]


def _draw(group: str, seed: int) -> float:
    """Return the number in [0, 1) that decides a group's side."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
    return int(digest[:12], 16) / 2**48  # 48 bits, which a float holds exactly


def _deal_all(images: Iterable[_Image], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Return the side of each group by its own hash."""
    groups = {image.group for image in images}
    return {
        group: deal(group, shares.get(VAL, 0.0), shares.get(TEST, 0.0), seed) for group in groups
    }


def _keep_sides(
    images: Iterable[_Image], shares: Mapping[str, float], prior: Mapping[str, str]
) -> dict[str, str]:
    """Return the sides of the groups with images of the earlier dealing."""
    kept: dict[str, str] = {}
    for image in images:
        side = prior.get(image.sha256)
        if side is None:
            continue
        if side not in (TRAIN, *shares):
            raise SplitError(
                f"the earlier dealing has image {image.sha256} in {side!r}, now there are only "
                f"{', '.join((TRAIN, *shares))}. Restore split.test_fraction (params.yaml), or deal anew."
            )
        if kept.setdefault(image.group, side) != side:
            raise ValueError(
                f"group {image.group} has images on several sides of the earlier dealing"
            )
    return kept


def _cut_exactly(
    images: Sequence[_Image], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return the side of each group such that each class has its exact shares."""
    sizes = Counter(image.group for image in images)
    owners = {
        image.group: image.label for image in reversed(images)
    }  # so the first image has the last word
    totals = Counter(owners[image.group] for image in images)
    room = {
        label: {side: max(1, math.floor(share * total + 0.5)) for side, share in shares.items()}
        for label, total in totals.items()
    }
    sides = {}
    for group in sorted(owners, key=lambda group: (_draw(group, seed), group)):
        left = room[owners[group]]
        sides[group] = next((side for side in left if sizes[group] <= left[side]), TRAIN)
        if sides[group] in left:
            left[sides[group]] -= sizes[group]
    return sides


def _find_lacking(
    images: Iterable[_Image], sides: Mapping[str, str], shares: Mapping[str, float]
) -> dict[str, list[str]]:
    """Return the sides that have no image of a class, for each class with such sides."""
    found: dict[str, set[str]] = defaultdict(set)
    for image in images:
        found[image.label].add(sides[image.group])
    absent = {
        label: [side for side in (TRAIN, *shares) if side not in there]
        for label, there in sorted(found.items())
    }
    return {label: missing for label, missing in absent.items() if missing}


def _explain(
    lacking: Mapping[str, Sequence[str]],
    images: Sequence[_Image],
    shares: Mapping[str, float],
    seed: int,
    method: Method,
) -> str:
    """Return the message that names each class without an image on some side, and the ways out."""
    faults = []
    for label, missing in lacking.items():
        groups = [image.group for image in images if image.label == label]
        sizes = f"images: {len(groups)}, groups: {len(set(groups))}"
        faults.append(f"{label} ({sizes}) has none in {' and '.join(missing)}")
    fractions = " and ".join(f"split.{side}_fraction ({share})" for side, share in shares.items())
    ways = ["Add images", f"change {fractions}"]
    if method == "stable":
        better = _find_seed(images, shares, seed)
        ways += (
            [f"set split.seed to {better}, which deals all images anew"]
            if better is not None
            else []
        )
        ways += ["set split.method to exact"]
    needed = ", ".join((TRAIN, *shares))
    return f"each class needs an image in {needed}: {'; '.join(faults)}. {', or '.join(ways)} (params.yaml)."


def _find_seed(images: Sequence[_Image], shares: Mapping[str, float], seed: int) -> int | None:
    """Return the next seed by which no class lacks a side, if one of the next few does it."""
    seeds = range(seed + 1, seed + 1 + _SEEDS_TRIED)
    return next(
        (one for one in seeds if not _find_lacking(images, _deal_all(images, shares, one), shares)),
        None,
    )
