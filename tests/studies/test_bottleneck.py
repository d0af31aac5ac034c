from pathlib import Path

import pytest

from pipeline.studies import bottleneck
from pipeline.studies.settings import load_studies
from pipeline.studies.task import Task
from tests.project import BACKBONE
from tests.studies.test_study import ROOT
from tests.trained_project import SIZES, make_trained


def test_each_kind_is_fitted_to_train_and_asked_for_val(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_trained(tmp_path, monkeypatch)
    settings = load_studies(ROOT / "studies/params.yaml")
    task = Task(dataset="pets", backbone=BACKBONE, params=params, settings=settings)
    results = list(bottleneck.run(task))
    assert [result.recipe for result in results] == list(bottleneck.KINDS)
    assert {result.n for result in results} == {2 * SIZES["val"]}
    assert {result.images_a_class for result in results} == {SIZES["train"]}, "copies do not count"
    assert min(result.accuracy for result in results) == 1.0, "colour tells the class"
