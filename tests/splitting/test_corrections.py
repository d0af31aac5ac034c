"""Corrections: each changes the rows of its image alone, and every fault is told at once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import CorrectionsError
from pipeline.manifest import CONFLICTING, DUPLICATE, QUARANTINED, USED, ImageRow
from pipeline.params import SplitParams
from pipeline.splitting.assignment import LabelledImage, assign_images
from pipeline.splitting.corrections import (
    correct_rows,
    describe_corrections,
    read_corrections,
    settle_labels,
)
from pipeline.splitting.screening import ScreenedImage


def key(number: int) -> str:
    return f"{number:064x}"


def row(number: int, label: str, split: str = "train", **values: str) -> ImageRow:
    path = f"{split}/{label}/{number}.jpg"
    return ImageRow(split=split, label=label, path=path, sha256=key(number), group=key(0), member=path,
                    **values)  # fmt: skip


ROWS = [
    row(0, "cat"),
    row(1, "cat"),
    row(2, "cat", "val"),
    row(3, "dog", note="animated"),
    row(4, "dog", "val"),
    ImageRow(label="cat", sha256=key(1), status=DUPLICATE, reason="same bytes as: a", member="b"),
    ImageRow(label="dog", sha256=key(9), status=QUARANTINED, reason="broken", member="c"),
]


def correct(
    tmp_path: Path, *lines: str, rows: Sequence[ImageRow] = ROWS
) -> tuple[list[ImageRow], dict[str, int]]:
    path = tmp_path / "pets.csv"
    path.write_text("\n".join(["image,label", *lines, ""]), encoding="utf-8")
    return correct_rows(rows, read_corrections(path))


@pytest.mark.parametrize("name", [key(1), "train/cat/1.jpg", "cat/1.jpg", "val/cat/1.jpg"])
def test_an_image_gets_its_label_in_the_same_split_and_its_copies_follow(
    tmp_path: Path, name: str
) -> None:
    rows, counts = correct(tmp_path, f"{name},dog")
    assert rows[1] == ROWS[1]._replace(
        label="dog", path="train/dog/1-000000000000.jpg", note="labelled cat in the archive"
    )
    assert rows[5] == ROWS[5]._replace(label="dog", note="labelled cat in the archive")
    assert [rows[place] for place in (0, 2, 3, 4, 6)] == [ROWS[place] for place in (0, 2, 3, 4, 6)]
    assert counts == {"relabelled": 1, "quarantined": 0, "unneeded": 0}


def test_an_image_is_set_aside_with_its_copies(tmp_path: Path) -> None:
    rows, counts = correct(tmp_path, f"{key(1)},quarantine")
    for place in (1, 5):
        assert (rows[place].status, rows[place].reason) == (QUARANTINED, "set aside by hand")
        assert (rows[place].split, rows[place].path, rows[place].label) == ("", "", "cat")
    assert counts["quarantined"] == 1


def test_the_label_that_is_there_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    assert correct(tmp_path, f"{key(0)},cat") == (
        ROWS, {"relabelled": 0, "quarantined": 0, "unneeded": 1}
    )  # fmt: skip


def test_a_note_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    rows, _ = correct(tmp_path, "cat/0.jpg,dog", "dog/3.jpg,cat")
    assert rows[3].note == "animated; labelled dog in the archive"


def test_all_faults_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(CorrectionsError, match="line 2") as caught:
        correct(
            tmp_path, "cat/7.jpg,dog", "cat/0.jpg,dgo", "cat/1.jpg,dog", f"{key(1)},dog",
            "dog/1-000000000000.jpg,cat", "cat/2.jpg,", " ", "cat/2.jpg,dog,cat", f"{key(9)},dog",
        )  # fmt: skip
    assert str(caught.value).split("\n") == [
        f"{tmp_path / 'pets.csv'}:",
        "  line 2: no used image is called 'cat/7.jpg' (its sha256, or its path as it was shown); take "
        "out the line if the image is gone",
        "  line 3: no class is called 'dgo'. Known: cat, dog, quarantine. Did you mean 'dog'?",
        f"  line 5: says of {key(1)} what line 4 says",
        "  line 6: says cat of dog/1-000000000000.jpg, of which line 4 says dog",
        "  line 7: expected an image and a label, found cat/2.jpg,",
        "  line 8: expected an image and a label, found nothing",
        "  line 9: expected an image and a label, found cat/2.jpg,dog,cat",
        f"  line 10: no used image is called '{key(9)}' (its sha256, or its path as it was shown); take "
        "out the line if the image is gone",
    ]


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("0.jpg", "'cat/0.jpg' or 'dog/0.jpg'"),
        ("cow/3.jpg", "'dog/3.jpg'"),
        ("cat/2", "'cat/2.jpg'"),
        ("AB" * 32, repr("ab" * 32)),
    ],
)
def test_an_image_that_is_nearly_named_is_told(tmp_path: Path, named: str, meant: str) -> None:
    other = row(0, "dog")._replace(sha256="ab" * 32)
    with pytest.raises(CorrectionsError, match="no used image") as caught:
        correct(tmp_path, f"{named},dog", rows=[*ROWS, other])
    assert str(caught.value).endswith(f"was shown). Did you mean {meant}?")


@pytest.mark.parametrize(
    ("named", "meant"),
    [("cat/IMG_1.HEIC", "cat/IMG_1.png"), ("dog/both.jpg", key(8)), ("train/cat/both.jpg", key(8))],
)
def test_an_image_that_is_named_as_the_archive_has_it_is_told(
    tmp_path: Path, named: str, meant: str
) -> None:
    others = [
        row(7, "cat")._replace(member="photos/cat/IMG_1.HEIC", path="train/cat/IMG_1.png"),
        *(
            ImageRow(
                label=label, sha256=key(8), status=QUARANTINED,
                reason=f"{CONFLICTING}cat, dog", member=f"photos/{label}/both.jpg",
            )
            for label in ("cat", "dog")
        ),
    ]  # fmt: skip
    with pytest.raises(CorrectionsError, match="no used image") as caught:
        correct(tmp_path, f"{named},dog", rows=[*ROWS, *others])
    assert str(caught.value).endswith(f"was shown). Did you mean {meant!r}?")


def test_an_empty_line_says_nothing(tmp_path: Path) -> None:
    assert correct(tmp_path, "", "cat/0.jpg,dog", "", "")[1]["relabelled"] == 1


def test_of_many_faults_the_first_twenty_are_told(tmp_path: Path) -> None:
    with pytest.raises(CorrectionsError, match=r"line 21: .*\n  and 5 more$"):
        correct(tmp_path, *(f"{number},dog" for number in range(100, 125)))


def test_a_class_is_not_left_without_images_in_a_split(tmp_path: Path) -> None:
    with pytest.raises(
        CorrectionsError, match=r"pets\.csv: after these corrections, dog has none left in val"
    ):
        correct(tmp_path, "dog/4.jpg,cat")


def test_what_stands_under_two_labels_need_not_be_set_aside(tmp_path: Path) -> None:
    other = ImageRow(
        label="cat",
        sha256=key(8),
        status=QUARANTINED,
        reason=f"{CONFLICTING}cat, dog",
        member="cat/8.jpg",
    )
    with pytest.raises(
        CorrectionsError, match="under several labels, so that it is set aside already"
    ):
        correct(tmp_path, f"{key(8)},quarantine", rows=[*ROWS, other])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: expected the names of the columns, image,label; found nothing"),
        (
            b"image;label\n",
            r"found image;label\. Save it with commas between the columns\.",
        ),
        (b"image,label\n\xff,dog\n", r"is no text in UTF-8 \(.*\): save it so"),
        (b'image,label\n"cat,dog\n', "is no table of corrections"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "pets.csv"
    path.write_bytes(data)
    with pytest.raises(CorrectionsError, match=message):
        read_corrections(path)


def test_no_file_and_a_header_alone_correct_nothing(tmp_path: Path) -> None:
    assert correct_rows(ROWS, read_corrections(tmp_path / "none.csv"))[0] == ROWS
    assert correct(tmp_path)[0] == ROWS


def test_spaces_and_the_mark_that_spreadsheets_write_are_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_bytes(b"\xef\xbb\xbfimage, label\r\n cat/0.jpg , dog\r\n")
    assert correct_rows(ROWS, read_corrections(path))[1]["relabelled"] == 1


def labelled(number: int, label: str, member: str) -> LabelledImage:
    content = ScreenedImage(
        member, key(number), 1, format="JPEG", hash=f"{number * 0x1234567:016x}"
    )
    return LabelledImage(content, label, None)


def test_an_image_under_two_labels_or_none_is_used_under_the_one_that_a_line_gives(
    tmp_path: Path,
) -> None:
    images = [labelled(number, "dog" if number % 2 else "cat", f"{number}") for number in range(40)]
    images += [labelled(50, "cat", "a"), labelled(50, "dog", "b"), labelled(51, "", "c")]
    path = tmp_path / "pets.csv"
    path.write_text(f"image,label\n{key(50)},dog\n{key(51)},cat\n")
    corrections = read_corrections(path)
    settled, keys = settle_labels(images, corrections)
    assert [one.label for one in settled[-3:]] == ["dog", "dog", "cat"]
    assert settled[:-3] == images[:-3]
    rows, counts = correct_rows(
        assign_images(settled, SplitParams(val_fraction=0.3, seed=7)), corrections, keys
    )
    assert [one.status for one in rows[-3:]] == [USED, DUPLICATE, USED]
    assert counts == {"relabelled": 2, "quarantined": 0, "unneeded": 0}


def test_what_was_done_is_said_and_nothing_where_nothing_was() -> None:
    counts = {"relabelled": 1200, "quarantined": 0, "unneeded": 1}
    said = "; corrected by hand: 1,200 relabelled, 1 as the archive says"
    assert describe_corrections(counts) == said
    assert describe_corrections(dict.fromkeys(counts, 0)) == ""
