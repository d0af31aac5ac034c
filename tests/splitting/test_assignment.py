"""Assignment: each image is used, a duplicate or quarantined; none is lost, doubled or torn away."""

import hashlib
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SplitError
from pipeline.manifest import DUPLICATE, QUARANTINED, USED, ImageRow, write_manifest
from pipeline.params import SplitParams
from pipeline.splitting.assignment import (
    LabelledImage,
    assign_images,
    label_images,
    settle_duplicates,
)
from pipeline.splitting.screening import ScreenedImage

SETTINGS = SplitParams(val_fraction=0.3, seed=7)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def hash_of(number: int) -> str:
    """Return a perceptual hash that is near no other number's."""
    bits = int(key(number)[:15], 16)
    return f"{bits << 4 | 0xF:016x}" if bits.bit_count() > 24 else hash_of(number + 10_000)


def image(number: int, member: str = "", label: str = "cat", **values: str) -> LabelledImage:
    """Return a labelled image with the bytes of a number."""
    member = member or f"{label}/{number}.jpg"
    content = {"format": "JPEG", "hash": hash_of(number)} | values
    return LabelledImage(ScreenedImage(member, key(number), 1, **content), label, None)


def singles(count: int) -> list[LabelledImage]:
    """Return images of two classes, of which no two look alike."""
    return [image(number, label="dog" if number % 2 else "cat") for number in range(count)]


def in_folder(one: LabelledImage, split: str) -> LabelledImage:
    return LabelledImage(one.image, one.label, split)


def by_member(rows: list[ImageRow]) -> dict[str, ImageRow]:
    return {row.member: row for row in rows}


def splits(images: list[LabelledImage], asked: SplitParams = SETTINGS) -> dict[str, str]:
    return {row.sha256: row.split for row in assign_images(images, asked) if row.status == USED}


# Labels


def test_names_tell_classes_and_splits_of_whatever_is_meant_to_be_an_image() -> None:
    known = {
        "train/cat/1.jpg": "JPEG",
        "val/dog/2": "JPEG",
        "val/dog/3.png": "",
        "cover.jpg": "JPEG",
    }
    images = [
        ScreenedImage(member, key(0), 1, format=image_format)
        for member, image_format in known.items()
    ]
    assert [
        (one.image.member, one.label, one.folder_split) for one in label_images(images, {})
    ] == [
        ("train/cat/1.jpg", "cat", "train"),
        ("val/dog/2", "dog", "val"),
        ("val/dog/3.png", "dog", "val"),
        ("cover.jpg", "", None),
    ]


# Status


def test_the_same_bytes_are_used_once_under_the_first_name() -> None:
    same = [image(1, member) for member in ("cat/9.jpg", "cat/10.jpg", "cat/sub/1.jpg")]
    rows = by_member(assign_images([*same, *singles(40)[2:]], SETTINGS))
    assert rows["cat/10.jpg"].status == USED
    for other in ("cat/9.jpg", "cat/sub/1.jpg"):
        assert rows[other].status == DUPLICATE
        assert rows[other].reason == "same bytes as: cat/10.jpg"
        assert {rows[other].split, rows[other].path, rows[other].group} == {""}


def test_the_same_bytes_under_two_labels_are_not_used_at_all() -> None:
    same = [image(1, f"{label}/{n}.jpg", label) for label in ("rose", "tulip") for n in (1, 2)]
    statuses = settle_duplicates([*same, image(2, label="rose")])
    assert statuses == [(QUARANTINED, "conflicting labels: rose, tulip")] * 4 + [(USED, "")]


def test_what_was_screened_as_unusable_is_quarantined_with_that_reason() -> None:
    assert settle_duplicates([image(1, reason="0 bytes"), image(1)]) == [
        (QUARANTINED, "0 bytes"),
        (USED, ""),
    ]


def test_what_has_no_class_is_quarantined_and_takes_nothing_from_its_duplicate() -> None:
    nowhere = LabelledImage(image(1, "cover.jpg").image, "", None)
    text = LabelledImage(image(2, "readme.txt", reason="not an image").image, "", None)
    assert settle_duplicates([nowhere, image(1), text]) == [
        (QUARANTINED, "no class: neither its folder nor its name tells one"),
        (USED, ""),
        (QUARANTINED, "not an image"),
    ]
    rows = by_member(assign_images([*singles(30), nowhere, text], SETTINGS))
    assert {rows["cover.jpg"].split, rows["cover.jpg"].path, rows["readme.txt"].group} == {""}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([image(1, label="fox", reason="0 bytes")], r"fox \(fox/1\.jpg: 0 bytes\)"),
        ([image(0, label="fox")], r"fox \(fox/0\.jpg: conflicting labels: cat, fox\)"),
    ],
)
def test_a_class_of_which_nothing_is_used_is_named_with_an_example(
    images: list[LabelledImage], message: str
) -> None:
    with pytest.raises(SplitError, match=f"no image of these classes can be used: {message}"):
        assign_images([*singles(20), *images], SETTINGS)


# Split


def test_every_used_image_gets_a_split_and_says_how() -> None:
    rows = assign_images(singles(60), SETTINGS)
    assert {row.split for row in rows} == {"train", "val"}
    assert {row.split_rule for row in rows} == {"stable, seed 7, val 0.3, test 0"}


@pytest.mark.parametrize("near_duplicates", [True, False])
def test_images_that_look_alike_are_a_group_in_one_split_if_wanted(near_duplicates: bool) -> None:
    alone = splits(singles(60))
    train = next(n for n in range(60) if alone[key(n)] == "train")
    val = next(n for n in range(60) if alone[key(n)] == "val")
    alike = [image(n, hash=hash_of(99)) for n in (train, val)]
    images = [one for n, one in enumerate(singles(60)) if n not in (train, val)]
    asked = SplitParams(val_fraction=0.3, seed=7, near_duplicates=near_duplicates)
    rows = {row.sha256: row for row in assign_images([*images, *alike], asked)}
    pair = rows[key(train)], rows[key(val)]
    assert ({row.split for row in pair} == {"train"}) == near_duplicates
    assert ({row.group for row in pair} == {min(key(train), key(val))}) == near_duplicates
    assert all(row.split == alone[one] for one, row in rows.items() if row not in pair)


def test_the_archives_folders_are_kept_if_wanted_and_the_rest_is_drawn() -> None:
    images = singles(60)
    images[:10] = [in_folder(one, "test") for one in images[:10]]
    asked = SplitParams(val_fraction=0.3, seed=7, respect_folders=True)
    rows = {row.sha256: row for row in assign_images(images, asked)}
    assert {rows[key(n)].split for n in range(10)} == {"test"}
    assert {rows[key(n)].split_rule for n in range(10)} == {"the archive's folders"}
    assert {rows[key(n)].split for n in range(10, 60)} == {"train", "val"}
    assert set(splits(images).values()) == {"train", "val"}


def test_an_archive_with_train_and_test_alone_has_its_train_drawn() -> None:
    images = [in_folder(one, "test" if n < 20 else "train") for n, one in enumerate(singles(60))]
    asked = SplitParams(val_fraction=0.3, seed=7, respect_folders=True)
    found = splits(images, asked)
    assert {found[key(n)] for n in range(20)} == {"test"}
    assert {found[key(n)] for n in range(20, 60)} == {"train", "val"}


def test_folders_without_a_class_in_some_split_are_refused() -> None:
    images = [in_folder(one, "val" if n % 2 else "train") for n, one in enumerate(singles(10))]
    asked = SplitParams(val_fraction=0.3, seed=7, respect_folders=True)
    with pytest.raises(
        SplitError, match=r"cat has none in val; dog has none in train.*respect_folders"
    ):
        assign_images(images, asked)


# All of it


ENTRIES = st.lists(
    st.tuples(
        st.from_regex(r"(x|Y)/(a|A|b|c)(\.jpg|\.JPG|\.png|\.webp|)", fullmatch=True),
        st.integers(0, 6),
        st.sampled_from(["cat", "dog"]),
    ),
    max_size=20,
    unique_by=lambda entry: entry[0],
)


def with_others(entries: list[tuple[str, int, str]]) -> list[LabelledImage]:
    """Return images of which many have the same bytes, look alike (0 to 3) or cannot be used (6)."""
    crowded = [
        image(
            number, f"{label}/{member}", label,
            hash=f"{0x0F0F0F0F0F0F0F0F ^ ((1 << min(number, 4) * 3) - 1):016x}",
            reason="0 bytes" if number == 6 else "",
        )
        for member, number, label in entries
    ]  # fmt: skip
    return [*crowded, *singles(60)[10:]]


@settings(max_examples=80)
@given(entries=ENTRIES, near_duplicates=st.booleans())
def test_no_image_is_lost_or_doubled_and_no_group_is_torn(
    entries: list[tuple[str, int, str]], near_duplicates: bool
) -> None:
    images = with_others(entries)
    asked = SplitParams(
        val_fraction=0.3, test_fraction=0.2, seed=7, near_duplicates=near_duplicates
    )
    rows = assign_images(images, asked)
    assert [row.member for row in rows] == [one.image.member for one in images]
    used = [row for row in rows if row.status == USED]
    assert len({row.sha256 for row in used}) == len(used)
    assert len({(row.label, PurePosixPath(row.path).stem.lower()) for row in used}) == len(used)
    assert len({(row.group, row.split) for row in used}) == len({row.group for row in used})
    for row in rows:
        filled = {bool(row.split), bool(row.path), bool(row.group), bool(row.split_rule)}
        assert filled == {row.status == USED} == {row.reason == ""}
        assert row.path.startswith(f"{row.split}/{row.label}/" if row.split else "")
    readable = {one.image.sha256 for one in images if not one.image.reason}
    conflicting = {row.sha256 for row in rows if row.reason.startswith("conflicting")}
    assert {row.sha256 for row in used} == readable - conflicting
    assert {row.sha256 for row in rows if row.status == DUPLICATE} <= {row.sha256 for row in used}


@settings(max_examples=30)
@given(entries=ENTRIES, near_duplicates=st.booleans(), data=st.data())
def test_the_manifest_does_not_depend_on_the_order_of_members(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, int, str]],
    near_duplicates: bool,
    data: st.DataObject,
) -> None:
    asked = SplitParams(val_fraction=0.3, seed=7, near_duplicates=near_duplicates)
    folder = tmp_path_factory.getbasetemp()
    images = with_others(entries)
    one, other = Path(folder / "one.csv"), Path(folder / "other.csv")
    write_manifest(one, assign_images(images, asked))
    write_manifest(other, assign_images(data.draw(st.permutations(images)), asked))
    assert one.read_bytes() == other.read_bytes()
