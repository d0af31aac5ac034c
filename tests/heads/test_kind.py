"""Kinds of heads in params.yaml: one section for all, each with its own keys, and told apart early."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import ParamsError
from pipeline.heads.kind import KindSettings, known_kinds, softmax
from pipeline.heads.training import Recipe
from tests.heads.examples import KINDS
from tests.project import make_params


def test_every_module_of_the_folder_is_a_kind() -> None:
    assert tuple(known_kinds()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_settings_take_what_is_the_kinds_own_and_no_more(kind: str) -> None:
    own = make_params({"head.kind": kind}).head.own_settings()
    assert type(own) is known_kinds()[kind].settings
    assert isinstance(own, KindSettings)


def test_keys_of_other_kinds_may_stand_there() -> None:
    head = make_params(
        {"head.kind": "logistic", "head.units": [64, 32], "head.k": 3, "head.c": 0.5}
    ).head
    assert head.own_settings().model_dump() == {"c": 0.5, "class_weight": None}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "kind",
            "logistc",
            r"head\.kind: input should be .*'lda', 'linear', .* Did you mean 'logistic'\?",
        ),
        ("kind", 3, r"head\.kind: .*string"),
        ("colour", 1, r"head\.colour: unknown key"),
        ("unit", 1, r"head\.unit: unknown key.*Did you mean 'units'"),
        ("holdout", 1.0, r"head\.holdout: .*less than 1"),
        ("fit_on", "val", r"head\.fit_on: .*'train' or 'all'"),
        ("scaling", "max", r"head\.scaling: .*'none', 'standard' or 'l2'"),
        ("c", 0, r"head\.c: .*greater than 0"),
        ("k", 0, r"head\.k: .*greater than or equal to 1"),
        ("shrinkage", 1.5, r"head\.shrinkage: .*less than or equal to 1"),
        ("units", [], r"head\.units"),
        ("units", "wide", r"head\.units: .*whole number"),
        ("temperature", 0, r"head\.temperature: .*greater than 0"),
        ("class_weight", "even", r"head\.class_weight: .*balanced"),
        ("schedule", "linear", r"head\.schedule: .*'constant', 'cosine' or 'step'"),
    ],
)
def test_a_fault_is_told_whichever_kind_is_chosen(key: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        make_params({"head.kind": "lda", f"head.{key}": value})


@pytest.mark.parametrize(("key", "value"), [("patience", 3), ("restarts", 2)])
def test_what_decides_needs_images_held_out(key: str, value: int) -> None:
    with pytest.raises(
        ParamsError, match=rf"training images that are held out: .* \(found .*'{key}': {value}"
    ):
        make_params({"head.holdout": 0.0, f"head.{key}": value})
    make_params({"head.holdout": 0.0, "head.kind": "lda", f"head.{key}": value})  # which knows none
    make_params({"head.holdout": 0.0, "head.patience": 0, "head.restarts": 1})


@pytest.mark.parametrize(("units", "hidden"), [(32, (32,)), ([64, 32], (64, 32))])
def test_units_are_a_number_or_a_list(units: object, hidden: tuple[int, ...]) -> None:
    head = make_params({"head.kind": "mlp", "head.units": units}).head
    assert Recipe.of(head).own.hidden == hidden  # type: ignore[attr-defined]


def test_a_recipe_has_all_that_the_section_says() -> None:
    head = make_params(
        {"head.kind": "knn", "head.k": 4, "head.scaling": "l2", "head.holdout": 0.3, "head.calibrate": True,
         "head.seed": 9}
    ).head  # fmt: skip
    recipe = Recipe.of(head)
    assert (recipe.kind, recipe.own.k) == ("knn", 4)  # type: ignore[attr-defined]
    assert (recipe.scaling, recipe.holdout, recipe.calibrate, recipe.seed) == ("l2", 0.3, True, 9)


def test_softmax_takes_scores_of_any_size() -> None:
    found = softmax(np.array([[1e300, 0.0], [-1e300, -1e300], [np.log(3), 0.0]]))
    np.testing.assert_allclose(found, [[1, 0], [0.5, 0.5], [0.75, 0.25]])
