import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import paths
from pipeline.cli import app
from pipeline.studies import compare
from pipeline.studies.results import write_results
from tests.project import BACKBONE, make_project
from tests.studies.test_comparison import SETTINGS, result
from tests.studies.test_study import ROOT


def test_tables_pictures_and_page_are_written_and_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    params = make_project(tmp_path, monkeypatch)
    write_results(paths.results_file("bottleneck", "pets", BACKBONE), [result("mlp", 0.9)])
    with caplog.at_level(logging.WARNING):
        said = compare.run(params, SETTINGS)
    assert "pets, models: 1 " in said
    assert "scratch pets; " in caplog.text
    assert "mlp,5.0,1,10,0.9" in paths.comparison_file("pets").read_text()
    assert "mlp" in paths.comparison_picture("pets").read_text()
    assert "mlp" in paths.STUDIES_PAGE.read_text()


def test_a_picture_of_results_that_are_gone_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path, monkeypatch)
    paths.comparison_picture("pets").parent.mkdir(parents=True)
    paths.comparison_picture("pets").write_text("old")
    compare.run(params, SETTINGS)
    assert not paths.comparison_picture("pets").exists()


def test_the_command_needs_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path, monkeypatch)
    paths.STUDIES.parent.mkdir()
    paths.STUDIES.write_bytes((ROOT / paths.STUDIES).read_bytes())
    result = CliRunner().invoke(app, ["study", "compare"])
    assert result.exit_code == 0
    assert "the page: report/studies.html" in result.output
    assert CliRunner().invoke(app, ["study", "scratch"]).exit_code == 1
