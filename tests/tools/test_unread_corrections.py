"""Corrections that nobody would read are told, and no others."""

import subprocess
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.tools.unread_corrections import find_unread

NAMES = ("pets", "herbs")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = paths.corrections_file("pets").parent
    folder.mkdir(parents=True)
    return folder


def test_a_file_of_no_dataset_is_told_with_what_was_meant(folder: Path) -> None:
    for name in ("README.md", "pets.csv", "herbs.csv", ".swp", "pest.csv", "herbs.CSV"):
        (folder / name).touch()
    other_end, misspelt = find_unread("pets", NAMES)
    assert other_end.startswith(f"{folder / 'herbs.CSV'} is not read")
    assert misspelt.startswith(f"{folder / 'pest.csv'} is not read")
    assert misspelt.endswith("Did you mean 'pets'?")


def test_corrections_are_told_until_git_knows_them(folder: Path) -> None:
    file = paths.corrections_file("pets")
    file.write_text("image,label\n")
    assert list(find_unread("pets", NAMES)) == [], "no repository, so no copy of it"
    subprocess.run(["git", "init", "--quiet"], check=True)
    (told,) = find_unread("pets", NAMES)
    assert f"run `git add {file}`" in told
    assert list(find_unread("herbs", NAMES)) == []
    subprocess.run(["git", "add", str(file)], check=True)
    assert list(find_unread("pets", NAMES)) == []


def test_without_the_folder_there_is_nothing_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(find_unread("pets", NAMES)) == []
