import hashlib
from pathlib import Path

import pytest

from pipeline.errors import SplitError
from pipeline.manifest import QUARANTINED, USED, ImageRow, write_manifest
from pipeline.params import SplitParams
from pipeline.splitting.assignment import (
    ON_BOTH_SIDES,
    assign_rows,
    describe_split_rule,
    read_prior,
)

SETTINGS = SplitParams(val_fraction=0.3, seed=7)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def make_rows(count: int, groups: dict[int, int] | None = None) -> list[ImageRow]:
    return [
        ImageRow(
            label="cat" if n % 2 else "dog",
            sha256=key(n),
            member=f"{n}.jpg",
            bytes=1,
            group=key((groups or {}).get(n, n)),
        )
        for n in range(count)
    ]


def test_every_used_image_gets_a_side_and_says_how() -> None:
    rows, sides = assign_rows(make_rows(60), SETTINGS, {}, {})
    assert set(sides) == {row.sha256 for row in rows}
    assert {row.split_rule for row in rows} == {"stable, seed 7, val 0.3, test 0"}


def test_a_group_keeps_the_side_that_an_earlier_manifest_tells() -> None:
    _, alone = assign_rows(make_rows(60), SETTINGS, {}, {})
    moved_to = "val" if alone[key(3)] == "train" else "train"
    # The newcomer names the group, so without the earlier manifest its hash would decide.
    for newcomer in range(60, 200):
        row = ImageRow(
            label="cat", sha256=key(newcomer), member="new.jpg", bytes=1, group=key(newcomer)
        )
        pair = [
            *make_rows(60)[:3],
            ImageRow(label="cat", sha256=key(3), member="3.jpg", bytes=1, group=key(newcomer)),
            *make_rows(60)[4:],
            row,
        ]
        _, dealt_anew = assign_rows(pair, SETTINGS, {}, {})
        if dealt_anew[key(3)] == moved_to:
            break
    else:
        pytest.fail("no newcomer would have moved the group")
    _, kept = assign_rows(pair, SETTINGS, alone, {})
    assert kept[key(3)] == kept[key(newcomer)] == alone[key(3)]
    assert {image: kept[image] for image in alone} == alone


def test_a_newcomer_like_images_on_both_sides_is_quarantined_and_they_stay() -> None:
    _, before = assign_rows(make_rows(60), SETTINGS, {}, {})
    train = next(n for n in range(60) if before[key(n)] == "train")
    val = next(n for n in range(60) if before[key(n)] == "val")
    rows, sides = assign_rows(make_rows(61, groups={train: 60, val: 60}), SETTINGS, before, {})
    assert {image: sides[image] for image in before} == before
    newcomer = next(row for row in rows if row.sha256 == key(60))
    assert (newcomer.status, newcomer.reason) == (QUARANTINED, ON_BOTH_SIDES)
    assert key(60) not in sides


def test_the_archives_folders_are_kept_and_the_rest_is_dealt() -> None:
    folders = {key(n): "test" for n in range(10)}
    rows, sides = assign_rows(make_rows(60), SETTINGS, {}, folders)
    assert all(sides[image] == "test" for image in folders)
    assert {sides[key(n)] for n in range(10, 60)} == {"train", "val"}
    assert {row.split_rule for row in rows if row.sha256 in folders} == {"the archive's folders"}


def test_folders_without_a_class_on_some_side_are_refused() -> None:
    folders = {key(n): "val" if n % 2 else "train" for n in range(10)}
    with pytest.raises(
        SplitError, match=r"cat has none in train; dog has none in val.*respect_folders"
    ):
        assign_rows(make_rows(10), SETTINGS, {}, folders)


@pytest.mark.parametrize(
    "other",
    [
        SplitParams(val_fraction=0.3, seed=8),
        SplitParams(val_fraction=0.2, seed=7),
        SplitParams(val_fraction=0.3, seed=7, near_duplicates=False),
        SplitParams(val_fraction=0.3, seed=7, test_fraction=0.1),
        SplitParams(val_fraction=0.3, seed=7, method="exact"),
    ],
)
def test_an_earlier_manifest_counts_only_if_it_was_dealt_alike(
    tmp_path: Path, other: SplitParams
) -> None:
    row = ImageRow(
        split="val",
        label="cat",
        sha256=key(1),
        member="m",
        bytes=1,
        status=USED,
        split_rule=describe_split_rule(SETTINGS),
    )
    write_manifest(tmp_path / "m.csv", [row])
    assert read_prior(tmp_path / "m.csv", SETTINGS) == {key(1): "val"}
    assert read_prior(tmp_path / "m.csv", other) == {}


def test_no_earlier_manifest_is_no_fault(tmp_path: Path) -> None:
    assert read_prior(tmp_path / "none.csv", SETTINGS) == {}
