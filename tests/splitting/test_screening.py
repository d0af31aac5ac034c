"""Intake: each file is used, a duplicate or quarantined; none is lost, doubled or renamed onto another."""

import io
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.images import decode_square, decode_whole
from pipeline.manifest import DUPLICATE, QUARANTINED, USED, ImageRow, write_manifest
from pipeline.splitting.screening import File, examine, group_rows, place_rows, settle_duplicates
from pipeline.splitting.splits import draw_split
from pipeline.splitting.staging import StagingFolder
from tests.sample_images import encode, heic, odd_images, scene

ODD = Path(__file__).parents[3] / "shared" / "data" / "odd"
KERAS_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
FILES = [
    *(encode(scene(seed=seed), "JPEG") for seed in range(4)),
    encode(scene(seed=0), "PNG"),
    encode(scene(seed=0), "WEBP", lossless=True),
    encode(scene(seed=0), "TIFF"),
    encode(scene(30, 30, seed=1), "GIF"),
    encode(scene(seed=2), "JPEG")[:300],
    b"",
    b"Thumbs",
]


def examine_data(member: str, data: bytes) -> tuple[ImageRow, bytes | None]:
    with TemporaryDirectory() as folder:
        shelf = StagingFolder(Path(folder, "shelf"))
        return examine(shelf, [File(member, shelf.add(data))])[0]


def look(member: str, label: str, data: bytes) -> ImageRow:
    """Return what is said of a file with a class."""
    return examine_data(member, data)[0]._replace(label=label)


def kept(data: bytes) -> bytes:
    """Return the bytes that are kept of a file."""
    instead = examine_data("a/1", data)[1]
    return data if instead is None else instead


def place_all(rows: Iterable[ImageRow], *, near_duplicates: bool = False) -> list[ImageRow]:
    """Settle, group, deal and place, as the stage does."""
    rows = settle_duplicates(rows)
    rows = group_rows(rows, near_duplicates=near_duplicates)
    splits = {row.sha256: draw_split(row.group, 0.3, 0.1, 7) for row in rows if row.status == USED}
    return place_rows(rows, splits)


def by_member(rows: list[ImageRow]) -> dict[str, ImageRow]:
    return {row.member: row for row in rows}


@pytest.mark.parametrize(
    ("member", "data", "notes"),
    [
        ("a/1.jpg", encode(scene(), "JPEG"), ""),
        ("a/1.JPEG", encode(scene(), "JPEG"), ""),
        ("a/1.png", encode(scene(), "JPEG"), "named .png, is JPEG"),
        ("a/1", encode(scene(), "JPEG"), "named without a suffix, is JPEG"),
        ("a/1.jpg", encode(scene(), "PNG"), "named .jpg, is PNG"),
        ("a/1.webp", encode(scene(), "WEBP"), "WEBP kept as PNG"),
        ("a/1.png", encode(scene(), "WEBP"), "named .png, is WEBP; WEBP kept as PNG"),
        ("a/1.tiff", encode(scene(), "TIFF"), "TIFF kept as PNG"),
        ("a/1.TIF", encode(scene(), "TIFF"), "TIFF kept as PNG"),
        ("a/1.bmp", encode(scene(), "BMP"), "BMP kept as PNG"),
        ("a/1.HEIC", heic("scene"), "HEIF kept as PNG"),
        ("a/1.jpg", heic("scene"), "named .jpg, is HEIF; HEIF kept as PNG"),
        ("a/1.avif", encode(scene(), "AVIF"), "AVIF kept as PNG"),
        ("a/1.gif", encode(scene().convert("P"), "GIF"), "converted from P"),
        ("a/1.png", encode(scene().convert("RGBA"), "PNG"), "converted from RGBA"),
    ],
)
def test_what_is_odd_is_noted(member: str, data: bytes, notes: str) -> None:
    row = look(member, "a", data)
    assert row.note == notes
    assert row.status == USED
    assert (row.width, row.height) == (60, 44)


def test_a_file_that_keras_can_read_is_kept_byte_for_byte() -> None:
    for member, data in odd_images().items():
        row, rest = look(member, "a", data), kept(data)
        assert (rest == data) == (row.format in ("JPEG", "PNG", "GIF")), member
        assert (row.bytes, row.sha256) == (len(rest), sha256(rest).hexdigest())


@pytest.mark.parametrize(
    "name", ["plain.bmp", "bits.bmp", "moving.webp", "plain.tiff", "phone.heic", "plain.avif"]
)
def test_another_format_is_kept_as_png_without_loss(name: str) -> None:
    """Training sees the PNG, `predict` the file itself: the network must see the same."""
    data = odd_images()[name]
    lossless = kept(data)
    assert (decode_square(lossless, 32) == decode_square(data, 32)).all()
    with Image.open(io.BytesIO(lossless)) as image:
        assert image.format == "PNG"
    assert (decode_whole(lossless).pixels == decode_whole(data).pixels).all()


def test_files_are_examined_together_as_they_are_alone(tmp_path: Path) -> None:
    shelf = StagingFolder(tmp_path / "shelf")
    files = [File(f"a/{n}.jpg", shelf.add(data)) for n, data in enumerate(FILES)]
    alone = [examine_data(file.member, data) for file, data in zip(files, FILES, strict=True)]
    assert examine(shelf, files) == alone


@pytest.mark.parametrize(
    ("colour", "bright"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 255),
        ((255, 0, 0), 76),
        ((0, 255, 0), 150),
        ((0, 0, 255), 29),
    ],
)
def test_brightness_is_that_of_grey(colour: tuple[int, int, int], bright: int) -> None:
    for image_format in ("PNG", "JPEG"):
        row = look("a/1", "a", encode(Image.new("RGB", (50, 70), colour), image_format))
        assert row.brightness == pytest.approx(bright, abs=1 if image_format == "JPEG" else 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"<html>", "not an image"),
        (FILES[8], "damaged: "),
        (encode(scene(60, 5), "PNG"), "too sm"),
    ],
)
def test_what_cannot_be_decoded_is_quarantined_with_its_reason(data: bytes, reason: str) -> None:
    row = look("a/1.jpg", "a", data)
    assert row.status == QUARANTINED
    assert row.reason.startswith(reason)
    assert (row.width, row.height, row.hash, row.bytes) == (0, 0, "", len(data))


def test_the_same_bytes_are_used_once_under_the_first_name() -> None:
    members = ["a/9.jpg", "a/10.jpg", "a/sub/1.jpg"]
    rows = by_member(place_all([look(member, "a", FILES[0]) for member in members]))
    assert rows["a/10.jpg"].status == USED
    for other in ("a/9.jpg", "a/sub/1.jpg"):
        assert rows[other].status == DUPLICATE
        assert rows[other].reason == "same bytes as: a/10.jpg"
        assert (rows[other].split, rows[other].path, rows[other].group) == ("", "", "")


def test_the_same_bytes_under_two_labels_are_not_used_at_all() -> None:
    examined = [
        look(f"{label}/{n}.jpg", label, FILES[0]) for label in ("rose", "tulip") for n in (1, 2)
    ]
    examined += [look("rose/3.jpg", "rose", FILES[1])]
    rows = by_member(place_all(examined))
    assert rows.pop("rose/3.jpg").status == USED
    assert {(row.status, row.reason) for row in rows.values()} == {
        (QUARANTINED, "conflicting labels: rose, tulip")
    }


@pytest.mark.skipif(not ODD.is_dir(), reason="the shared odd images are not here")
def test_photos_from_the_wild_that_stand_under_two_labels_are_conflicting() -> None:
    files = sorted((ODD / "two_labels").rglob("*.jpg"))
    examined = [
        look(f"{file.parent.name}/{file.name}", file.parent.name, file.read_bytes())
        for file in files
    ]
    rows = settle_duplicates(examined)
    assert len(rows) == 4
    assert {row.reason for row in rows} == {"conflicting labels: roses, tulips"}


@pytest.mark.skipif(not ODD.is_dir(), reason="the shared odd images are not here")
def test_odd_files_from_the_wild_are_used_and_what_is_odd_is_noted() -> None:
    rows = {
        file.name: look(file.name, "a", file.read_bytes())
        for file in ODD.iterdir()
        if file.is_file()
    }
    assert len(rows) == 6 + 1
    assert {row.status for row in rows.values()} == {USED}
    assert "named .png, is WEBP; WEBP kept as PNG" in rows["Cat1035_is_webp.png"].note
    for name, image_format in [
        ("rain141", "GIF"),
        ("shine131", "GIF"),
        ("cloudy131", "PNG"),
        ("rain136", "PNG"),
    ]:
        row = next(row for member, row in rows.items() if name in member)
        assert f"named .jpg, is {image_format}" in row.note
    assert "converted from RGBA" in rows["weather_shine127_is_png_rgba.jpg"].note


@pytest.mark.parametrize(
    ("members", "paths"),
    [
        (["x/1.jpg", "y/1.jpg"], 2),
        (["x/1.jpg", "x/1.png"], 2),
        (["x/a.jpg", "x/A.jpeg"], 2),
        (["x/1", "x/1.jpg"], 2),
    ],
)
def test_images_with_the_same_stem_get_a_piece_of_their_hash(
    members: list[str], paths: int
) -> None:
    rows = place_all([look(member, "a", FILES[number]) for number, member in enumerate(members)])
    stems = {PurePosixPath(row.path).stem.lower() for row in rows}
    assert len(stems) == paths
    for row in rows:
        assert PurePosixPath(row.path).stem == f"{PurePosixPath(row.member).stem}-{row.sha256[:12]}"


def test_the_same_stem_in_another_class_changes_no_name() -> None:
    rows = place_all([look("x/1.jpg", "x", FILES[0]), look("y/1.jpg", "y", FILES[1])])
    assert {row.path.split("/", 1)[1] for row in rows} == {"x/1.jpg", "y/1.jpg"}


@pytest.mark.parametrize("stem", ["x" * 251, "ü" * 125, "字" * 83])
def test_a_name_as_long_as_systems_allow_leaves_room_for_copies(stem: str) -> None:
    (row,) = place_all([look(f"a/{stem}.jpg", "a", FILES[0])])
    name = PurePosixPath(row.path)
    assert name.stem.startswith(stem[:60])
    assert len(f"{name.stem}__copy20.jpg".encode()) <= 255
    assert name.stem.endswith(row.sha256[:12])


@pytest.mark.parametrize("name", odd_images())
def test_every_file_gets_a_name_by_which_keras_finds_it(name: str) -> None:
    (row,) = place_all([look(name, "a", odd_images()[name])])
    assert row.path.lower().endswith(KERAS_SUFFIXES)


def test_each_image_is_its_own_group_unless_near_duplicates_are_looked_for() -> None:
    original = scene(320, 240, seed=5)
    examined = [
        look("a/1.jpg", "a", encode(original, "JPEG", quality=90)),
        look("a/2.jpg", "a", encode(original.resize((300, 225)), "JPEG", quality=80)),
        look("a/3.jpg", "a", encode(scene(320, 240, seed=6), "JPEG")),
    ]
    alone = by_member(place_all(examined))
    assert all(row.group == row.sha256 for row in alone.values())
    grouped = by_member(place_all(examined, near_duplicates=True))
    assert grouped["a/1.jpg"].group == grouped["a/2.jpg"].group
    assert grouped["a/1.jpg"].group == min(grouped["a/1.jpg"].sha256, grouped["a/2.jpg"].sha256)
    assert grouped["a/3.jpg"].group == grouped["a/3.jpg"].sha256


EXAMINED = [[look("?", label, data) for data in FILES] for label in ("cat", "dog")]
MEMBERS = st.lists(
    st.tuples(
        st.from_regex(r"(x|Y)/(a|A|b|c)(\.jpg|\.JPG|\.png|\.webp|)", fullmatch=True),
        st.integers(0, len(FILES) - 1),
        st.integers(0, 1),
    ),
    max_size=20,
    unique_by=lambda entry: entry[0],
)


def examined_as(entries: list[tuple[str, int, int]]) -> list[ImageRow]:
    """Return what `examine` gives for files under other names, without decoding them again."""
    rows = [(member, EXAMINED[label][file]) for member, file, label in entries]
    return [row._replace(member=f"{row.label}/{member}") for member, row in rows]


@settings(deadline=None, max_examples=80)
@given(entries=MEMBERS, near_duplicates=st.booleans())
def test_no_image_is_lost_or_doubled(
    entries: list[tuple[str, int, int]], near_duplicates: bool
) -> None:
    examined = examined_as(entries)
    rows = place_all(examined, near_duplicates=near_duplicates)
    assert sorted(row.member for row in rows) == sorted(one.member for one in examined)
    used = [row for row in rows if row.status == USED]
    assert len({row.sha256 for row in used}) == len(used)
    assert len({row.path.lower() for row in used}) == len(used)
    assert len({(row.label, PurePosixPath(row.path).stem.lower()) for row in used}) == len(used)
    for row in rows:
        assert (
            (row.status == USED)
            == bool(row.split)
            == bool(row.path)
            == bool(row.group)
            == (row.reason == "")
        )
        if row.split:
            assert row.path.startswith(f"{row.split}/{row.label}/")
            assert row.split in ("train", "val", "test")
    readable = {one.sha256 for one in examined if one.status == USED}
    conflicting = {row.sha256 for row in rows if row.reason.startswith("conflicting")}
    assert {row.sha256 for row in used} == readable - conflicting
    assert {row.sha256 for row in rows if row.status == DUPLICATE} <= {row.sha256 for row in used}


@settings(deadline=None, max_examples=30)
@given(entries=MEMBERS, near_duplicates=st.booleans(), data=st.data())
def test_the_manifest_does_not_depend_on_the_order_of_members(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, int, int]],
    near_duplicates: bool,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    shuffled = data.draw(st.permutations(entries))
    for name, order in (("one.csv", entries), ("other.csv", shuffled)):
        write_manifest(
            folder / name, place_all(examined_as(order), near_duplicates=near_duplicates)
        )
    assert (folder / "one.csv").read_bytes() == (folder / "other.csv").read_bytes()


def test_perceptual_hashes_are_sixteen_digits() -> None:
    rows = [look("x", "a", encode(scene(seed=seed), "PNG")) for seed in range(20)]
    assert {len(row.hash) for row in rows} == {16}
    assert len({row.hash for row in rows}) > 15
    assert (
        look("x", "a", encode(Image.fromarray(np.zeros((9, 9, 3), np.uint8)), "PNG")).status == USED
    )
