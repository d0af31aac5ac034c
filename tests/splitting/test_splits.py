"""Splits: nothing lost, no group torn, growth moves none out of train, shares as asked for."""

import hashlib
import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import SplitError
from pipeline.splitting.duplicates import group_near_duplicates
from pipeline.splitting.splits import assign_splits
from tests.splitting.draws import draw_split

SEEDS = st.integers(0, 2**32 - 1)
METHODS = pytest.mark.parametrize("method", ["stable", "exact"])


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


NAMES = [name(number) for number in range(3000)]


@st.composite
def grouped_images(draw: st.DrawFn) -> dict[str, list[str]]:
    """Columns of images of two classes: a few in groups, some with mixed labels, and enough single ones."""
    groups: list[str] = []
    for size in draw(st.lists(st.integers(1, 5), max_size=8)):
        members = NAMES[len(groups) : len(groups) + size]
        groups += [min(members)] * size
    count = len(groups)
    labels = draw(st.lists(st.sampled_from(["cat", "dog"]), min_size=count, max_size=count))
    singles = NAMES[count : count + 200]
    return {
        "sha256": NAMES[: count + 200],
        "groups": groups + singles,
        "labels": labels + ["cat", "dog"] * 100,
    }


def splits_by_group(groups: list[str], splits: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        found[group].add(split)
    return found


def assign_singles(count: int, label: str = "cat", **asked) -> list[str]:
    names = NAMES[:count]
    asked = {"val_fraction": 0.2, "test_fraction": 0.0, "seed": 7} | asked
    return assign_splits(sha256=names, labels=[label] * count, groups=names, **asked)


# The draw of one image


def test_an_image_is_drawn_by_the_documented_formula() -> None:
    splits = assign_singles(200, val_fraction=0.2, test_fraction=0.3)
    assert splits == [draw_split(one, 0.2, 0.3, 7) for one in NAMES[:200]]


def test_a_draw_is_the_same_on_every_machine() -> None:
    splits = assign_singles(24, val_fraction=0.25, test_fraction=0.25)
    assert "".join(split[1] for split in splits) == "eeerrrrraearearearrerraa"


@given(seed=SEEDS)
def test_larger_fractions_move_images_from_train_towards_test(seed: int) -> None:
    fractions = [(part / 10, 0.0) for part in range(1, 10)]
    fractions += [(0.9 - part / 10, part / 10) for part in range(1, 9)]
    rounds = [
        assign_singles(60, val_fraction=val, test_fraction=test, seed=seed)
        for val, test in fractions
    ]
    for splits in zip(*rounds, strict=True):
        assert list(splits) == sorted(splits, key=["train", "val", "test"].index)
    assert {*rounds[0], *rounds[-1]} == {"train", "val", "test"}


@pytest.mark.parametrize("test_fraction", [0.0, 0.3])
def test_a_group_is_train_if_any_of_its_images_draws_train_else_val_if_any_does(
    test_fraction: float,
) -> None:
    groups = [min(NAMES[start : start + 3]) for start in range(0, 300, 3) for _ in range(3)]
    asked = {"val_fraction": 0.5, "test_fraction": test_fraction, "seed": 7}
    splits = assign_splits(sha256=NAMES[:300], labels=["cat"] * 300, groups=groups, **asked)
    seen = set()
    for start in range(0, 300, 3):
        alone = [draw_split(one, 0.5, test_fraction, 7) for one in NAMES[start : start + 3]]
        expected = next(split for split in ("train", "val", "test") if split in alone)
        assert splits[start : start + 3] == [expected] * 3
        seen.add((expected, len(set(alone)) > 1))
    assert ("train", True) in seen


@METHODS
def test_another_seed_is_another_draw(method: str) -> None:
    assert assign_singles(100, method=method) != assign_singles(100, method=method, seed=8)


# Invariants of both methods


@METHODS
@settings(max_examples=50)
@given(images=grouped_images(), seed=SEEDS)
def test_each_image_has_one_split_and_each_group_too(method: str, images, seed: int) -> None:
    splits = assign_splits(**images, val_fraction=0.3, test_fraction=0.3, seed=seed, method=method)
    assert len(splits) == len(images["sha256"])
    assert set(splits) == {"train", "val", "test"}
    assert all(len(found) == 1 for found in splits_by_group(images["groups"], splits).values())


@METHODS
@settings(max_examples=50)
@given(images=grouped_images(), order=st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(method: str, images, order: random.Random) -> None:
    asked = {"val_fraction": 0.3, "test_fraction": 0.2, "seed": 7, "method": method}
    expected = dict(zip(images["sha256"], assign_splits(**images, **asked), strict=True))
    rows = list(zip(*images.values(), strict=True))
    order.shuffle(rows)
    shuffled = dict(zip(images, map(list, zip(*rows, strict=True)), strict=True))
    found = dict(zip(shuffled["sha256"], assign_splits(**shuffled, **asked), strict=True))
    assert found == expected


@METHODS
def test_without_a_test_fraction_there_is_no_test_split(method: str) -> None:
    assert set(assign_singles(100, method=method)) == {"train", "val"}


# The shares


@pytest.mark.parametrize("seed", range(5))
def test_stable_shares_are_near_those_wanted(seed: int) -> None:
    counts = Counter(assign_singles(3000, val_fraction=0.2, test_fraction=0.1, seed=seed))
    for split, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items():
        assert abs(counts[split] - 3000 * share) < 4 * math.sqrt(3000 * share * (1 - share))


@settings(max_examples=50)
@given(images=grouped_images(), seed=SEEDS, val=st.integers(1, 50), test=st.integers(0, 40))
def test_exact_shares_are_exact_for_each_class(images, seed: int, val: int, test: int) -> None:
    splits = assign_splits(
        **images, val_fraction=val / 100, test_fraction=test / 100, seed=seed, method="exact"
    )
    label_of = dict(zip(images["sha256"], images["labels"], strict=True))
    owned = [label_of[group] for group in images["groups"]]  # groups are named by their first image
    for label in ("cat", "dog"):
        total = owned.count(label)
        counts = Counter(
            split for split, owner in zip(splits, owned, strict=True) if owner == label
        )
        assert counts["val"] == max(1, math.floor(val / 100 * total + 0.5))
        assert counts["test"] == (max(1, math.floor(test / 100 * total + 0.5)) if test else 0)


def test_exact_leaves_a_group_that_does_not_fit_in_train() -> None:
    groups = [min(NAMES[:8])] * 8 + NAMES[8:20]
    for seed in range(20):
        splits = assign_splits(
            sha256=NAMES[:20], labels=["cat"] * 20, groups=groups, val_fraction=0.25, test_fraction=0.0,
            seed=seed, method="exact",
        )  # fmt: skip
        assert splits[0] == "train"
        assert splits.count("val") == 5


# Classes that would lack a split


@pytest.mark.parametrize("test_fraction", [0.0, 0.1])
def test_many_classes_of_six_images_all_have_every_split(test_fraction: float) -> None:
    names = NAMES[:360]
    labels = [f"class {number // 6}" for number in range(360)]
    asked = {"val_fraction": 0.2, "test_fraction": test_fraction, "seed": 7}
    splits = assign_splits(sha256=names, labels=labels, groups=names, **asked)
    alone = [draw_split(one, 0.2, test_fraction, 7) for one in names]
    needed = {"train", "val", "test"} if test_fraction else {"train", "val"}
    repaired = 0
    for start in range(0, 360, 6):
        assert set(splits[start : start + 6]) == needed
        whole = set(alone[start : start + 6]) == needed
        assert not whole or splits[start : start + 6] == alone[start : start + 6]
        repaired += not whole
    assert 0 < repaired < 60


@given(seed=SEEDS, val=st.integers(1, 90), test=st.sampled_from([0, 5, 9]))
def test_as_many_images_as_splits_are_enough_whatever_they_draw(
    seed: int, val: int, test: int
) -> None:
    count = 3 if test else 2
    splits = assign_singles(count, val_fraction=val / 100, test_fraction=test / 100, seed=seed)
    draws = {one: hashlib.sha256(f"{seed}:{one}".encode()).hexdigest() for one in NAMES[:count]}
    by_draw = sorted(zip(draws.values(), splits, strict=True))
    assert [split for _, split in by_draw] == ["test", "val", "train"][-count:]


def test_a_class_without_val_gives_it_the_group_with_the_smallest_draw() -> None:
    draws = {one: hashlib.sha256(f"7:{one}".encode()).hexdigest() for one in NAMES}
    in_train = [one for one in NAMES if draw_split(one, 0.2, 0.0, 7) == "train"][:60]
    groups = [min(in_train[start : start + 2]) for start in range(0, 60, 2) for _ in range(2)]
    splits = assign_splits(
        sha256=in_train, labels=["cat"] * 60, groups=groups, val_fraction=0.2, test_fraction=0.0, seed=7
    )  # fmt: skip
    chosen = [one for one, split in zip(in_train, splits, strict=True) if split == "val"]
    largest = {
        group: max(draws[one] for one, its in zip(in_train, groups, strict=True) if its == group)
        for group in groups
    }
    smallest = min(largest, key=lambda group: largest[group])
    assert chosen == [one for one, its in zip(in_train, groups, strict=True) if its == smallest]


def test_a_group_of_two_classes_is_not_moved_to_repair_one_of_them() -> None:
    in_train = [one for one in NAMES if draw_split(one, 0.2, 0.0, 7) == "train"]
    u = {one: hashlib.sha256(f"7:{one}".encode()).hexdigest() for one in in_train}
    lowest, *others = sorted(in_train[:6], key=lambda one: u[one])
    groups = [lowest, lowest, *others[1:]]  # `others[0]` is the second image of the lowest group
    splits = assign_splits(
        sha256=[lowest, *others], labels=["cat", "dog"] * 3, groups=groups,
        val_fraction=0.2, test_fraction=0.0, seed=7,
    )  # fmt: skip
    assert splits == ["train", "train", "val", "val", "train", "train"]


# Growth


ORDER = {"test": 0, "val": 1, "train": 2}  # the way in which growth may move an image


@settings(max_examples=50)
@given(images=grouped_images(), kept=st.integers(100, 200), seed=SEEDS)
def test_growth_and_loss_of_other_groups_move_no_image(images, kept: int, seed: int) -> None:
    asked = {"val_fraction": 0.3, "test_fraction": 0.3, "seed": seed}
    all_splits = dict(zip(images["sha256"], assign_splits(**images, **asked), strict=True))
    fewer = {column: values[-kept:] for column, values in images.items()}
    splits = assign_splits(**fewer, **asked)
    assert splits == [all_splits[one] for one in fewer["sha256"]]


@st.composite
def growing_hashes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Perceptual hashes, of which many are near-duplicates and chains, and the sizes of growing datasets."""
    rng = np.random.default_rng(draw(SEEDS))
    centres = [int(rng.integers(2**63)) for _ in range(3)]
    places = st.lists(st.integers(0, 19), max_size=14)
    crowded = draw(st.lists(st.tuples(st.sampled_from(centres), places), min_size=1, max_size=30))
    hashes = [centre ^ sum(1 << place for place in set(changed)) for centre, changed in crowded]
    sizes = draw(st.lists(st.integers(0, len(hashes)), min_size=1, max_size=4))
    return hashes, [*sorted(sizes), len(hashes)]


FILLERS = np.random.default_rng(0).integers(
    0, 2**64, 100, np.uint64
)  # so that no class is repaired


def split_hashes(hashes: list[int], seed: int, test_fraction: float) -> dict[str, str]:
    """Group and assign as the stage does."""
    names = NAMES[: len(FILLERS) + len(hashes)]
    groups = group_near_duplicates(names, np.concatenate([FILLERS, np.array(hashes, np.uint64)]))
    splits = assign_splits(
        sha256=names, groups=groups, labels=["cat"] * len(names),
        val_fraction=0.7 - test_fraction, test_fraction=test_fraction, seed=seed,
    )  # fmt: skip
    found = splits_by_group(groups, splits)
    assert all(len(splits) == 1 for splits in found.values()), "a group is torn"
    return dict(zip(names, splits, strict=True))


@settings(max_examples=200)
@given(growth=growing_hashes(), seed=SEEDS, test_fraction=st.sampled_from([0.0, 0.3]))
def test_growth_with_chains_and_bridges_moves_images_towards_train_alone(
    growth, seed: int, test_fraction: float
) -> None:
    hashes, sizes = growth
    before: dict[str, str] = {}
    for size in sizes:
        after = split_hashes(hashes[:size], seed, test_fraction)
        assert all(ORDER[after[one]] >= ORDER[split] for one, split in before.items())
        before = after


def test_a_bridge_moves_an_image_from_val_to_train() -> None:
    splits = split_hashes([], 7, 0.0)
    ends = {
        split: next(int(FILLERS[row]) for row in range(len(FILLERS)) if splits[NAMES[row]] == split)
        for split in ("train", "val")
    }  # fmt: skip
    apart = [place for place in range(64) if (ends["train"] ^ ends["val"]) >> place & 1]
    steps = range(4, len(apart), 4)
    bridge = [ends["train"] ^ sum(1 << place for place in apart[:step]) for step in steps]
    assert split_hashes(bridge[:-3], 7, 0.0).items() >= splits.items(), (
        "the bridge is not closed yet"
    )
    moved = {
        one
        for one, split in split_hashes(bridge, 7, 0.0).items()
        if splits.get(one, split) != split
    }
    assert {splits[one] for one in moved} == {"val"}


@settings(max_examples=200)
@given(
    sizes=st.tuples(st.integers(3, 12), st.integers(0, 12)),
    fractions=st.sampled_from([(0.2, 0.0), (0.1, 0.1), (0.05, 0.3)]),
    seed=SEEDS,
)
def test_new_groups_of_a_small_class_move_images_towards_train_alone(
    sizes: tuple[int, int], fractions: tuple[float, float], seed: int
) -> None:
    first, more = sizes
    asked = {"val_fraction": fractions[0], "test_fraction": fractions[1], "seed": seed}
    alone = [draw_split(one, **asked) for one in NAMES[:first]]
    assume("train" in alone)
    assume(len(alone) - alone.count("test") >= 2)  # else some that draw test stand in for others
    before = assign_singles(first, **asked)
    after = assign_singles(first + more, **asked)
    moves = zip(before, after, strict=False)
    assert all(ORDER[new] >= ORDER[old] for old, new in moves)


# Errors


def test_a_class_of_one_group_is_an_error_that_says_what_to_change() -> None:
    message = (
        r"each class needs an image in train, val: rose \(images: 2, groups of near-duplicates: 1\) has none "
        r"in val\. Add images, or set split\.near_duplicates to false \(params\.yaml\)\."
    )
    with pytest.raises(SplitError, match=message):
        assign_splits(
            sha256=NAMES[:102], groups=[NAMES[0]] * 2 + NAMES[2:102], labels=["rose"] * 2 + ["tulip"] * 100,
            val_fraction=0.2, test_fraction=0.0, seed=7,
        )  # fmt: skip


def test_a_class_whose_images_all_have_twins_in_another_is_told_so() -> None:
    message = r"rose \(groups of near-duplicates: 3, of which 3 hold images of other classes, too\) has none"
    with pytest.raises(SplitError, match=message):
        assign_splits(
            sha256=NAMES[:106], groups=NAMES[:3] * 2 + NAMES[6:106],
            labels=["rose"] * 3 + ["tulip"] * 103, val_fraction=0.01, test_fraction=0.0, seed=7,
        )  # fmt: skip


def test_a_class_too_small_for_three_splits_is_told_of_test_fraction() -> None:
    with pytest.raises(
        SplitError,
        match=r"has none in test\. Add images, or set split\.test_fraction to 0 \(params",
    ):
        assign_singles(2, test_fraction=0.2)


def test_every_class_at_fault_is_named_at_once() -> None:
    with pytest.raises(
        SplitError, match=r"iris \(images: 1, .* has none in .*; rose \(images: 1, .* has none in "
    ):
        assign_splits(
            sha256=NAMES[:102], groups=NAMES[:102], labels=["rose", "iris"] + ["tulip"] * 100,
            val_fraction=0.2, test_fraction=0.2, seed=7, method="exact",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": ["a", "a"]}, "given twice"),
        ({"labels": ["cat"]}, "shorter"),
    ],
)
def test_wrong_arguments_are_refused(changes, message: str) -> None:
    arguments = {"sha256": ["a", "b"], "labels": ["cat", "cat"], "groups": ["a", "b"]} | changes
    with pytest.raises(ValueError, match=message):
        assign_splits(**{"val_fraction": 0.5, "test_fraction": 0.0, "seed": 7} | arguments)
