"""Archives: what is read, what is refused, and that nothing else is touched."""

import errno
import gzip
import os
import random
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import archives
from pipeline.archives import Limits, Member, pack_folder, read_members
from pipeline.archives.formats import damage_named
from pipeline.errors import ArchiveError
from pipeline.sources import obtain
from tests.archive_cases import HOSTILE, ODD
from tests.damages import largest_file
from tests.odd_archives import (
    GOOD,
    GOOD_TAR,
    IMAGE,
    Build,
    folder_of,
    nested,
    tar_bytes,
    tar_files,
    written,
    zip_bytes,
)


def everything_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Return each path below a folder with its size and time of change."""
    paths = (
        Path(root, name) for root, folders, files in os.walk(folder) for name in folders + files
    )
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths}


def complaint(archive: Path) -> str | None:
    """Read an archive; return what is said of it if it is refused."""
    try:
        for _ in read_members(archive):
            pass
    except ArchiveError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("build", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archive_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build, message: str
) -> None:
    archive = build(tmp_path / "given")
    (tmp_path / "work" / "raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    before = everything_below(tmp_path)
    with pytest.raises(ArchiveError, match=message):
        list(read_members(archive))
    with pytest.raises(ArchiveError, match=message) as caught:
        obtain("mine", "archive", str(archive), tmp_path / "work" / "raw")
    assert "params.yaml, datasets.mine.archive" in str(caught.value)
    assert archive.name in str(caught.value)
    after = everything_below(tmp_path)
    raw_folder = str(tmp_path / "work" / "raw")
    del after[raw_folder], before[raw_folder]  # its time may change, no more
    assert after == before


def test_there_are_at_least_forty_hostile_archives() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize(("build", "names"), ODD.values(), ids=ODD.keys())
def test_odd_archive_is_read(tmp_path: Path, build: Build, names: list[str]) -> None:
    archive = build(tmp_path / "given")
    members = list(read_members(archive))
    assert [member.name for member in members] == names
    data = {
        member.name.split(".zip/")[-1].removeprefix("in.TGZ/"): member.data for member in members
    }
    assert all(data[name] == GOOD[name] for name in GOOD if name in data)


@pytest.mark.parametrize("build", [ODD[name][0] for name in ODD], ids=ODD.keys())
def test_the_beginnings_alone_can_be_read(tmp_path: Path, build: Build) -> None:
    archive = build(tmp_path / "given")
    whole = [member._replace(data=member.data[:9]) for member in read_members(archive)]
    assert list(read_members(archive, most_bytes=9)) == whole


@pytest.mark.parametrize("name", ["folder", "folder with empty folders"])
def test_a_packed_folder_holds_what_the_folder_does(tmp_path: Path, name: str) -> None:
    folder = ODD[name][0](tmp_path / "given")
    pack_folder(folder, tmp_path / "pack.zip")
    assert list(read_members(tmp_path / "pack.zip")) == list(read_members(folder))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(files=1), "'flowers/rose/1.jpg' is file number 2; expected at most 1 files"),
        (
            Limits(member_bytes=100),
            "'flowers/daisy/1.jpg' has 259 bytes; expected at most 100 a file",
        ),
        (
            Limits(total_bytes=300),
            "'flowers/rose/1.jpg' makes it 518 bytes unpacked; expected at most 300",
        ),
    ],
)
@pytest.mark.parametrize("build", [ODD["zip stored"][0], ODD["tgz"][0], ODD["folder"][0]])
def test_limits_are_kept(tmp_path: Path, build: Build, limits: Limits, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        list(read_members(build(tmp_path), limits))


def test_limits_hold_across_inner_archives(tmp_path: Path) -> None:
    both = {"a.zip": zip_bytes({"1.jpg": b"", "2.jpg": b""}), "b.zip": zip_bytes({"1.jpg": b""})}
    archive = written(tmp_path / "pack.zip", zip_bytes(both))
    assert len(list(read_members(archive, Limits(files=5)))) == 3
    with pytest.raises(ArchiveError, match=r"'b\.zip/1\.jpg' is file number 5"):
        list(read_members(archive, Limits(files=4)))


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    folders = {f"{number}/": b"" for number in range(3)}
    archive = written(tmp_path / "pack.zip", zip_bytes(folders))
    assert len(list(read_members(archive, Limits(folders=3)))) == 3
    with pytest.raises(ArchiveError, match="'2' is folder number 3; expected at most 2"):
        list(read_members(archive, Limits(folders=2)))


def test_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"cannot read .*none\.zip: No such file"):
        list(read_members(tmp_path / "none.zip"))


def test_members_are_read_one_at_a_time(tmp_path: Path) -> None:
    archive = written(tmp_path / "pack.zip", zip_bytes({**GOOD, "flowers/rose/2.jpg": IMAGE}))
    content = archive.read_bytes()
    archive.write_bytes(content.replace(IMAGE[::-1], bytes(len(IMAGE)), 1))
    members = read_members(archive)
    assert next(members) == Member(name="flowers/daisy/1.jpg", data=IMAGE)
    with pytest.raises(ArchiveError, match=r"rose/1\.jpg is damaged"):
        next(members)


def test_full_disk_is_told_when_an_inner_archive_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = written(tmp_path / "pack.zip", nested(1))
    monkeypatch.setattr(archives.formats.shutil, "copyfileobj", fail)
    with pytest.raises(ArchiveError, match=r"cannot unpack .*level0\.zip: No space left on device"):
        list(read_members(archive))


def test_packed_folder_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    first = folder_of({**GOOD, ".DS_Store": b"x", "flowers/rose/z.jpg": b"1"})(tmp_path / "one")
    second = folder_of({"flowers/rose/z.jpg": b"1", **dict(reversed(GOOD.items()))})(
        tmp_path / "two"
    )
    for path in second.rglob("*.jpg"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    pack_folder(first, tmp_path / "one.zip")
    pack_folder(second, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert [member.name for member in read_members(tmp_path / "one.zip")] == [
        *GOOD,
        "flowers/rose/z.jpg",
    ]
    assert {info.date_time for info in zipfile.ZipFile(tmp_path / "one.zip").infolist()} == {
        (1980, 1, 1, 0, 0, 0)
    }


def test_failed_packing_leaves_nothing(tmp_path: Path) -> None:
    folder = HOSTILE["folder with link"][0](tmp_path)
    with pytest.raises(ArchiveError, match="symbolic link"):
        pack_folder(folder, tmp_path / "target.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_file_that_may_not_be_read_is_named() -> None:
    fault = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/pets/cat/2.jpg")
    with (
        pytest.raises(
            ArchiveError, match=r"^cannot read /pets: Permission denied \(/pets/cat/2\.jpg\)"
        ),
        damage_named("/pets"),
    ):
        raise fault


def test_full_disk_is_told_when_a_folder_is_packed(tmp_path: Path) -> None:
    folder = folder_of({"cat/1.jpg": b"1" * 5000})(tmp_path / "pets")
    with (
        largest_file(2000),
        pytest.raises(
            ArchiveError,
            match=r"^cannot pack .*pets/pack: File too large \(.*target\.zip\); make room; .*doctor",
        ),
    ):
        pack_folder(folder, tmp_path / "target.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=8
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(files=st.dictionaries(PATHS, st.binary(max_size=64), max_size=6), as_tar=st.booleans())
def test_what_is_read_is_what_was_packed_or_it_is_refused(
    tmp_path: Path, files: dict[str, bytes], as_tar: bool
) -> None:
    content = gzip.compress(tar_bytes(tar_files(files)), mtime=0) if as_tar else zip_bytes(files)
    archive = written(tmp_path / "pack", content)
    try:
        members = {member.name: member.data for member in read_members(archive)}
    except ArchiveError:
        return
    wanted = {
        unicodedata.normalize(
            "NFC", "/".join(part for part in name.split("/") if part != ".")
        ): data
        for name, data in files.items()
        if not archives.safety.is_litter(name)
    }
    assert members == wanted


@pytest.mark.parametrize(
    "content",
    [
        *(
            zip_bytes(GOOD, method)
            for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        ),
        GOOD_TAR[:3072],
        gzip.compress(GOOD_TAR),
        nested(1),
    ],
    ids=["deflate", "bzip2", "lzma", "tar", "tgz", "zip in zip"],
)
def test_changed_bytes_end_in_members_or_an_archive_error(tmp_path: Path, content: bytes) -> None:
    rng = random.Random(7)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        archive = written(tmp_path / "pack", bytes(damaged[: rng.randint(1, len(damaged))]))
        message = complaint(archive)
        assert message is None or str(archive) in message


@pytest.mark.parametrize(
    ("name", "count"), [("cats_vs_dogs_2000.zip", 2000), ("flower_photos_500.tgz", 500)]
)
def test_real_archive_is_read_whole(name: str, count: int) -> None:
    archive = Path("../shared/data") / name
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    assert sum(member.data.startswith(b"\xff\xd8") for member in read_members(archive)) == count
