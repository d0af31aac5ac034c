"""Summary: the counts are those of the manifest, and add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest import DUPLICATE, QUARANTINED, SPLITS, USED, ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.assignment import FOLDERS_DECIDE
from pipeline.splitting.splits import Method, assign_splits
from pipeline.splitting.summary import count_classes, count_rows, describe_counts
from tests.splitting.draws import draw_split

SETTINGS = SplitParams(val_fraction=0.3, test_fraction=0.0, seed=7)


def row(number: int, **values: str) -> ImageRow:
    key = f"{number:064x}"
    known = {
        "label": "cat",
        "split": "train",
        "path": f"train/cat/{number}.jpg",
        "group": key,
    } | values
    return ImageRow(sha256=key, member=f"{number}.jpg", bytes=1, **known)


def unused(number: int, status: str, reason: str, label: str = "cat") -> ImageRow:
    return row(number, label=label, status=status, reason=reason, split="", path="", group="")


def test_images_are_counted_by_split_status_and_reason() -> None:
    rows = [
        row(1), row(2), row(3, label="dog"), row(4, split="val"), row(5, label="dog", split="val"),
        row(6, label="dog", split="test"), unused(7, DUPLICATE, "same bytes as: 1.jpg"),
        unused(8, QUARANTINED, "damaged: cut: short"), unused(9, QUARANTINED, "damaged: other"),
        unused(10, QUARANTINED, "0 bytes"), unused(11, QUARANTINED, "conflicting labels: cat, dog"),
    ]  # fmt: skip
    assert count_rows(rows, SETTINGS) == {
        "images": {"found": 11, "used": 6, "duplicate": 1, "quarantined": 4},
        "splits": {"train": 3, "val": 2, "test": 1},
        "own_splits": {},
        "quarantined": {"damaged": 2, "0 bytes": 1, "conflicting labels": 1},
        "duplicates": {"near_groups": 0, "conflicting": 0},
        "balance": 1.0,
        "leaks": 0,
        "leaks_prevented": 0,
    }


def test_a_group_of_several_labels_is_conflicting() -> None:
    rows = [
        row(1, group="a"), row(2, group="a", label="dog"), row(3, group="a"), row(4, group="b"),
        row(5, group="b"), unused(6, QUARANTINED, "conflicting labels: cat, dog"),
    ]  # fmt: skip
    assert count_rows(rows, SETTINGS)["duplicates"] == {"near_groups": 2, "conflicting": 1}


def test_classes_of_used_images_are_counted_in_every_split() -> None:
    rows = [
        row(1, label="dog"), row(2), row(3), row(4, split="val"), row(5, label="dog", split="test"),
        unused(6, QUARANTINED, "0 bytes"), unused(7, QUARANTINED, "no class", label=""),
    ]  # fmt: skip
    assert count_classes(rows) == [
        {"class": "cat", "train": 2, "val": 1, "test": 0},
        {"class": "dog", "train": 1, "val": 0, "test": 1},
    ]


def test_balance_is_the_smallest_class_over_the_largest() -> None:
    rows = [
        row(1),
        row(2),
        row(3, split="val"),
        row(4),
        row(5, label="dog"),
        unused(6, QUARANTINED, "0 bytes"),
    ]
    assert count_rows(rows, SETTINGS)["balance"] == 0.25
    assert count_rows([unused(6, QUARANTINED, "0 bytes")], SETTINGS)["balance"] == 0


def test_a_group_that_a_split_by_images_would_have_torn_is_a_leak_prevented() -> None:
    splits = {number: draw_split(row(number).sha256, 0.3, 0.0, 7) for number in range(60)}
    train = [number for number, split in splits.items() if split == "train"]
    val = [number for number, split in splits.items() if split == "val"]
    whole = [row(number, group="whole") for number in train[:3]]
    torn = [row(train[3], group="torn"), row(val[0], group="torn"), row(val[1], group="torn")]
    counts = count_rows([*whole, *torn, row(train[4])], SETTINGS)
    assert counts["duplicates"]["near_groups"] == 2
    assert (counts["leaks"], counts["leaks_prevented"]) == (0, 1)


def test_a_group_that_lies_in_several_splits_is_a_leak_and_none_prevented() -> None:
    splits = {number: draw_split(row(number).sha256, 0.3, 0.0, 7) for number in range(60)}
    val = next(number for number, split in splits.items() if split == "val")
    train = next(number for number, split in splits.items() if split == "train")
    torn = [
        row(val, split="val", group="torn", split_rule=FOLDERS_DECIDE),
        row(train, split="train", group="torn", split_rule=FOLDERS_DECIDE),
    ]
    counts = count_rows([*torn, *(row(number) for number in range(60, 70))], SETTINGS)
    assert (counts["leaks"], counts["leaks_prevented"]) == (1, 0)
    line = describe_counts(counts, SETTINGS)
    assert line.endswith("was all but seen in training")
    assert "; near-duplicates of 1 group lie in several splits" in line


@pytest.mark.parametrize(("method", "expected"), [("stable", 5), ("exact", 8)])
def test_a_leak_prevented_is_one_by_the_same_method(method: Method, expected: int) -> None:
    names = [f"{number:064x}" for number in range(40)]
    alone = assign_splits(
        sha256=names, labels=["cat"] * 40, groups=names,
        val_fraction=0.25, test_fraction=0.0, seed=7, method=method,
    )  # fmt: skip
    torn = sum(one != other for one, other in zip(alone[::2], alone[1::2], strict=True))
    assert torn == expected
    rows = [row(number, group=f"pair {number // 2}") for number in range(40)]
    settings = SETTINGS.model_copy(update={"method": method, "val_fraction": 0.25})
    assert count_rows(rows, settings)["leaks_prevented"] == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([USED, DUPLICATE, QUARANTINED]),
            st.sampled_from("abc"),
            st.sampled_from(["train", "val"]),
        )
    )
)
def test_every_image_is_counted_once(kinds: list[tuple[str, str, str]]) -> None:
    rows = [
        row(number, label=label, split=split)
        if status == USED
        else unused(number, status, "0 bytes")
        for number, (status, label, split) in enumerate(kinds)
    ]
    counts = count_rows(rows, SETTINGS)
    images = counts["images"]
    assert images["used"] == sum(counts["splits"].values())
    classes = count_classes(rows)
    assert images["used"] == sum(int(row[split]) for row in classes for split in SPLITS)
    assert (
        images["found"] == len(rows) == images["used"] + images["duplicate"] + images["quarantined"]
    )
    assert images["quarantined"] == sum(counts["quarantined"].values())


def test_the_line_says_what_became_of_everything_and_of_the_archives_own_folders() -> None:
    rows = [row(1), row(2), row(3, split="val"), unused(4, QUARANTINED, "0 bytes")]
    own = {"1.jpg": "train", "3.jpg": "test", "4.jpg": "test"}
    line = describe_counts(count_rows(rows, SETTINGS, own), SETTINGS)
    assert line == (
        "4 found: 3 used (2 train, 1 val), 0 duplicate, 1 quarantined; "
        "split anew, not by the archive's own folders train, test (split.respect_folders)"
    )
    kept = SETTINGS.model_copy(update={"respect_folders": True})
    assert describe_counts(count_rows(rows, kept, own), kept).endswith("1 quarantined")
    assert describe_counts(count_rows(rows, SETTINGS), SETTINGS).endswith("1 quarantined")


def test_folders_that_all_tell_train_are_nothing_to_keep() -> None:
    """So lies Kaggle's train.zip: to respect its one folder would change nothing."""
    own = {"1.jpg": "train", "2.jpg": "train"}
    assert count_rows([row(1), row(2, split="val")], SETTINGS, own)["own_splits"] == {}
