import hashlib

import pytest

from pipeline.errors import SplitError
from pipeline.manifest import ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.assignment import assign_rows

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


def test_every_used_image_gets_a_split_and_says_how() -> None:
    rows, splits = assign_rows(make_rows(60), SETTINGS, {})
    assert set(splits) == {row.sha256 for row in rows}
    assert {row.split_rule for row in rows} == {"stable, seed 7, val 0.3, test 0"}


def test_a_group_is_whole_and_its_newcomers_are_used() -> None:
    _, before = assign_rows(make_rows(60), SETTINGS, {})
    train = next(n for n in range(60) if before[key(n)] == "train")
    val = next(n for n in range(60) if before[key(n)] == "val")
    _, after = assign_rows(make_rows(61, groups={train: 60, val: 60}), SETTINGS, {})
    assert {after[key(n)] for n in (train, val, 60)} == {"train"}
    assert {image for image in before if before[image] != after[image]} == {key(val)}


def test_the_archives_folders_are_kept_and_the_rest_is_drawn() -> None:
    folders = {key(n): "test" for n in range(10)}
    rows, splits = assign_rows(make_rows(60), SETTINGS, folders)
    assert all(splits[image] == "test" for image in folders)
    assert {splits[key(n)] for n in range(10, 60)} == {"train", "val"}
    assert {row.split_rule for row in rows if row.sha256 in folders} == {"the archive's folders"}


def test_folders_without_a_class_in_some_split_are_refused() -> None:
    folders = {key(n): "val" if n % 2 else "train" for n in range(10)}
    with pytest.raises(
        SplitError, match=r"cat has none in train; dog has none in val.*respect_folders"
    ):
        assign_rows(make_rows(10), SETTINGS, folders)
