"""Stage fetch: one archive and its provenance, the same on any day, and never half of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.archives import pack_folder
from pipeline.errors import ArchiveError, ParamsError, SourceError
from pipeline.parallel import Progress
from pipeline.params import Params
from pipeline.sources import drawn
from pipeline.stages import fetch
from tests.project import draw_folders, draw_image, make_params, make_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project beside a folder of images."""
    params = make_project(tmp_path / "project", monkeypatch)
    draw_folders(Path("pets"), {"cat": 3, "dog": 3})
    return params


def raw() -> dict[str, bytes]:
    return {
        str(file): file.read_bytes()
        for file in sorted(Path("data/raw").rglob("*"))
        if file.is_file()
    }


def test_the_archive_lies_beside_its_provenance(params: Params) -> None:
    line = fetch.run("pets", params)
    archive = paths.raw_archive("pets")
    data = archive.read_bytes()
    digest = sha256(data).hexdigest()
    assert json.loads(paths.provenance_file("pets").read_text()) == {
        "source": "archive",
        "file": "pets.zip",
        "bytes": len(data),
        "sha256": digest,
        "origin": "pets",
        "files": 6,
    }
    assert line == f"pets: pets.zip, {len(data):,} bytes, sha256 {digest[:12]}, from archive"


def test_the_same_images_give_the_same_bytes_in_another_folder_on_another_day(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch.run("pets", params)
    first = raw()
    make_project(tmp_path / "elsewhere", monkeypatch)
    draw_folders(Path("pets"), {"cat": 3, "dog": 0})
    for number in (2, 0, 1):
        (Path("pets/dog") / f"dog.{number}.jpg").write_bytes(draw_image(10_000 + number))
    for file in Path("pets").rglob("*.jpg"):
        os.utime(file, (1e9, 1e9))
        file.chmod(0o600)
    fetch.run("pets", params)
    assert raw() == first


def test_drawn_images_need_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"datasets.flowers": {"source": "drawn", "archive": None}}
    params = make_project(tmp_path, monkeypatch, changes)
    draw_folders(Path("pets"), {"rose": 2, "tulip": 2})
    monkeypatch.setattr(
        drawn, "write_archive", lambda dataset, target, **_: pack_folder(Path("pets"), target)
    )
    fetch.run("flowers", params)
    assert json.loads(paths.provenance_file("flowers").read_text())["origin"] is None
    assert paths.raw_archive("flowers").name == "flowers.zip"


def test_progress_is_handed_to_the_drawing_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"datasets.flowers": {"source": "drawn", "archive": None}}
    params = make_project(tmp_path, monkeypatch, changes)
    draw_folders(Path("pets"), {"cat": 3, "dog": 3})
    totals: list[int] = []

    def progress(images: Iterator[Any], total: int) -> Iterator[Any]:
        totals.append(total)
        return images

    def draw_three(dataset: str, target: Path, progress: Progress) -> None:
        assert list(progress(iter("abc"), 3)) == ["a", "b", "c"]
        pack_folder(Path("pets"), target)

    monkeypatch.setattr(drawn, "write_archive", draw_three)
    fetch.run("pets", params, progress)
    assert totals == []
    fetch.run("flowers", params, progress)
    assert totals == [3]


@pytest.mark.parametrize("content", [b"PK\3\4 not a zip", b"", b"<html>404</html>"])
def test_a_damaged_archive_leaves_the_old_one(params: Params, content: bytes) -> None:
    fetch.run("pets", params)
    before = raw()
    Path("bad.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"bad\.zip.*params\.yaml, datasets\.pets\.archive"):
        fetch.run("pets", make_params({"datasets.pets.archive": "bad.zip"}))
    assert raw() == before


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ("nowhere.zip", r"no archive 'nowhere\.zip'; .*datasets\.pets\.archive"),
        ("pets/cat", "(no labelled images|only one class).*datasets.pets.archive"),
        ("one", "only one class, 'cat'.*datasets.pets.archive"),
        ("empty", "no labelled images: .*found no files at all.*datasets.pets.archive"),
    ],
)
def test_what_is_no_labelled_set_of_images_is_refused(
    params: Params, archive: str, message: str
) -> None:
    draw_folders(Path("one"), {"cat": 2})
    Path("empty").mkdir()
    with pytest.raises((ArchiveError, SourceError), match=message):
        fetch.run("pets", make_params({"datasets.pets.archive": archive}))
    assert raw() == {}


def test_an_unknown_dataset_is_answered_with_the_near_one(params: Params) -> None:
    with pytest.raises(
        ParamsError, match=r"no dataset 'pet'\. It has: pets\. Did you mean 'pets'\?"
    ):
        fetch.run("pet", params)


@pytest.mark.parametrize(
    "place",
    [
        "pipeline.sources._fetch",
        "pipeline.sources._verify",
        "pipeline.sources.sha256_of",
        "pipeline.stages.fetch.write_provenance",
    ],
)
def test_stopped_and_run_again_it_gives_the_same_results(
    params: Params, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt("Ctrl-C")

    fetch.run("pets", params)
    whole = raw()
    for again in (True, False):
        if not again:
            subprocess.run(["rm", "-r", "data"], check=True)
        with monkeypatch.context() as patch:
            patch.setattr(place, stop)
            with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
                fetch.run("pets", params)
        fetch.run("pets", params)
        assert raw() == whole


def test_killed_and_run_again_it_gives_the_same_results(params: Params) -> None:
    code = """
import os, signal
from pipeline import sources
from pipeline.params import load_params
from pipeline.stages import fetch
sources._verify = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
fetch.run("pets", load_params())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert raw()
    fetch.run("pets", params)
    found = raw()
    assert len(found) == 2
    subprocess.run(["rm", "-r", "data"], check=True)
    fetch.run("pets", params)
    assert raw() == found
