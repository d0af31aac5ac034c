"""Source `mirror`: the real `pooch` against a server that errs in every way we know."""

import hashlib
import io
import sys
from pathlib import Path

import pytest

from pipeline.catalogue import datasets
from pipeline.catalogue.datasets import CATALOGUE, Dataset, Mirror
from pipeline.errors import SourceError
from pipeline.provenance import Provenance
from pipeline.sources import mirror, obtain
from tests.damages import largest_file
from tests.sources.servers import Answer, Server


@pytest.fixture
def url(server: Server, pets: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL that the catalogue's mirror of `pets` has."""
    address = server.url + "/files/pets.zip"
    entry = Mirror(url=address, bytes=len(pets), sha256=hashlib.sha256(pets).hexdigest())
    pet_set = Dataset(
        name="pets", title="Pets", classes=("cat", "dog"), licence="none", mirror=entry
    )
    monkeypatch.setattr(
        mirror, "CATALOGUE", {"pets": pet_set, "own": datasets.CATALOGUE["flowers"]}
    )
    return address


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Give the folder for the archive."""
    return tmp_path / "raw"


def test_archive_is_downloaded(server: Server, url: str, raw: Path, pets: bytes) -> None:
    server.answer("/files/pets.zip", Answer(body=pets))
    digest = hashlib.sha256(pets).hexdigest()
    assert obtain("pets", "mirror", None, raw) == Provenance(
        source="mirror",
        file="pets.zip",
        bytes=len(pets),
        sha256=digest,
        origin=url,
        files=80,
    )
    assert [path.name for path in raw.iterdir()] == ["pets.zip"]
    assert (raw / "pets.zip").read_bytes() == pets


@pytest.mark.usefixtures("url")
def test_redirection_is_followed(server: Server, raw: Path, pets: bytes) -> None:
    server.answer("/files/pets.zip", Answer(status=302, headers={"Location": "/elsewhere"}))
    server.answer("/elsewhere", Answer(body=pets))
    assert obtain("pets", "mirror", None, raw).file == "pets.zip"


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    "bad",
    [
        Answer(status=500),
        Answer(status=503),
        Answer(status=429),
        Answer(status=429, headers={"Retry-After": "0"}),
    ],
    ids=["500", "503", "429", "429 with a wish"],
)
def test_passing_faults_are_sat_out(server: Server, raw: Path, pets: bytes, bad: Answer) -> None:
    server.answer("/files/pets.zip", bad, bad, Answer(body=pets))
    assert obtain("pets", "mirror", None, raw).bytes == len(pets)
    assert len(server.asked) == 3


@pytest.mark.usefixtures("url")
def test_broken_connection_starts_again(server: Server, raw: Path, pets: bytes) -> None:
    server.answer("/files/pets.zip", Answer(body=pets, cut_at=1000), Answer(body=pets))
    assert obtain("pets", "mirror", None, raw).sha256 == hashlib.sha256(pets).hexdigest()
    assert (raw / "pets.zip").read_bytes() == pets


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("answer", "message", "times"),
    [
        (Answer(status=500), r"the server has a fault of its own \(500\)\. Run again later", 3),
        (Answer(status=429), r"too many requests \(429\)\. Run again later", 3),
        (
            Answer(status=429, headers={"Retry-After": "7200"}),
            r"\(429\)\. Run again in 7,200 seconds",
            1,
        ),
        (Answer(status=404), r"it is not there \(404\)", 1),
        (Answer(status=401), r"it needs a log-in \(401\)", 1),
        (Answer(status=403), r"access is refused \(403\)", 1),
        (Answer(body=bytes(9000), cut_at=5000), r"the connection broke off before the end", 3),
        (
            Answer(body=b"", status=302, headers={"Location": "/files/pets.zip"}),
            "TooManyRedirects",
            31,
        ),
    ],
    ids=["500", "429", "429 for long", "404", "401", "403", "cut", "round and round"],
)
def test_lasting_faults_are_told(
    server: Server, raw: Path, answer: Answer, message: str, times: int
) -> None:
    server.answer("/files/pets.zip", answer)
    with pytest.raises(SourceError, match=message) as caught:
        obtain("pets", "mirror", None, raw)
    assert "/files/pets.zip" in str(caught.value)
    assert "datasets.pets: source: archive, archive: <its path>" in str(caught.value)
    assert len(server.asked) == times
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("url")
def test_wrong_bytes_are_refused_with_both_hashes_and_deleted(
    server: Server, raw: Path, pets: bytes
) -> None:
    wrong = pets[:-1] + b"!"
    server.answer("/files/pets.zip", Answer(body=wrong))
    with pytest.raises(SourceError, match="is not the file it should be") as caught:
        obtain("pets", "mirror", None, raw)
    assert hashlib.sha256(pets).hexdigest() in str(caught.value)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert list(raw.iterdir()) == []
    assert len(server.asked) == 1


@pytest.mark.usefixtures("url", "impatient")
@pytest.mark.parametrize(
    "slow",
    [{"silent_seconds": 20}, {"trickle_seconds": 5}, {"trickle_seconds": 0.02}],
    ids=["silent", "silent in the middle", "endless trickle"],
)
def test_slow_answer_is_given_up(
    server: Server, raw: Path, pets: bytes, slow: dict[str, float]
) -> None:
    server.answer("/files/pets.zip", Answer(body=pets, **slow))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"the server is silent or next to it \(time-out\)"):
        obtain("pets", "mirror", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("url")
def test_no_network_is_told(server: Server, raw: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(
        SourceError, match=r"no connection \(ConnectionError\)\. Check the name, the network"
    ):
        obtain("pets", "mirror", None, raw)


@pytest.mark.usefixtures("url")
def test_full_disk_is_told(server: Server, raw: Path, pets: bytes) -> None:
    server.answer("/files/pets.zip", Answer(body=pets))
    with largest_file(10_000), pytest.raises(SourceError, match=r"disk is full \(File too large\)"):
        obtain("pets", "mirror", None, raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("url")
def test_progress_is_shown_on_a_terminal(
    server: Server, raw: Path, pets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    server.answer("/files/pets.zip", Answer(body=pets))
    monkeypatch.setattr(sys, "stderr", Terminal())
    obtain("pets", "mirror", None, raw)
    assert "100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("url")
def test_dataset_without_a_mirror_is_told_which_have_one(raw: Path) -> None:
    with pytest.raises(
        SourceError, match=r"mine has no mirror; these have: pets, own .*datasets\.mine\.source"
    ):
        obtain("mine", "mirror", None, raw)


def test_no_progress_is_shown_where_there_is_no_terminal(
    server: Server, url: str, raw: Path, pets: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    server.answer("/files/pets.zip", Answer(body=pets))
    obtain("pets", "mirror", None, raw)
    assert capfd.readouterr() == ("", "")
    assert url


@pytest.mark.parametrize(
    "entry", [entry.mirror for entry in CATALOGUE.values() if entry.mirror], ids=lambda one: one.url
)
def test_catalogue_pins_every_mirror(entry: Mirror) -> None:
    assert entry.url.startswith("https://")
    assert len(bytes.fromhex(entry.sha256)) == 32
    assert entry.bytes > 100_000_000
