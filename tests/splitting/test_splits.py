"""Splits: nothing lost, no group torn, nothing moved by growth, and the shares that were asked for."""

import hashlib
import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SplitError
from pipeline.splitting.duplicates import group_near_duplicates
from pipeline.splitting.splits import assign_splits, deal, settle_groups

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


def sides_by_group(groups: list[str], sides: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for group, side in zip(groups, sides, strict=True):
        found[group].add(side)
    return found


def assign_singles(count: int, label: str = "cat", **asked) -> list[str]:
    names = NAMES[:count]
    asked = {"val_fraction": 0.2, "test_fraction": 0.0, "seed": 7} | asked
    return assign_splits(sha256=names, labels=[label] * count, groups=names, **asked)


# The dealing of one group


def test_a_group_is_dealt_by_the_documented_formula() -> None:
    for group in NAMES[:200]:
        u = int.from_bytes(hashlib.sha256(f"7:{group}".encode()).digest()[:6], "big") / 2**48
        expected = "val" if u < 0.2 else "test" if u < 0.5 else "train"
        assert deal(group, 0.2, 0.3, 7) == expected


def test_a_dealing_is_the_same_on_every_machine() -> None:
    sides = "".join(deal(group, 0.25, 0.25, 7)[1] for group in NAMES[:24])
    assert sides == "aaarrrrreaeraeraerrarree"


@settings(deadline=None)
@given(group=st.text("0123456789abcdef", min_size=64, max_size=64), seed=SEEDS)
def test_a_larger_fraction_takes_nothing_out_of_val(group: str, seed: int) -> None:
    sides = [deal(group, fraction / 10, 0.0, seed) for fraction in range(11)]
    assert sides == sorted(sides)  # train before val
    assert (sides[0], sides[-1]) == ("train", "val")


@METHODS
def test_another_seed_is_another_dealing(method: str) -> None:
    assert assign_singles(100, method=method) != assign_singles(100, method=method, seed=8)


# Invariants of both methods


@METHODS
@settings(deadline=None, max_examples=50)
@given(images=grouped_images(), seed=SEEDS)
def test_each_image_has_one_side_and_each_group_too(method: str, images, seed: int) -> None:
    sides = assign_splits(**images, val_fraction=0.3, test_fraction=0.3, seed=seed, method=method)
    assert len(sides) == len(images["sha256"])
    assert set(sides) == {"train", "val", "test"}
    assert all(len(found) == 1 for found in sides_by_group(images["groups"], sides).values())


@METHODS
@settings(deadline=None, max_examples=50)
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
def test_without_a_test_fraction_there_is_no_test_side(method: str) -> None:
    assert set(assign_singles(100, method=method)) == {"train", "val"}


# The shares


@pytest.mark.parametrize("seed", range(5))
def test_stable_shares_are_near_those_wanted(seed: int) -> None:
    counts = Counter(assign_singles(3000, val_fraction=0.2, test_fraction=0.1, seed=seed))
    for side, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items():
        assert abs(counts[side] - 3000 * share) < 4 * math.sqrt(3000 * share * (1 - share))


@settings(deadline=None, max_examples=50)
@given(images=grouped_images(), seed=SEEDS, val=st.integers(1, 50), test=st.integers(0, 40))
def test_exact_shares_are_exact_for_each_class(images, seed: int, val: int, test: int) -> None:
    sides = assign_splits(
        **images, val_fraction=val / 100, test_fraction=test / 100, seed=seed, method="exact"
    )
    label_of = dict(zip(images["sha256"], images["labels"], strict=True))
    owned = [label_of[group] for group in images["groups"]]  # groups are named by their first image
    for label in ("cat", "dog"):
        total = owned.count(label)
        counts = Counter(side for side, owner in zip(sides, owned, strict=True) if owner == label)
        assert counts["val"] == max(1, math.floor(val / 100 * total + 0.5))
        assert counts["test"] == (max(1, math.floor(test / 100 * total + 0.5)) if test else 0)


def test_exact_leaves_a_group_that_does_not_fit_in_train() -> None:
    groups = [min(NAMES[:8])] * 8 + NAMES[8:20]
    for seed in range(20):
        sides = assign_splits(
            sha256=NAMES[:20], labels=["cat"] * 20, groups=groups, val_fraction=0.25, test_fraction=0.0,
            seed=seed, method="exact",
        )  # fmt: skip
        assert sides[0] == "train"
        assert sides.count("val") == 5


# Growth


@settings(deadline=None, max_examples=50)
@given(images=grouped_images(), kept=st.integers(100, 200), seed=SEEDS)
def test_growth_and_loss_of_other_groups_move_no_image(images, kept: int, seed: int) -> None:
    asked = {"val_fraction": 0.3, "test_fraction": 0.3, "seed": seed}
    all_sides = dict(zip(images["sha256"], assign_splits(**images, **asked), strict=True))
    fewer = {column: values[-kept:] for column, values in images.items()}
    sides = assign_splits(**fewer, **asked)
    assert sides == [all_sides[one] for one in fewer["sha256"]]


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
)  # so that no side is ever empty


def split_again(
    hashes: list[int], prior: dict[str, str], seed: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Group and deal as the stage does; return the sides, and the groups before they were settled."""
    names = NAMES[: len(FILLERS) + len(hashes)]
    groups = group_near_duplicates(names, np.concatenate([FILLERS, np.array(hashes, np.uint64)]))
    settled = settle_groups(sha256=names, groups=groups, prior=prior)
    dealt = [(one, group) for one, group in zip(names, settled, strict=True) if group is not None]
    sides = assign_splits(
        sha256=[one for one, _ in dealt],
        groups=[group for _, group in dealt],
        labels=["cat"] * len(dealt),
        val_fraction=0.5,
        test_fraction=0.0,
        seed=seed,
        prior=prior,
    )
    return dict(zip((one for one, _ in dealt), sides, strict=True)), dict(
        zip(names, groups, strict=True)
    )


@settings(deadline=None)
@given(growth=growing_hashes(), seed=SEEDS)
def test_growth_with_near_duplicates_moves_no_image_and_makes_no_leak(growth, seed: int) -> None:
    hashes, sizes = growth
    prior: dict[str, str] = {}
    for size in sizes:
        sides, groups = split_again(hashes[:size], prior, seed)
        assert sides | prior == sides, "an old image was lost or moved"
        firsts: dict[str, str] = {}
        for one in sorted(sides, key=lambda one: one in prior, reverse=True):
            if one not in prior:
                assert firsts.setdefault(groups[one], sides[one]) == sides[one], (
                    "a new image is a leak"
                )
            firsts.setdefault(groups[one], sides[one])
        for one in groups.keys() - sides.keys():
            assert len({prior[other] for other in prior if groups[other] == groups[one]}) == 2
        prior = sides


@settings(deadline=None)
@given(growth=growing_hashes(), seed=SEEDS)
def test_dealing_again_with_the_earlier_result_changes_nothing(growth, seed: int) -> None:
    sides, _ = split_again(growth[0], {}, seed)
    assert split_again(growth[0], sides, seed)[0] == sides


def test_a_near_duplicate_with_a_smaller_sha256_does_not_move_its_group() -> None:
    first, *others = sorted(NAMES[:200])
    asked = {"labels": ["cat"] * 200, "val_fraction": 0.5, "test_fraction": 0.0}
    moved = 0
    for seed in range(20):
        prior = dict(zip(others, assign_singles_named(others, seed), strict=True))
        groups = [first, first, *others[1:]]
        sides = assign_splits(
            sha256=[first, *others], groups=groups, seed=seed, prior=prior, **asked
        )
        assert sides == [prior[others[0]], *prior.values()]
        moved += (
            assign_splits(sha256=[first, *others], groups=groups, seed=seed, **asked)[1:]
            != sides[1:]
        )
    assert moved > 0, "without the earlier dealing some would have moved, so the test can fail"


def assign_singles_named(names: list[str], seed: int) -> list[str]:
    return assign_splits(
        sha256=names,
        groups=names,
        labels=["cat"] * len(names),
        val_fraction=0.5,
        test_fraction=0.0,
        seed=seed,
    )


def test_a_group_on_both_sides_is_taken_apart_and_its_new_images_set_aside() -> None:
    settled = settle_groups(
        sha256=["a", "b", "c", "d", "e", "f", "g"],
        groups=["a", "a", "a", "a", "e", "e", "g"],
        prior={"b": "train", "c": "val", "d": "val", "f": "val"},
    )
    assert settled == [None, "b", "c", "c", "e", "e", "g"]


# Errors


def test_a_class_without_a_side_is_an_error_that_says_what_to_change() -> None:
    message = (
        r"each class needs an image in train, val: rose \(images: 2, groups: 1\) has none in train\. Add "
        r"images, or change split\.val_fraction \(0\.2\), or set split\.method to exact \(params\.yaml\)\."
    )
    with pytest.raises(SplitError, match=message):
        assign_splits(
            sha256=NAMES[:102], groups=[NAMES[0]] * 2 + NAMES[2:102], labels=["rose"] * 2 + ["tulip"] * 100,
            val_fraction=0.2, test_fraction=0.0, seed=7,
        )  # fmt: skip


def test_the_seed_that_an_error_recommends_works() -> None:
    seed = next(
        seed
        for seed in range(100)
        if all(deal(one, 0.2, 0.0, seed) == "train" for one in NAMES[:5])
    )
    with pytest.raises(
        SplitError, match=r"set split\.seed to \d+, which deals all images anew"
    ) as caught:
        assign_singles(5, seed=seed)
    better = int(str(caught.value).split("split.seed to ")[1].split(",")[0])
    assert set(assign_singles(5, seed=better)) == {"train", "val"}


def test_every_class_at_fault_is_named_at_once() -> None:
    with pytest.raises(
        SplitError, match=r"iris \(images: 1, .* has none in .*; rose \(images: 1, .* has none in "
    ):
        assign_splits(
            sha256=NAMES[:102], groups=NAMES[:102], labels=["rose", "iris"] + ["tulip"] * 100,
            val_fraction=0.2, test_fraction=0.2, seed=7, method="exact",
        )  # fmt: skip


def test_an_earlier_side_that_is_not_dealt_is_an_error() -> None:
    with pytest.raises(
        SplitError, match=r"in 'test', now there are only train, val\. Restore split\.test_frac"
    ):
        assign_singles(100, prior={NAMES[3]: "test"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": ["a", "a"]}, "given twice"),
        ({"labels": ["cat"]}, "shorter"),
        ({"method": "exact", "prior": {"a": "val"}}, "only the method 'stable' can keep"),
        (
            {"groups": ["a", "a"], "prior": {"a": "val", "b": "train"}},
            "group a has images on several sides",
        ),
    ],
)
def test_wrong_arguments_are_refused(changes, message: str) -> None:
    arguments = {"sha256": ["a", "b"], "labels": ["cat", "cat"], "groups": ["a", "b"]} | changes
    with pytest.raises(ValueError, match=message):
        assign_splits(**{"val_fraction": 0.5, "test_fraction": 0.0, "seed": 7} | arguments)
