"""The doctor: each fault is named with what to do, what is not needed is no fault, and no secret is shown."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli, paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ParamsError
from pipeline.params import DatasetParams, Params
from pipeline.tools import doctor
from pipeline.tools.doctor import (
    COPY_SIZE,
    DRAWN_BYTES,
    Check,
    Probe,
    archive_bytes,
    bytes_to_come,
    check_archives,
    check_disk,
    check_dvc,
    check_git,
    check_kaggle,
    check_module,
    check_openvino,
    check_python,
    check_store,
    check_tensorflow,
    competitions,
    estimate_bytes,
    find_credentials,
    probe,
    read_params,
    store_sizes,
)  # fmt: skip
from tests.project import make_params, make_project

SECRET = "open-sesame"
FOUND, MISSING = (
    Probe(version="1.2"),
    Probe(version=None, error="ModuleNotFoundError: No module named 'x'"),
)
WITH_GPU = Probe(version="1.2", gpus=("/physical_device:GPU:0",))
FLOAT16 = make_params({"extract.precision": "float16"}).extract
OPENVINO = make_params({"extract.engine": "openvino"}).extract
AUTO = make_params().extract


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_python((3, 11)), "3.11"),
        (check_git(found=True, commit=True), "a repository"),
        (check_dvc("3.67", on_path=True, is_repository=True), "3.67, initialised"),
        (check_store([]), "empty"),
        (check_store([2_000_000_000, 500_000_000]), "2 fingerprints, 2.5 GB"),
        (check_disk(10**9, {"pets": 2 * 10**8, "own": None}), "about 0.2 GB to come.*own unknown"),
        (check_kaggle("yes", ["pets"]), "found, needed by pets"),
        (check_kaggle("no", []), "none found, none needed"),
        (check_kaggle("a kaggle.json that is none", []), "none needed"),
        (check_tensorflow(FOUND, AUTO), "no GPU"),
        (check_tensorflow(WITH_GPU, FLOAT16), "GPU: /physical_device:GPU:0"),
        (check_openvino(FOUND, OPENVINO), "1.2"),
        (check_openvino(MISSING, AUTO), "not needed"),
        (check_openvino(MISSING, None), "not needed"),
        (check_module("imgaug", MISSING, needed_for="copies is 0"), "not needed: copies is 0"),
    ],
)  # fmt: skip
def test_what_is_there_or_is_not_needed_is_ok(check: Check, text: str) -> None:
    assert check.ok
    assert str(check).startswith(f"ok  {check.name}: ")
    assert re.search(text, check.text)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_python((3, 13)), r"3\.13: use 3\.11 or 3\.12"),
        (check_git(found=False, commit=False), "install it"),
        (check_git(found=True, commit=False), "git init"),
        (check_dvc(None, on_path=True, is_repository=True), "make install"),
        (check_dvc("3.67", on_path=False, is_repository=True), "activate"),
        (check_dvc("3.67", on_path=True, is_repository=False), "dvc init"),
        (
            check_disk(10**8, {"pets": 2 * 10**8}),
            r"about 0\.2 GB to come.*: free some, or lower augment\.copies",
        ),
        (check_kaggle("no", ["pets"]), "none found, needed by pets: make a token at https"),
        (
            check_kaggle("a kaggle.json that is none", ["pets"]),
            "a kaggle.json that is none, needed by pets: make",
        ),
        (check_tensorflow(MISSING, AUTO), "No module named 'x'.*make install"),
        (check_tensorflow(FOUND, FLOAT16), r"no GPU.*set it to float32 \(params\.yaml\)"),
        (check_openvino(MISSING, OPENVINO), "make install"),
        (check_module("imgaug", MISSING, needed_for=None), "make install"),
    ],
)
def test_what_is_missing_says_what_to_do(check: Check, text: str) -> None:
    assert not check.ok
    assert str(check).startswith(f"no  {check.name}: ")
    assert re.search(text, check.text)


def test_faults_of_the_settings_are_shown_whole() -> None:
    def load() -> Params:
        raise ParamsError("params.yaml has 2 faults:\n  a\n  b")

    params, check = read_params(load)
    assert params is None
    assert (check.ok, check.text) == (False, "params.yaml has 2 faults:\n  a\n  b")
    assert read_params(make_params)[1].text == "valid, 1 datasets, 1 backbones"


def test_an_archive_that_is_not_there_is_named_with_its_key() -> None:
    datasets = {
        "own": DatasetParams(source="archive", archive="pets.zip"),
        "there": DatasetParams(source="archive", archive="cars.zip"),
        "far": DatasetParams(source="archive", archive=f"https://me:{SECRET}@example.org/far.zip"),
        "flowers": DatasetParams(source="drawn"),
    }
    own, there = check_archives(datasets, lambda path: path.name == "cars.zip")
    assert not own.ok
    assert (
        own.text
        == "there is no 'pets.zip': put it there or change datasets.own.archive (params.yaml)"
    )
    assert there.ok


def test_only_a_competition_needs_an_account() -> None:
    kaggle, mirror = DatasetParams(source="kaggle"), DatasetParams(source="mirror")
    assert competitions({"cats_vs_dogs": kaggle, "flowers": kaggle}) == ["cats_vs_dogs"]
    assert competitions({"cats_vs_dogs": mirror}) == []


def test_the_estimate_grows_with_what_is_asked_for() -> None:
    plain = estimate_bytes(10**9, make_params({"augment.copies": 0}))
    assert (plain["raw"], plain["split"], plain["augmented"]) == (10**9, 10**9, 0)
    copies = estimate_bytes(10**9, make_params({"augment.copies": 2, "split.val_fraction": 0.25}))
    assert copies["augmented"] == round(10**9 * 1.5 * COPY_SIZE)
    assert copies["features"] == pytest.approx(plain["features"] * 2.5, rel=1e-6)
    half = estimate_bytes(10**9, make_params({"augment.copies": 0, "extract.dtype": "float16"}))
    assert half["features"] == pytest.approx(plain["features"] / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("dataset", "settings", "size"),
    [
        ("flowers", {"source": "drawn"}, DRAWN_BYTES),
        ("flowers", {"source": "mirror"}, CATALOGUE["flowers"].mirror.bytes),  # type: ignore[union-attr]
        ("flowers", {"source": "kaggle"}, CATALOGUE["flowers"].kaggle.bytes),  # type: ignore[union-attr]
        ("own", {"source": "archive", "archive": "pets"}, 7),
        ("own", {"source": "archive", "archive": "pets/cat/1.jpg"}, 3),
        ("own", {"source": "archive", "archive": "nowhere"}, None),
        ("own", {"source": "archive", "archive": "https://example.org/a.zip"}, None),
    ],
)
def test_an_archives_size_is_known_before_it_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    settings: dict[str, Any],
    size: int | None,
) -> None:
    make_project(tmp_path, monkeypatch)
    for file, data in {"pets/cat/1.jpg": b"abc", "pets/dog/1.jpg": b"defg"}.items():
        Path(file).parent.mkdir(parents=True)
        Path(file).write_bytes(data)
    assert archive_bytes(dataset, DatasetParams(**settings)) == size


def test_what_is_on_disk_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path, monkeypatch, {"datasets.pets.archive": "pets.zip"})
    assert bytes_to_come(params) == {"pets": None}
    Path("pets.zip").write_bytes(b"x" * 100_000)
    whole = bytes_to_come(params)["pets"]
    assert whole == 2 * sum(estimate_bytes(100_000, params).values())
    paths.raw_folder("pets").mkdir(parents=True)
    (paths.raw_folder("pets") / "pets.zip").write_bytes(b"x" * 100_000)
    assert bytes_to_come(params)["pets"] == whole - 200_000


def test_the_store_is_measured_by_fingerprint(tmp_path: Path) -> None:
    assert store_sizes(tmp_path / "none") == []
    for folder, size in {"a": 3, "b": 4}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.h5").write_bytes(b"x" * size)
    assert sorted(store_sizes(tmp_path)) == [3, 4]


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Kaggle's tools look, with nothing there."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path / ".kaggle"


def by_name_and_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)


WAYS: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "name and key": by_name_and_key,
    "token": lambda folder, monkeypatch: monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET),
    "token file": lambda folder, monkeypatch: (folder / "access_token").write_text(SECRET),
    "kaggle.json": lambda folder, monkeypatch: (folder / "kaggle.json").write_text(
        json.dumps({"username": "me", "key": SECRET})
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_credentials_are_found_wherever_kaggle_puts_them(
    no_credentials: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    assert find_credentials() == "no"
    WAYS[way](no_credentials, monkeypatch)
    assert find_credentials() == "yes"


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"key": SECRET})])
def test_a_damaged_file_of_credentials_is_said_to_be_one(no_credentials: Path, text: str) -> None:
    (no_credentials / "kaggle.json").write_text(text)
    assert find_credentials() == "a kaggle.json that is none"


def test_a_module_is_imported_elsewhere() -> None:
    assert probe("json") == Probe(version=json.__version__)
    missing = probe("no_such_module")
    assert missing.version is None
    assert missing.error == "ModuleNotFoundError: No module named 'no_such_module'"


@pytest.mark.parametrize("missing", [(), ("cv2",)])
def test_the_command_ends_with_1_if_something_is_missing_and_shows_no_secret(
    tmp_path: Path, no_credentials: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    missing: tuple[str, ...],
) -> None:  # fmt: skip
    make_project(
        tmp_path / "project", monkeypatch, {"datasets": {"cats_vs_dogs": {"source": "kaggle"}}}
    )
    Path(".dvc").mkdir()
    by_name_and_key(no_credentials, monkeypatch)
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    monkeypatch.setattr(doctor, "probe", lambda module: MISSING if module in missing else FOUND)
    monkeypatch.setattr(doctor, "_succeeds", lambda *command: True)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**13})
    )
    monkeypatch.setattr(sys, "argv", ["bottleneck", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert end.value.code == (1 if missing else 0)
    lines = said.out.splitlines()
    assert [line for line in lines if line.startswith("no  ")] == [
        line for line in lines if line.startswith("no  OpenCV: ") and missing
    ]
    assert all(line.startswith(("ok  ", "no  ")) for line in lines)
    assert "ok  Kaggle credentials: found, needed by cats_vs_dogs" in lines
    assert SECRET not in said.out + said.err
