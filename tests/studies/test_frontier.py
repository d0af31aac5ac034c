import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engines.hardware import Hardware
from pipeline.errors import StudyError
from pipeline.studies import frontier
from pipeline.studies.settings import FrontierParams
from pipeline.studies.study import run_study
from pipeline.studies.task import Task
from tests.fakes import use_mean_colour
from tests.studies.test_study import task_for
from tests.trained_project import SIZES, make_trained

LITE0 = {"network": "efficientnet_lite0", "input_size": 32}
SETTINGS = FrontierParams.model_validate(
    {
        "timed": 4,
        "seeds": 2,
        "candidates": {"small": LITE0, "half": {**LITE0, "precision": "bfloat16"}},
    }
)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A project, and the candidate `small`."""
    task = task_for("pets", "small", make_trained(tmp_path, monkeypatch))
    settings = task.settings.model_copy(update={"frontier": SETTINGS})
    return replace(task, settings=settings)


def test_a_candidate_is_timed_on_some_images_and_its_features_are_computed_once(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use_mean_colour(monkeypatch)
    first, second = frontier.run(task)
    images = 2 * sum(SIZES.values())
    timed = 4 * frontier.ROUNDS
    assert engine.computed == timed, "those of the same network are in the store"
    assert (first.recipe, second.seed - first.seed) == ("small", 1)
    assert first.n == 2 * SIZES["val"]
    assert first.seconds == second.seconds
    larger = SETTINGS.model_copy(
        update={
            "candidates": {
                "small": SETTINGS.candidates["small"].model_copy(update={"input_size": 48})
            }
        }
    )
    other = replace(task, settings=task.settings.model_copy(update={"frontier": larger}))
    for computed in (images + 2 * timed, images + 3 * timed):
        list(frontier.run(other))
        assert engine.computed == computed


def test_what_this_machine_cannot_run_has_no_row_and_it_is_said(
    task: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = Hardware(engines=("openvino",), gpus={}, cores=2, bfloat16=None)
    monkeypatch.setattr(frontier, "find_hardware", lambda engine: plain)
    with caplog.at_level(logging.WARNING):
        assert list(frontier.run(replace(task, backbone="half"))) == []
    assert "frontier, pets half: no row. extract.precision is bfloat16" in caplog.text


def test_a_network_that_only_openvino_runs_has_no_row_without_it(
    task: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = {"network": "own", "weights": "own.onnx", "scaling": "none"}
    own = FrontierParams.model_validate({"timed": 4, "seeds": 2, "candidates": {"own": network}})
    without = Hardware(engines=("tensorflow",), gpus={}, cores=2, bfloat16=None)
    monkeypatch.setattr(frontier, "find_hardware", lambda engine: without)
    settings = task.settings.model_copy(update={"frontier": own})
    with caplog.at_level(logging.WARNING):
        assert list(frontier.run(replace(task, settings=settings, backbone="own"))) == []
    assert "no row. a network of one's own that is no Keras model needs OpenVINO" in caplog.text


def test_a_name_that_is_no_candidate_is_refused(task: Task) -> None:
    with pytest.raises(
        StudyError, match=r"no candidate 'smal'\. Known: small, half\. Did you mean"
    ):
        run_study("frontier", replace(task, backbone="smal"))
