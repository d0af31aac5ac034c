from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import paths
from pipeline.errors import StudyError
from pipeline.params import Params, load_params
from pipeline.studies import study
from pipeline.studies.results import Result, read_results
from pipeline.studies.settings import load_studies
from pipeline.studies.task import Task
from tests.project import BACKBONE

ROOT = Path(__file__).parents[2]
RESULT = Result(recipe="guess", images_a_class=3, seed=7, n=4, accuracy=0.5, log_loss=0.7)


def task_for(dataset: str, backbone: str = "", params: Params | None = None) -> Task:
    return Task(
        dataset=dataset,
        backbone=backbone,
        params=params or load_params(ROOT / paths.PARAMS),
        settings=load_studies(ROOT / paths.STUDIES),
    )


def test_a_study_keeps_its_results_and_prints_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(task: Task) -> Iterable[Result]:
        assert task.dataset == "flowers"
        yield RESULT

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "import_module", lambda name: SimpleNamespace(run=run))
    said = study.run_study("bottleneck", task_for("flowers", BACKBONE))
    assert "guess: val accuracy 0.5000, log loss 0.7000 (4 images; seed 7; 3 a class)" in said
    assert read_results(paths.results_file("bottleneck", "flowers", BACKBONE)) == [RESULT]


def test_an_unknown_study_lists_those_there_are() -> None:
    with pytest.raises(StudyError, match=r"'botleneck'\. Known: .*Did you mean 'bottleneck'"):
        study.run_study("botleneck", task_for("d"))


def test_a_study_of_a_backbone_needs_one() -> None:
    with pytest.raises(StudyError, match="study bottleneck takes DATASET BACKBONE, found d"):
        study.run_study("bottleneck", task_for("d"))
