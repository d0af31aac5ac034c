"""Which split an image belongs to: a function of the images, their groups and the settings alone.

Each image draws a number by its own hash; a group of near-duplicates has the largest draw of its
images. Low draws are test, those above them val, the rest train. So a group is train if any of its
images draws train, else val if any draws val, else test; and as groups only grow
(`group_near_duplicates`), more images can move an old one from test to val and from val to train,
never back.

A class that would have no image in some split is repaired: each split gets at least one group, in the
order of the draws. There, too, a new group only moves others towards train, but for two cases, which
no rule without memory can rule out while each class is to have an image in each split:

* A near-duplicate joins a class's only group in val (test) and takes it out of there: the smallest
  draw that is left takes its place.
* A class has no group that draws train (or too few above test): its largest draws are moved up, and
  go back when a new group draws what they stood in for.
"""

import hashlib
import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from pipeline.errors import SplitError

TRAIN, VAL, TEST = "train", "val", "test"
Method = Literal["stable", "exact"]


class _Group(NamedTuple):
    """A group of near-duplicates; groups are gone through in the order of their draws."""

    draw: float
    name: str
    size: int
    labels: tuple[str, ...]  # of its images in the order of their sha256, each once


def assign_splits(
    *,
    sha256: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    method: Method = "stable",
) -> list[str]:
    """Give each image its split. No group is torn, and the order of the images changes nothing.

    `stable` follows the draws: the shares are met on average, the closer the more images there are.

    `exact` goes through the groups of each class in the order of their draws. A group goes to test
    while it fits into `round(test_fraction * images of the class)`, at least 1; else to val likewise;
    else to train. Counts are exact as long as single images are left to fill up with, but any change
    among a class's images may move others. A group with several labels counts for that of its first
    image by sha256.

    Args:
        sha256: Of each image, hexadecimal, all different.
        labels: Class of each image.
        groups: Group of each image, as `group_near_duplicates` names them.
        val_fraction: Share of the images, 0 < f < 1.
        test_fraction: Share of the images, 0 <= f < 1; at 0 there is no test split.
        seed: Decides the draws, together with the images' sha256.
        method: `stable` or `exact`.

    Returns:
        `train`, `val` or `test` for each image.

    Raises:
        SplitError: A class has fewer groups than there are splits.
        ValueError: The columns differ in length, or an image occurs twice.
    """
    if len(set(sha256)) < len(sha256):
        raise ValueError("an image is given twice: settle exact duplicates first")
    drawn = _draw_groups(zip(groups, sha256, labels, strict=True), seed)
    splits = _assign(drawn, val_fraction, test_fraction, method)
    needed = (TRAIN, VAL, TEST) if test_fraction > 0 else (TRAIN, VAL)
    if lacking := _find_lacking(drawn, splits, needed):
        raise SplitError(_explain(lacking, drawn, needed, method))
    return [splits[group] for group in groups]


def assign_singly(
    *,
    sha256: Sequence[str],
    labels: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    method: Method = "stable",
) -> list[str]:
    """Return the splits that `assign_splits` would give if no two images were near-duplicates.

    A class of too few images has none in some split.
    """
    drawn = _draw_groups(zip(sha256, sha256, labels, strict=True), seed)
    splits = _assign(drawn, val_fraction, test_fraction, method)
    return [splits[one] for one in sha256]


def _assign(
    drawn: Sequence[_Group], val_fraction: float, test_fraction: float, method: Method
) -> dict[str, str]:
    """Return the split of each group by its name."""
    if method == "exact":
        shares = {TEST: test_fraction, VAL: val_fraction}
        return _fill_exactly(drawn, {name: share for name, share in shares.items() if share > 0})
    return _follow_draws(drawn, _limits(val_fraction, test_fraction))


def _limits(val_fraction: float, test_fraction: float) -> dict[str, float]:
    """Return for each split but train, in the order of the draws, the draw at which it ends."""
    limits = {TEST: test_fraction, VAL: test_fraction + val_fraction}
    return limits if test_fraction > 0 else {VAL: val_fraction}


def _draw(sha256: str, seed: int) -> float:
    """Return an image's number in [0, 1): the first 48 bits of sha256("<seed>:<sha256>") over 2**48."""
    digest = hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()
    return int(digest[:12], 16) / 2**48  # which a float holds exactly


def _split_at(draw: float, limits: Mapping[str, float]) -> str:
    return next((split for split, limit in limits.items() if draw < limit), TRAIN)


def _draw_groups(images: Iterable[tuple[str, str, str]], seed: int) -> list[_Group]:
    """Return the groups of images (group, sha256, label), in the order of their draws."""
    drawn = []
    for name, members in groupby(sorted(images), itemgetter(0)):
        _, sha256, labels = zip(*members, strict=True)
        draw = max(_draw(one, seed) for one in sha256)
        drawn.append(_Group(draw, name, len(sha256), tuple(dict.fromkeys(labels))))
    return sorted(drawn)


def _follow_draws(drawn: Sequence[_Group], limits: Mapping[str, float]) -> dict[str, str]:
    """Return the split of each group by its draw, after repairing the classes that would lack a split."""
    splits = {group.name: _split_at(group.draw, limits) for group in drawn}
    for label in _find_lacking(drawn, splits, (*limits, TRAIN)):
        # A group with another label too stays: to move it might take from that class what it needs.
        splits |= _cut([group for group in drawn if group.labels == (label,)], limits)
    return splits


def _cut(drawn: Sequence[_Group], limits: Mapping[str, float]) -> dict[str, str]:
    """Cut a class's groups at the limits, but so that each split has one if there are enough."""
    draws = [group.draw for group in drawn]
    splits = dict.fromkeys((group.name for group in drawn), TRAIN)
    start = 0
    for later, (split, limit) in zip(range(len(limits), 0, -1), limits.items(), strict=True):
        end = min(max(bisect_left(draws, limit), start + 1), len(drawn) - later)
        splits |= dict.fromkeys((group.name for group in drawn[start:end]), split)
        start = max(start, end)
    return splits


def _fill_exactly(drawn: Iterable[_Group], shares: Mapping[str, float]) -> dict[str, str]:
    """Return the split of each group such that each class has its exact shares."""
    drawn = list(drawn)
    totals: Counter[str] = Counter()
    for group in drawn:
        totals[group.labels[0]] += group.size
    room = {
        label: {split: max(1, math.floor(share * total + 0.5)) for split, share in shares.items()}
        for label, total in totals.items()
    }
    splits = {}
    for group in drawn:
        left = room[group.labels[0]]
        splits[group.name] = next((name for name in left if group.size <= left[name]), TRAIN)
        if splits[group.name] in left:
            left[splits[group.name]] -= group.size
    return splits


def _find_lacking(
    drawn: Iterable[_Group], splits: Mapping[str, str], needed: Sequence[str]
) -> dict[str, list[str]]:
    """Return the splits that have no image of a class, for each class with such splits."""
    found: dict[str, set[str]] = defaultdict(set)
    for group in drawn:
        for label in group.labels:
            found[label].add(splits[group.name])
    absent = {
        label: [split for split in needed if split not in there]
        for label, there in sorted(found.items())
    }
    return {label: missing for label, missing in absent.items() if missing}


def _explain(
    lacking: Mapping[str, Sequence[str]],
    drawn: Sequence[_Group],
    needed: Sequence[str],
    method: Method,
) -> str:
    """Return the message that names each class without an image in some split, and the ways out."""
    faults, any_joined = [], False
    for label, missing in lacking.items():
        own = [group for group in drawn if label in group.labels]
        any_joined |= any(group.size > 1 for group in own)
        shared = sum(len(group.labels) > 1 for group in own)
        images = f"images: {sum(group.size for group in own)}, " if not shared else ""
        others = f", of which {shared} hold images of other classes, too" if shared else ""
        counts = f"{images}groups of near-duplicates: {len(own)}{others}"
        faults.append(f"{label} ({counts}) has none in {' and '.join(missing)}")
    ways = ["set split.test_fraction to 0"] if TEST in needed else []
    ways += ["set split.near_duplicates to false"] if any_joined else []
    ways += ["set split.method to stable"] if method == "exact" else []
    others = f", or {', or '.join(ways)} (params.yaml)" if ways else ""
    return f"each class needs an image in {', '.join(needed)}: {'; '.join(faults)}. Add images{others}."
