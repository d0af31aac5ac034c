"""Results shared by `dvc push` and `dvc pull`: a colleague pays for no feature, and gets the same bytes."""

import json
from pathlib import Path

import pytest

from pipeline import paths
from tests.dvc_project import Project
from tests.project import BACKBONE
from tests.s3_server import BUCKET, s3_server

METRICS = paths.metrics_file("pets", BACKBONE)
FEATURES = paths.features_file("pets", BACKBONE)
EXPERIMENT = ("dvc", "exp", "run", "--set-param", "head.units=256")

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after `dvc repro`, committed."""
    project = Project(tmp_path_factory.mktemp("sharing") / "owner")
    project.settings["head"]["kind"] = "mlp"
    project.write_settings()
    project.repro()
    project.commit()
    return project


@pytest.fixture(scope="module")
def metrics_of_256_units(owner: Project, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the owner's own experiment gives."""
    owner.run(*EXPERIMENT)
    metrics = (owner.folder / METRICS).read_bytes()
    owner.run("git", "checkout", "--quiet", ".")
    owner.run("dvc", "checkout")
    return metrics


@pytest.mark.parametrize("kind", ["folder", "S3"])
def test_a_colleague_pulls_computes_no_feature_and_gets_the_same_metrics(
    kind: str,
    owner: Project,
    metrics_of_256_units: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind == "folder":
        share_by(owner, str(tmp_path / "remote"), tmp_path, metrics_of_256_units)
        return
    pytest.importorskip("dvc_s3", reason="the extra `s3` is not installed")
    with s3_server(monkeypatch):
        share_by(owner, f"s3://{BUCKET}/results", tmp_path, metrics_of_256_units)


def share_by(owner: Project, remote: str, folder: Path, expected: bytes) -> None:
    owner.run("dvc", "remote", "add", "--force", "--default", "team", remote)
    owner.commit()
    owner.run("dvc", "push")
    colleague = owner.clone(folder / "colleague")
    colleague.run("dvc", "pull")
    assert json.loads(colleague.run("dvc", "status", "--json")) == {}
    for path in (METRICS, FEATURES):
        assert (colleague.folder / path).read_bytes() == (owner.folder / path).read_bytes()

    printed = colleague.run(*EXPERIMENT)
    assert f"Running stage 'train@pets-{BACKBONE}'" in printed
    assert "Running stage 'extract" not in printed
    assert (
        (colleague.folder / METRICS).read_bytes()
        == expected
        != (owner.folder / METRICS).read_bytes()
    )
    again = colleague.run("python", "-m", "pipeline", "extract", "pets", BACKBONE)
    assert " 0 computed" in again, "what was pulled refills the store"
