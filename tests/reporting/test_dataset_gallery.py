"""DatasetGallery: which images are chosen, and that the archive is read no further than it must be."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pipeline.archives import Member
from pipeline.manifest import QUARANTINED, ImageRow
from pipeline.reporting.dataset_gallery import (
    GROUP_IMAGES,
    GROUPS,
    QUARANTINE_IMAGES,
    build_dataset_gallery,
    choose_quarantined,
    find_groups,
)
from tests.sample_images import encode, scene


def bad(member: str, reason: str, width: int = 0) -> ImageRow:
    return ImageRow(
        label="cat",
        sha256=member,
        member=member,
        bytes=1,
        status=QUARANTINED,
        reason=reason,
        width=width,
    )


def used(number: int, group: str, label: str = "cat") -> ImageRow:
    return ImageRow(
        split="train", label=label, path=f"train/{label}/{number:03}.jpg", sha256=f"{number:064}", width=60,
        height=44, brightness=number, member=f"{number:03}.jpg", bytes=1, group=group,
    )  # fmt: skip


def never() -> Iterator[Member]:
    raise AssertionError("the archive was read")


def test_each_reason_has_its_turn_and_there_are_only_so_many() -> None:
    rows = [bad(f"{number:02}", "damaged: it ends") for number in range(30)]
    rows += [bad("b", "0 bytes"), bad("a", "0 bytes"), bad("c", "damaged: otherwise"), used(1, "a")]
    chosen = choose_quarantined(reversed(rows))
    assert len(chosen) == QUARANTINE_IMAGES
    assert [row.member for row in chosen[:4]] == ["a", "b", "00", "01"]


def test_groups_with_several_labels_come_first_then_large_ones() -> None:
    rows = [used(1, "one"), used(2, "b"), used(3, "b"), used(4, "c"), used(5, "c"), used(6, "c")]
    rows += [used(7, "d"), used(8, "d", "dog")]
    groups = find_groups(reversed(rows))
    assert [[row.member for row in group] for group in groups] == [
        ["007.jpg", "008.jpg"],
        ["004.jpg", "005.jpg", "006.jpg"],
        ["002.jpg", "003.jpg"],
    ]


def test_only_what_can_be_decoded_is_read_from_the_archive_and_no_more(tmp_path: Path) -> None:
    def archive() -> Iterator[Member]:
        yield Member(name="other.jpg", data=b"")
        yield Member(name="x/both.webp", data=encode(scene(), "WEBP"))
        raise AssertionError("read too far")

    rows = [bad("x/both.webp", "conflicting labels: a, b", width=60), bad("cut.jpg", "damaged")]
    gallery = build_dataset_gallery(rows, tmp_path, archive, tmp_path / "cache")
    both, cut = gallery.quarantined
    assert (both.name, both.label, both.reason) == ("both.webp", "cat", "conflicting labels: a, b")
    assert (both.is_shown, cut.is_shown) == (True, False)
    assert gallery.thumbnails["x/both.webp"].width == 60


def test_the_archive_is_not_read_again_for_what_was_shown_before(tmp_path: Path) -> None:
    data = encode(scene(), "WEBP")
    row = bad("both.webp", "no class", width=60)._replace(sha256=hashlib.sha256(data).hexdigest())

    def archive() -> Iterator[Member]:
        yield Member(name="both.webp", data=data)

    cache = tmp_path / "cache"
    first = build_dataset_gallery([row], tmp_path, archive, cache)
    assert first.quarantined[0].is_shown
    assert build_dataset_gallery([row], tmp_path, never, cache).thumbnails == first.thumbnails


def test_an_image_that_cannot_be_read_is_named_without_a_thumbnail(tmp_path: Path) -> None:
    def archive() -> Iterator[Member]:
        yield Member(name="top/cover.heic", data=b"\0\0\0\x18ftypheic")
        raise AssertionError("read too far")

    row = bad("top/cover.heic", "no class", width=60)._replace(label="")
    (cover,) = build_dataset_gallery([row], tmp_path, archive, tmp_path / "cache").quarantined
    assert (cover.name, cover.label, cover.is_shown) == ("top/cover.heic", "", False)


def test_there_are_only_so_many_groups_and_images_of_each(tmp_path: Path) -> None:
    rows = [
        used(group * 10 + number, f"{group:03}")
        for group in range(GROUPS + 1)
        for number in range(8)
    ]
    (tmp_path / "train/cat").mkdir(parents=True)
    for row in rows:
        Image.new("RGB", (60, 44)).save(tmp_path / row.path)
    gallery = build_dataset_gallery(rows, tmp_path, never, tmp_path / "cache")
    assert (len(gallery.groups), gallery.group_count) == (GROUPS, GROUPS + 1)
    assert {(len(group.images), group.size) for group in gallery.groups} == {(GROUP_IMAGES, 8)}
    assert gallery.sides.tolist() == [44] * len(rows)
    assert gallery.brightness.tolist() == [row.brightness for row in rows]


def test_a_dataset_without_faults_has_none_and_needs_no_archive(tmp_path: Path) -> None:
    rows = [used(1, "a"), used(2, "b")]
    gallery = build_dataset_gallery(rows, tmp_path, never, tmp_path / "cache")
    assert (gallery.quarantined, gallery.groups, gallery.group_count) == ((), (), 0)
