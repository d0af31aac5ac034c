"""docs/ci-workflow.yml is a workflow, and its steps do what docs/ci.md says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import ROOT, split_commands
from tests.experiment_project import BACKBONE, ExperimentProject
from tests.test_docs import CHECKS

FILE = ROOT / "docs" / "ci-workflow.yml"
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
(JOB,) = WORKFLOW["jobs"].values()
SCRIPTS = {step["name"]: step["run"] for step in JOB["steps"] if "run" in step}


def test_it_runs_for_pull_requests_of_the_repository_itself_with_few_rights() -> None:
    assert WORKFLOW[True] == "pull_request", "YAML takes `on` for true"
    assert "head.repo.full_name == github.repository" in JOB["if"]
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_no_value_that_others_choose_is_part_of_a_script() -> None:
    assert [name for name, script in SCRIPTS.items() if "${{" in script] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_commands_exist_with_their_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = re.sub(r"\w+=\$\((.*)\)", r"\1", SCRIPTS[name])
    for program, *arguments in split_commands(script):
        if program in ("dvc", "make"):
            CHECKS[program](arguments, monkeypatch)


def test_it_pulls_runs_compares_and_comments_in_this_order() -> None:
    said = "\n".join(SCRIPTS.values())
    commands = ("make install", "dvc pull", "dvc repro", "dvc metrics diff", "gh pr comment")
    places = [said.index(command) for command in commands]
    assert places == sorted(places)


@pytest.mark.slow
def test_the_comment_has_the_figures_that_changed_and_says_where_none_did(tmp_path: Path) -> None:
    project = ExperimentProject(tmp_path / "project")
    project.run("git", "update-ref", "refs/remotes/origin/main", "HEAD")
    assert compare(project) == "### Metrics against `main`\n\nAll are the same.\n"
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("units: 8", "units: 16"))
    project.run("dvc", "repro", "--quiet")
    comment = compare(project)
    assert re.search(
        rf"\| metrics/pets/{BACKBONE}\.json +\| val\.accuracy +\| 0\.75 +\| 0\.85 +\|", comment
    )
    assert "All are the same" not in comment


def compare(project: ExperimentProject) -> str:
    """Run the step as GitHub does, and return the comment."""
    summary = project.folder / ".git" / "summary.md"
    summary.unlink(missing_ok=True)
    environment = {"GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(summary)}
    project.run(
        "env",
        *(f"{name}={value}" for name, value in environment.items()),
        "bash",
        "--noprofile",
        "--norc",
        "-eo",
        "pipefail",
        "-c",
        SCRIPTS["Compare"],
    )
    comment = (project.folder / "comment.md").read_text()
    assert summary.read_text() == comment
    return comment
