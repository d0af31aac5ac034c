"""A recipe opens the same network elsewhere, or refuses: its features would have a wrong fingerprint."""

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import BackboneError
from pipeline.extraction.extractor import Extractor
from pipeline.runners.recipe import Recipe
from pipeline.runners.runner import Runner
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, make_params


def make_recipe(changes: dict[str, Any] | None = None) -> Recipe:
    params = make_params({"extract.ray": {"cpus": 3}, **(changes or {})})
    settings = params.backbone(BACKBONE).networks[0]
    extractor = Extractor(BACKBONE, settings, params.extract)
    return Runner(BACKBONE, settings, params.extract)._recipe(extractor, (0,))


def test_a_recipe_that_was_sent_opens_an_extractor_of_the_same_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = use_mean_colour(monkeypatch)
    opened = pickle.loads(pickle.dumps(make_recipe())).open()
    assert opened.fingerprint.to_json() == make_recipe().fingerprint
    assert opened.engine is engine
    assert opened.config.streams == 3, "the processors that Ray gives a worker"


@pytest.mark.parametrize("section", ["extract.runner", "extract.ray"])
def test_who_computes_is_no_part_of_the_fingerprint(section: str) -> None:
    changes = {"extract.runner": "ray", "extract.ray": {"cpus": 7, "address": "auto"}}
    assert make_recipe({section: changes[section]}).fingerprint == make_recipe().fingerprint


def test_a_machine_that_would_compute_other_features_says_what_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_mean_colour(monkeypatch)
    recipe = make_recipe()
    parts = json.loads(recipe.fingerprint)
    parts["decoder"] = {**parts["decoder"], "simplejpeg": "0.1"}
    other = replace(recipe, fingerprint=json.dumps(parts))
    with pytest.raises(
        BackboneError, match=r"other features .*: decoder\.simplejpeg is \S+ there, 0\.1 here\. All"
    ):
        other.open()
