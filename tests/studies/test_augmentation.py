from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.heads.rows import Rows
from pipeline.params import HeadParams
from pipeline.runners import pool
from pipeline.studies import augmentation
from pipeline.studies.augmentation import plan_trials, side_by_side
from pipeline.studies.results import Result
from pipeline.studies.settings import AugmentationParams
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, make_params
from tests.studies.test_study import task_for
from tests.trained_project import SIZES, make_trained

SETTINGS = make_params().augment


def test_all_changes_are_tried_in_several_numbers_and_each_by_itself() -> None:
    trials = {trial.name: trial for trial in plan_trials(SETTINGS, (1, 5), 2)}
    assert {name: trial.counts for name, trial in trials.items()} == {
        "": (0, 1, 5), ", rotate alone": (2,), ", shift alone": (2,), ", zoom alone": (2,),
        ", flip alone": (2,),
    }  # fmt: skip
    assert trials[""].settings == SETTINGS.model_copy(update={"copies": 5})
    alone = trials[", shift alone"].settings
    assert alone.model_dump() == {
        "copies": 2, "rotate": 0, "shift": SETTINGS.shift, "zoom": 0, "flip": False, "seed": 7,
    }  # fmt: skip


def test_a_change_that_the_settings_do_not_make_is_not_tried() -> None:
    still = SETTINGS.model_copy(update={"rotate": 0.0, "flip": False})
    assert [one.name for one in plan_trials(still, (1,), 3)] == [
        "",
        ", shift alone",
        ", zoom alone",
    ]


def test_features_of_several_networks_stand_side_by_side() -> None:
    def rows(*features: list[float]) -> dict[str, Rows]:
        one = Rows(
            features=np.array(features, np.float32), labels=np.array([0, 1]), classes=2,
            groups=np.array([b"a", b"b"]), original=np.array([True, False]),
        )  # fmt: skip
        return {"train": one}

    found = side_by_side([rows([1, 2], [3, 4]), rows([5], [6])])["train"]
    np.testing.assert_array_equal(found.features, [[1, 2, 5], [3, 4, 6]])
    assert found.original.tolist() == [True, False]


def test_each_trial_has_its_copies_and_a_second_run_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_trained(tmp_path, monkeypatch)
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
    few = AugmentationParams(copies=(1, 2), alone=1, seeds=2)
    task = task_for("pets", BACKBONE, params)
    task = replace(task, settings=task.settings.model_copy(update={"augmentation": few}))
    sizes: dict[str, int] = {}
    measure = augmentation.measure_head

    def note(recipe: str, train: Rows, val: Rows, settings: HeadParams) -> Result:
        sizes[recipe] = len(train)
        return measure(recipe, train, val, settings)

    monkeypatch.setattr(augmentation, "measure_head", note)
    engine = use_mean_colour(monkeypatch)
    results = list(augmentation.run(task))
    images = 2 * SIZES["train"]
    alone = {f"1 copy, {name} alone": 2 * images for name in ("rotate", "shift", "zoom", "flip")}
    assert sizes == {"no copies": images, "1 copy": 2 * images, "2 copies": 3 * images, **alone}
    assert [(one.recipe, one.seed) for one in results[:2]] == [("no copies", 7), ("no copies", 8)]
    assert {one.images_a_class for one in results} == {SIZES["train"]}, "copies do not count"
    computed = engine.computed  # some changes are too small to be seen: then copies are equal
    assert images * 5 < computed <= images * (2 + 4), "the one copy is among the two"
    assert [one.log_loss for one in augmentation.run(task)] == [one.log_loss for one in results]
    assert engine.computed == computed
