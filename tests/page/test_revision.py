"""Which commit the page names: the last that touched code or settings, if git can tell."""

import subprocess
from pathlib import Path

import pytest

from pipeline.page.revision import Revision, read_revision


def git(folder: Path, *arguments: str) -> str:
    """Run git with an author of its own and none of the user's settings."""
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of code and settings, and one of a result after it."""
    folder = tmp_path / "repository"
    (folder / "pipeline").mkdir(parents=True)
    (folder / "pipeline/code.py").write_text("1")
    (folder / "params.yaml").write_text("a: 1")
    git(folder, "init", "--quiet")
    for name in (".", "dvc.lock"):
        (folder / "dvc.lock").write_text(name)
        git(folder, "add", name)
        git(folder, "commit", "--quiet", "--message", name)
    return folder


def test_a_commit_of_results_alone_changes_nothing(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD~1")
    assert read_revision(repository) == Revision(commit=first, changed=())


def test_files_that_differ_from_the_commit_are_named(repository: Path) -> None:
    (repository / "params.yaml").write_text("a: 2")
    (repository / "pipeline/new one.py").write_text("2")
    (repository / "notes.txt").write_text("not code")
    revision = read_revision(repository)
    assert revision
    assert revision.changed == ("params.yaml", "pipeline/new one.py")


def test_without_a_repository_there_is_no_revision(tmp_path: Path) -> None:
    assert read_revision(tmp_path) is None


def test_without_git_there_is_no_revision(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_revision(repository) is None


def test_a_part_of_the_history_is_not_enough(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "shallow")
    assert read_revision(tmp_path / "shallow") is None
