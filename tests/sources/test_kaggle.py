"""Source `kaggle`: the real `kagglehub` against a server that speaks, or fails, as Kaggle does."""

import base64
import errno
import hashlib
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kagglehub.clients
import pytest
from kagglesdk import kaggle_env

from pipeline.archives import read_members
from pipeline.errors import ArchiveError, SourceError
from pipeline.provenance import Provenance
from pipeline.sources import obtain
from tests.sources.servers import Answer, Server

PETS, FLOWERS = "cats_vs_dogs", "flowers"
COMPETITION = "https://www.kaggle.com/c/dogs-vs-cats-redux-kernels-edition"
DATA_SET = "https://www.kaggle.com/datasets/alxmamaev/flowers-recognition/versions/2"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _kaggle_is_the_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log in."""
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Give the folder for the archive."""
    return tmp_path / "raw"


@pytest.fixture
def flowers() -> bytes:
    """Give what Kaggle's storage sends for the data set of flowers."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for label in ("daisy", "dandelion", "rose", "sunflower", "tulip"):
            archive.writestr(f"flowers/{label}/1 ü.jpg", label.encode() * 50)
    return buffer.getvalue()


@pytest.mark.usefixtures("account")
def test_competition_file_is_kept_as_it_is(server: Server, raw: Path, pets: bytes) -> None:
    server.answer_kaggle(Answer(body=pets))
    provenance = obtain(PETS, "kaggle", None, raw)
    assert provenance == Provenance(
        source="kaggle", file="train.zip", bytes=len(pets), sha256=hashlib.sha256(pets).hexdigest(),
        origin="dogs-vs-cats-redux-kernels-edition/train.zip", files=80,
    )  # fmt: skip
    assert [path.name for path in raw.iterdir()] == ["train.zip"]
    assert json.loads(server.asked[0].body) == {
        "competitionName": "dogs-vs-cats-redux-kernels-edition", "fileName": "train.zip",
    }  # fmt: skip
    basic = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    assert server.asked[0].headers["Authorization"] == f"Basic {basic}"


@pytest.mark.usefixtures("account")
def test_archive_in_archive_is_kept_whole(server: Server, raw: Path, pets: bytes) -> None:
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("train.zip", pets)
        archive.writestr("sample_submission.csv", "id,label\n")
    server.answer_kaggle(Answer(body=outer.getvalue()))
    assert obtain(PETS, "kaggle", None, raw).file == "train.zip"
    assert "train.zip/train/cat.0.jpg" in [
        member.name for member in read_members(raw / "train.zip")
    ]


def test_public_data_set_needs_no_account_and_gives_one_archive(
    server: Server, raw: Path, flowers: bytes
) -> None:
    server.answer_kaggle(Answer(body=flowers))
    first = obtain(FLOWERS, "kaggle", None, raw)
    assert (first.file, first.origin) == (
        "flowers-recognition.zip",
        "alxmamaev/flowers-recognition/versions/2",
    )
    assert first.sha256 == hashlib.sha256(flowers).hexdigest()
    assert next(read_members(raw / "flowers-recognition.zip")).name == "flowers/daisy/1 ü.jpg"
    assert "Authorization" not in server.asked[0].headers
    assert obtain(FLOWERS, "kaggle", None, raw) == first


@pytest.mark.parametrize(
    "where", ["access_token", "kaggle.json", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR"]
)
def test_credentials_are_found_where_kaggle_looks(
    server: Server,
    raw: Path,
    pets: bytes,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.answer_kaggle(Answer(body=pets))
    place = tmp_path / "config" if where == "KAGGLE_CONFIG_DIR" else tmp_path / "home" / ".kaggle"
    place.mkdir()
    if where == "KAGGLE_API_TOKEN":
        monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    elif where == "access_token":
        (place / "access_token").write_text(SECRET)
    else:
        monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(place))
        (place / "kaggle.json").write_text(json.dumps({"username": "ada", "key": SECRET}))
    obtain(PETS, "kaggle", None, raw)
    basic = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    assert server.asked[0].headers["Authorization"] in (f"Bearer {SECRET}", f"Basic {basic}")


def test_competition_without_an_account_is_told_how_to_get_one(server: Server, raw: Path) -> None:
    message = (
        rf"{COMPETITION} needs an account, and no credentials were found: "
        r"make a token at .*kaggle\.json"
    )
    with pytest.raises(SourceError, match=message):
        obtain(PETS, "kaggle", None, raw)
    assert server.asked == []


@pytest.mark.parametrize("content", ["no json", "{}", '{"username": "ada"}'])
def test_broken_credentials_are_named_and_not_shown(
    raw: Path, content: str, tmp_path: Path
) -> None:
    (tmp_path / "home" / ".kaggle").mkdir()
    (tmp_path / "home" / ".kaggle" / "kaggle.json").write_text(content)
    with pytest.raises(SourceError, match=r"kaggle\.json") as caught:
        obtain(PETS, "kaggle", None, raw)
    assert "ada" not in str(caught.value)


REFUSALS: dict[str, tuple[str, Answer, str, int]] = {
    "401": (
        PETS,
        Answer(status=401),
        r"does not know the credentials it was given \(401.*make a token at",
        1,
    ),
    "403 rules": (
        PETS,
        Answer(status=403),
        rf"until the competition's rules are accepted: open {re.escape(COMPETITION)}/rules",
        1,
    ),
    "403 in a body": (
        PETS,
        Answer(
            body=b'{"code": 403, "message": "Accept"}', headers={"Content-Type": "application/json"}
        ),
        "rules are accepted",
        1,
    ),
    "403 data set": (
        FLOWERS,
        Answer(status=403),
        rf"refuses {re.escape(DATA_SET)} \(403\)\. Open it in a browser",
        1,
    ),
    "404 competition": (
        PETS,
        Answer(status=404),
        rf"nothing at {re.escape(COMPETITION)} \(404\): removed or renamed",
        1,
    ),
    "404 data set": (
        FLOWERS,
        Answer(status=404),
        r"nothing at .*\(404\).*Use source: mirror or archive",
        1,
    ),
    "410": (PETS, Answer(status=410), r"Kaggle refuses .* \(410\)", 1),
    "429": (PETS, Answer(status=429), r"too many requests \(429\)\. Run again later", 3),
    "429 for long": (
        FLOWERS,
        Answer(status=429, headers={"Retry-After": "900"}),
        r"\(429\)\. Run again in 900 seconds",
        1,
    ),
    "500": (PETS, Answer(status=500), r"a fault of its own \(500\)\. Run again later", 3),
    "502": (FLOWERS, Answer(status=502), r"a fault of its own \(502\)", 3),
}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("dataset", "answer", "message", "times"), REFUSALS.values(), ids=REFUSALS.keys()
)
def test_refusal_is_told_with_what_to_do(
    server: Server, raw: Path, dataset: str, answer: Answer, message: str, times: int
) -> None:
    server.answer_kaggle(Answer(body=b"never sent"), first=(answer,) * 9)
    with pytest.raises(SourceError, match=message) as caught:
        obtain(dataset, "kaggle", None, raw)
    assert SECRET not in str(caught.value)
    assert len(server.asked) == times
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_sat_out(server: Server, raw: Path, pets: bytes, status: int) -> None:
    server.answer_kaggle(Answer(body=pets), first=(Answer(status=status),) * 2)
    assert obtain(PETS, "kaggle", None, raw).bytes == len(pets)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("resumable", [True, False])
def test_broken_connection_continues_or_starts_again(
    server: Server, raw: Path, resumable: bool, monkeypatch: pytest.MonkeyPatch, pets: bytes
) -> None:
    monkeypatch.setattr(kagglehub.clients, "CHUNK_SIZE", 4096)
    cut = Answer(body=pets, cut_at=50_000, resumable=resumable)
    server.answer_kaggle(Answer(body=pets))
    server.answer("/storage/file.zip", cut, Answer(body=pets, resumable=resumable))
    assert obtain(PETS, "kaggle", None, raw).sha256 == hashlib.sha256(pets).hexdigest()
    ranges = [asked.headers["Range"] for asked in server.asked if "Range" in asked.headers]
    assert ranges == (["bytes=49152-"] if resumable else [])


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("dataset", [PETS, FLOWERS])
def test_connection_that_always_breaks_never_passes_for_whole(
    server: Server, raw: Path, dataset: str, pets: bytes
) -> None:
    server.answer_kaggle(Answer(body=pets, cut_at=50_000))
    with pytest.raises(SourceError, match="the connection broke off before the end"):
        obtain(dataset, "kaggle", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("account")
def test_wrong_bytes_are_refused_with_both_hashes(server: Server, raw: Path, pets: bytes) -> None:
    right, wrong = (
        base64.b64encode(hashlib.md5(data).digest()).decode() for data in (pets, pets + b"!")
    )
    server.answer_kaggle(Answer(body=pets + b"!", headers={"X-Goog-Hash": f"md5={right}"}))
    with pytest.raises(SourceError, match="is damaged and was deleted") as caught:
        obtain(PETS, "kaggle", None, raw)
    assert right in str(caught.value)
    assert wrong in str(caught.value)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("dataset", "body", "message"),
    [
        (
            PETS,
            b"<html>sorry</html>",
            r"train\.zip begins with .*datasets\.cats_vs_dogs\.source",
        ),
        (FLOWERS, b"<html>log in</html>", r"flowers-recognition\.zip begins with b'<html>lo'"),
        (FLOWERS, b"", r"flowers-recognition\.zip is empty.*datasets\.flowers\.source"),
    ],
)
def test_what_is_no_archive_is_refused(
    server: Server, raw: Path, dataset: str, body: bytes, message: str
) -> None:
    server.answer_kaggle(Answer(body=body))
    with pytest.raises(ArchiveError, match=message):
        obtain(dataset, "kaggle", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.replace(b"\x01\x02", b"\x01\x03", 1), "damaged"),
        (lambda data: data[:-30], "damaged or cut short"),
        (
            lambda data: data.replace(b"flowers/rose/", b"../../../ros/"),
            r"'\.\./\.\./\.\./ros/1 ü\.jpg' climbs out",
        ),
    ],
    ids=["changed", "cut short", "hostile"],
)
def test_bad_data_set_is_refused_before_anything_is_unpacked(
    server: Server,
    raw: Path,
    tmp_path: Path,
    flowers: bytes,
    change: Callable[[bytes], bytes],
    message: str,
) -> None:
    server.answer_kaggle(Answer(body=change(flowers)))
    with pytest.raises(ArchiveError, match=message):
        obtain(FLOWERS, "kaggle", None, raw)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("account", "impatient")
@pytest.mark.parametrize("dataset", [PETS, FLOWERS])
@pytest.mark.parametrize(
    ("first", "file"),
    [
        ((Answer(silent_seconds=20),), {}),
        ((), {"silent_seconds": 20}),
        ((), {"trickle_seconds": 5}),
        ((), {"trickle_seconds": 0.02}),
    ],
    ids=["silent", "silent storage", "silent in the middle", "endless trickle"],
)
def test_slow_answer_is_given_up(
    server: Server,
    raw: Path,
    pets: bytes,
    dataset: str,
    first: tuple[Answer, ...],
    file: dict[str, float],
) -> None:
    server.answer_kaggle(Answer(body=pets, **file), first=first)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"the server is silent or next to it \(time-out\)"):
        obtain(dataset, "kaggle", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("dataset", [PETS, FLOWERS])
def test_no_network_is_told(server: Server, raw: Path, dataset: str) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(
        SourceError, match=r"no connection \(ConnectionError\)\. Check the name, the network"
    ):
        obtain(dataset, "kaggle", None, raw)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("dataset", [PETS, FLOWERS])
def test_full_disk_is_told(
    server: Server, raw: Path, pets: bytes, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_full(path: str, mode: str = "r") -> Any:
        return FullDisk(path, "w") if "w" in mode else Path(path).open(mode)

    server.answer_kaggle(Answer(body=pets))
    monkeypatch.setattr(kagglehub.clients, "open", open_full, raising=False)
    with pytest.raises(SourceError, match=r"the disk is full \(No space left on device\)"):
        obtain(dataset, "kaggle", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("account")
def test_nothing_secret_is_printed_or_left_anywhere(
    server: Server,
    raw: Path,
    tmp_path: Path,
    pets: bytes,
    flowers: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.answer_kaggle(Answer(body=pets))
    obtain(PETS, "kaggle", None, raw / "pets")
    server.answer_kaggle(Answer(body=flowers))
    obtain(FLOWERS, "kaggle", None, raw / "flowers")
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in (tmp_path / "home").iterdir()] == []
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == ["flowers-recognition.zip", "train.zip"]
    assert "KAGGLEHUB_CACHE" not in os.environ


@pytest.mark.usefixtures("account")
def test_progress_is_shown_on_a_terminal(
    server: Server, raw: Path, pets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    server.answer_kaggle(Answer(body=pets))
    monkeypatch.setattr(sys, "stderr", Terminal())
    obtain(PETS, "kaggle", None, raw)
    assert "100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_dataset_that_kaggle_does_not_have_is_told(raw: Path) -> None:
    with pytest.raises(
        SourceError, match=r"mine is not known to be at Kaggle; these are: cats_vs_dogs, flowers"
    ):
        obtain("mine", "kaggle", None, raw)
