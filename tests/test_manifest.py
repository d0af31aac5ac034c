"""The manifest: what is written is read back, in an order of its own; what is damaged is refused."""

import csv
import io
import random
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest import (
    DUPLICATE,
    QUARANTINED,
    USED,
    CopyRow,
    ImageRow,
    read_copies,
    read_manifest,
    read_used,
    write_copies,
    write_manifest,
)

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30
)  # archives.py refuses them
KEY = st.text("0123456789abcdef", min_size=64, max_size=64)
NUMBER = st.integers(0, 2**40)
IMAGES = st.builds(
    ImageRow,
    split=st.sampled_from(["", "train", "val", "test"]),
    label=TEXT,
    path=TEXT,
    sha256=KEY,
    status=st.sampled_from([USED, DUPLICATE, QUARANTINED]),
    reason=TEXT,
    note=TEXT,
    member=TEXT,
    width=NUMBER,
    height=NUMBER,
    format=TEXT,
    mode=TEXT,
    bytes=NUMBER,
    brightness=NUMBER,
    hash=st.text("0123456789abcdef", max_size=16),
    group=KEY,
    split_rule=TEXT,
)
COPIES = st.builds(CopyRow, parent=KEY, copy=st.integers(1, 20), sha256=KEY, path=TEXT)
ON_ONE_FOLDER = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROW = ImageRow(
    label="cat",
    sha256="0" * 64,
    member="cat.1.jpg",
    bytes=7,
    split="train",
    path="train/cat/cat.1.jpg",
)


@ON_ONE_FOLDER
@given(rows=st.lists(IMAGES, max_size=8))
def test_images_are_read_back_as_they_were_written(tmp_path: Path, rows: list[ImageRow]) -> None:
    file = tmp_path / "manifest.csv"
    write_manifest(file, rows)
    found = list(read_manifest(file))
    assert sorted(map(repr, found)) == sorted(map(repr, rows))


@ON_ONE_FOLDER
@given(rows=st.lists(COPIES, max_size=8))
def test_copies_are_read_back_in_the_order_in_which_they_were_written(
    tmp_path: Path, rows: list[CopyRow]
) -> None:
    file = tmp_path / "new" / "copies.csv"
    write_copies(file, rows)
    assert list(read_copies(file)) == rows


@ON_ONE_FOLDER
@given(
    rows=st.lists(
        IMAGES, max_size=8, unique_by=lambda row: (row.split, row.label, row.path, row.member)
    ),
    seed=st.integers(),
)
def test_the_bytes_do_not_depend_on_the_order_of_the_rows(
    tmp_path: Path, rows: list[ImageRow], seed: int
) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    write_manifest(one, rows)
    write_manifest(other, random.Random(seed).sample(rows, len(rows)))
    assert one.read_bytes() == other.read_bytes()


def test_train_comes_first_and_the_unused_last(tmp_path: Path) -> None:
    rows = [
        ROW._replace(split=split, label=label, path=f"{split}/{label}/x.jpg" if split else "")
        for split in ("", "test", "val", "train")
        for label in ("dog", "cat")
    ]
    write_manifest(tmp_path / "m.csv", rows)
    order = [(row.split, row.label) for row in read_manifest(tmp_path / "m.csv")]
    assert order == [
        (split, label) for split in ("train", "val", "test", "") for label in ("cat", "dog")
    ]


def test_images_that_are_not_used_are_ordered_by_name(tmp_path: Path) -> None:
    unused = [ROW._replace(split="", path="", status=QUARANTINED, member=name) for name in "cab"]
    write_manifest(tmp_path / "m.csv", unused)
    assert [row.member for row in read_manifest(tmp_path / "m.csv")] == ["a", "b", "c"]


def test_lines_end_the_same_on_every_system_and_spreadsheets_can_read_them(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [ROW._replace(member='a,"b"\nc.jpg')])
    text = (tmp_path / "m.csv").read_bytes().decode()
    assert "\r" not in text
    header, row = csv.reader(io.StringIO(text))
    assert dict(zip(header, row, strict=True)) == {
        name: str(value) for name, value in ROW._replace(member='a,"b"\nc.jpg')._asdict().items()
    }


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    write_manifest(file, [ROW])
    before = file.read_bytes()
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_manifest(file, [ROW._replace(member="\ud800.jpg")])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


@pytest.mark.parametrize("read", [read_manifest, read_copies])
def test_a_missing_table_names_the_stage_that_writes_it(read: object, tmp_path: Path) -> None:
    stage = "split" if read is read_manifest else "augment"
    with pytest.raises(ManifestError, match=f"m.csv is missing: run the stage {stage} first"):
        list(read(tmp_path / "m.csv"))  # type: ignore[operator]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", r"has the columns \[\], not \['split', 'label'"),
        (lambda text: text.replace("sha256", "sha1", 1), "has the columns"),
        (
            lambda text: ",".join(reversed(_lines(text)[0].strip().split(","))) + "\n",
            "has the columns",
        ),
        (
            lambda text: text.replace(",7,", ",seven,"),
            "damaged .*seven.*: run the stage split again",
        ),
        (lambda text: text[: text.rindex(",")][:-5], "damaged"),
        (lambda text: text + "train,cat\n", "damaged"),
        (lambda text: text + _lines(text)[1].strip() + ",more\n", "damaged"),
        (lambda text: text + "\n", "damaged"),
        (lambda text: text + "\0" * 200_000, "damaged"),
        (lambda text: "\udcff".join(_lines(text)), "(damaged|columns)"),
        (lambda text: text + '"' + "x" * 200_000, "damaged .*field larger"),
    ],
)
def test_a_damaged_table_is_told_as_one(damage: object, message: str, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    write_manifest(file, [ROW, ROW._replace(member="other.jpg")])
    text = file.read_text()
    file.write_bytes(damage(text).encode(errors="surrogateescape"))  # type: ignore[operator]
    with pytest.raises(ManifestError, match=message):
        list(read_manifest(file))


def test_of_a_table_full_of_zeros_little_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(bytes(40_000))
    with pytest.raises(ManifestError, match="has the columns") as error:
        list(read_manifest(tmp_path / "m.csv"))
    assert len(str(error.value)) < 500


def test_of_a_path_that_is_none_little_is_quoted(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [ROW._replace(path="x" * 40_000)])
    with pytest.raises(ManifestError, match="is no path of an image of 'cat' in") as error:
        list(read_used(tmp_path / "m.csv"))
    assert len(str(error.value)) < 500


def test_any_printable_noise_is_refused_or_read_but_never_a_traceback(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [ROW] * 3)
    clean = (tmp_path / "m.csv").read_text()
    noise = random.Random(7)
    refused = 0
    for _ in range(300):
        place = noise.randrange(len(clean))
        text = clean[:place] + noise.choice(string.printable) + clean[place + noise.randrange(3) :]
        (tmp_path / "m.csv").write_text(text, newline="")
        try:
            assert all(
                len(row) == len(ImageRow._fields) for row in read_manifest(tmp_path / "m.csv")
            )
        except ManifestError:
            refused += 1
    assert refused > 20
