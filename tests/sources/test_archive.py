"""Source `archive`: files, folders and URLs, and what `obtain` promises of every source."""

import errno
import hashlib
import io
import os
import socket
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from pipeline.archives import read_members
from pipeline.errors import ArchiveError, SourceError
from pipeline.provenance import Provenance
from pipeline.sources import http, obtain
from tests.sources.servers import Answer, Server


def only_file(folder: Path) -> Path:
    """Return the one path in a folder."""
    (path,) = folder.iterdir()
    return path


def test_a_path_that_dvc_reads_as_another_is_refused(tmp_path: Path, pets: bytes) -> None:
    (tmp_path / "far" / "sub").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "sub")
    for folder in ("far", "."):
        (tmp_path / folder / "pets.zip").write_bytes(pets)
    with pytest.raises(SourceError, match=r"leads over a link to '.*/far/pets\.zip'.*: write that"):
        obtain("pets", "archive", str(tmp_path / "near" / ".." / "pets.zip"), tmp_path / "raw")
    obtain("pets", "archive", str(tmp_path / "far" / ".." / "pets.zip"), tmp_path / "raw")


@pytest.mark.parametrize(
    "name", ["pets.zip", "my own pets.zip", "Kätzchen und 狗.zip", "pets", "#1 50%.zip"]
)
def test_local_archive_is_copied_as_it_is(tmp_path: Path, pets: bytes, name: str) -> None:
    original = tmp_path / name
    original.write_bytes(pets)
    original.chmod(0o400)
    status = original.stat()
    provenance = obtain("pets", "archive", str(original), tmp_path / "raw")
    assert provenance == Provenance(
        source="archive",
        file=name,
        bytes=len(pets),
        sha256=hashlib.sha256(pets).hexdigest(),
        origin=name,
        files=80,
    )
    assert only_file(tmp_path / "raw").read_bytes() == pets
    assert (original.stat().st_mtime_ns, original.stat().st_size) == (
        status.st_mtime_ns,
        status.st_size,
    )


def test_folder_is_packed_the_same_each_time(tmp_path: Path) -> None:
    for label in ("dog", "cat"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        (tmp_path / "pets" / label / "1.jpg").write_bytes(label.encode())
    first = obtain("pets", "archive", str(tmp_path / "pets"), tmp_path / "raw")
    assert [member.name for member in read_members(tmp_path / "raw" / "pets.zip")] == [
        "cat/1.jpg",
        "dog/1.jpg",
    ]
    assert (first.file, first.origin) == ("pets.zip", "pets")
    os.utime(tmp_path / "pets" / "cat" / "1.jpg", (0, 0))
    assert obtain("pets", "archive", str(tmp_path / "pets"), tmp_path / "raw") == first
    (tmp_path / "pets" / "cat" / "1.jpg").write_bytes(b"another cat")
    assert (
        obtain("pets", "archive", str(tmp_path / "pets"), tmp_path / "raw").sha256 != first.sha256
    )


def test_url_is_downloaded_and_its_secrets_are_kept_out(
    tmp_path: Path, server: Server, pets: bytes
) -> None:
    url = server.answer("/files/my%20pets.zip", Answer(body=pets)).replace(
        "http://", "http://user:hush@"
    )
    provenance = obtain("pets", "archive", url + "?token=hush", tmp_path / "raw")
    assert provenance.file == "my pets.zip"
    assert provenance.origin == server.url + "/files/my%20pets.zip"
    assert only_file(tmp_path / "raw").read_bytes() == pets


@pytest.mark.parametrize(
    "path", ["/", "/..%2F..%2F", "/a/..%5Cevil.zip", "/.hidden", f"/{'x' * 300}.zip"]
)
def test_url_without_a_fit_name_gives_one(
    tmp_path: Path, server: Server, pets: bytes, path: str
) -> None:
    server.answer(path, Answer(body=pets))
    assert obtain("pets", "archive", server.url + path, tmp_path / "raw").file == "pets.archive"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"it is not there \(404\)"),
        (403, r"access is refused \(403\)"),
        (401, r"needs a log-in \(401\)"),
        (410, r"the server refuses \(410\)"),
    ],
)
def test_refused_url_is_told_once_and_without_secrets(
    tmp_path: Path, server: Server, status: int, message: str
) -> None:
    url = server.answer("/pets.zip", Answer(status=status))
    with pytest.raises(SourceError, match=message) as caught:
        obtain("pets", "archive", url + "?token=hush", tmp_path / "raw")
    assert "hush" not in str(caught.value)
    assert len(server.asked) == 1


def test_answer_without_end_is_given_up(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRY_POLICY", replace(http.RETRY_POLICY, most_bytes=10_000_000))
    url = server.answer("/pets.zip", Answer(body=bytes(1 << 16), endless=True))
    message = r"pets\.zip: it has more than 10,000,000 bytes, or no end.* give its path"
    with pytest.raises(SourceError, match=message):
        obtain("pets", "archive", url, tmp_path / "raw")
    assert len(server.asked) == 1
    assert list((tmp_path / "raw").iterdir()) == []


def test_log_in_is_taken_from_netrc(
    tmp_path: Path, server: Server, pets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    url = server.answer("/pets.zip", Answer(body=pets))
    assert obtain("pets", "archive", url, tmp_path / "raw").origin == url
    assert server.asked[0].headers["Authorization"].startswith("Basic ")


def test_other_sessions_stay_as_they_are(tmp_path: Path, server: Server, pets: bytes) -> None:
    before = requests.adapters.HTTPAdapter, requests.sessions.HTTPAdapter
    url = server.answer("/pets.zip", Answer(body=pets))
    obtain("pets", "archive", url, tmp_path / "raw")
    assert (requests.adapters.HTTPAdapter, requests.sessions.HTTPAdapter) == before


def test_url_of_a_web_page_is_no_archive(tmp_path: Path, server: Server) -> None:
    url = server.answer("/pets.zip", Answer(body=b"<!doctype html><title>Log in</title>"))
    message = r"the archive of pets, pets\.zip begins with b'<!doctyp'; expected .*datasets\.pets\.archive\)"
    with pytest.raises(ArchiveError, match=message):
        obtain("pets", "archive", url, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_missing_archive_is_told_with_the_key(tmp_path: Path) -> None:
    message = r"there is no archive 'none\.zip'; expected a .* or a URL\. \(params.*datasets\.pets\.archive"
    with pytest.raises(SourceError, match=message):
        obtain("pets", "archive", "none.zip", tmp_path / "raw")


@pytest.mark.parametrize("kind", ["device", "pipe", "link to itself"])
def test_what_is_no_file_and_no_folder_is_no_archive(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    archive = {"device": Path("/dev/zero"), "pipe": tmp_path / "pipe"}.get(kind, tmp_path / "loop")
    with pytest.raises(SourceError, match="there is no archive"):
        obtain("pets", "archive", str(archive), tmp_path / "raw")


@pytest.mark.parametrize(
    ("name", "kind"), [("up", "a symbolic link"), ("socket", "a socket"), ("pipe", "a named pipe")]
)
def test_folder_with_something_else_than_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "pets" / "cat")  # the name of a socket has to be short
    Path("up").symlink_to("..") if name == "up" else None
    os.mkfifo("pipe") if name == "pipe" else None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket") if name == "socket" else None
        message = (
            rf"'cat/{name}' is {kind}; expected plain files and folders only\. \(params.*archive"
        )
        with pytest.raises(ArchiveError, match=message):
            obtain("pets", "archive", str(tmp_path / "pets"), tmp_path / "raw")


@pytest.mark.parametrize("inside", [True, False])
def test_archive_and_target_must_not_lie_in_one_another(
    tmp_path: Path, pets: bytes, inside: bool
) -> None:
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "pets.zip").write_bytes(pets)
    archive = raw / "pets.zip" if inside else tmp_path / "data"
    with pytest.raises(SourceError, match="lie in one another; move it out"):
        obtain("pets", "archive", str(archive), raw)
    assert (raw / "pets.zip").read_bytes() == pets


def test_new_archive_takes_the_place_of_whatever_was_there(tmp_path: Path, pets: bytes) -> None:
    raw = tmp_path / "raw"
    (raw / ".obtaining-killed" / "kaggle").mkdir(parents=True)
    (raw / "pets.zip").mkdir()
    (raw / "old.zip").write_bytes(b"old")
    (tmp_path / "pets.zip").write_bytes(pets)
    obtain("pets", "archive", str(tmp_path / "pets.zip"), raw)
    assert only_file(raw).name == "pets.zip"


def test_after_an_error_the_old_archive_is_still_there(tmp_path: Path, pets: bytes) -> None:
    raw = tmp_path / "raw"
    (tmp_path / "pets.zip").write_bytes(pets)
    obtain("pets", "archive", str(tmp_path / "pets.zip"), raw)
    (tmp_path / "pets.zip").write_bytes(pets[:-50])
    with pytest.raises(ArchiveError, match="damaged or cut short"):
        obtain("pets", "archive", str(tmp_path / "pets.zip"), raw)
    assert only_file(raw).read_bytes() == pets


def test_without_a_name_for_the_new_archive_the_old_one_is_still_there(
    tmp_path: Path, pets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "old.zip").write_bytes(b"old")
    (tmp_path / "pets.zip").write_bytes(pets)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        obtain("pets", "archive", str(tmp_path / "pets.zip"), raw)
    assert only_file(raw).name == "old.zip"


def test_archive_of_one_class_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("pets/cat.1.jpg"))
    (tmp_path / "pets.tgz").write_bytes(buffer.getvalue())
    with pytest.raises(ArchiveError, match=r"only one class, 'cat': .*datasets\.pets\.archive"):
        obtain("pets", "archive", str(tmp_path / "pets.tgz"), tmp_path / "raw")


def test_full_disk_is_told(tmp_path: Path, pets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "pets.zip").write_bytes(pets)
    monkeypatch.setattr("pipeline.sources.archive.shutil.copyfile", fail)
    with pytest.raises(SourceError, match=r"cannot copy the archive .*No space left on device"):
        obtain("pets", "archive", str(tmp_path / "pets.zip"), tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "dataset", "count"),
    [("cats_vs_dogs_2000.zip", "cats_vs_dogs", 2000), ("flower_photos_500.tgz", "flowers", 500)],
)
def test_real_archive_is_obtained(tmp_path: Path, name: str, dataset: str, count: int) -> None:
    archive = Path("../shared/data") / name
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    provenance = obtain(dataset, "archive", str(archive), tmp_path / "raw")
    assert provenance.origin == name
    assert len(list(read_members(tmp_path / "raw" / name))) == count
