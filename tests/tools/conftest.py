"""A repository with experiments, made once: each `dvc exp run` costs a second."""

import pytest

from tests.experiment_project import ExperimentProject


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ExperimentProject:
    """Two experiments of HEAD and a queued one; the workspace is HEAD's."""
    project = ExperimentProject(tmp_path_factory.mktemp("experiments"))
    project.run_experiment("wide", 16)
    project.run_experiment("wider", 32)
    project.queue_experiment("later", 64)
    return project


@pytest.fixture
def project(repository: ExperimentProject, monkeypatch: pytest.MonkeyPatch) -> ExperimentProject:
    """The repository, to work in; tests put back what they change."""
    repository.enter(monkeypatch)
    return repository
