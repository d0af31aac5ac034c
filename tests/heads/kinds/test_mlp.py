"""Kinds `mlp` and `linear`: their settings, and what only hidden layers can learn."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.heads.kind import known_kinds
from tests.heads.examples import OWN, fit_alone, own, probabilities, rows_of


@pytest.mark.parametrize(
    ("units", "hidden"), [(8, (8,)), ([8], (8,)), ([64, 32], (64, 32)), ((5, 6), (5, 6))]
)
def test_one_number_is_one_layer_and_a_list_one_each(
    units: object, hidden: tuple[int, ...]
) -> None:
    assert own("mlp", units=units).hidden == hidden


@pytest.mark.parametrize("units", [0, [], [8, 0], "8", True, None, 65537, [1] * 9, [[8]], 8.0])
def test_other_units_are_refused(units: object) -> None:
    with pytest.raises(ValidationError, match="units"):
        own("mlp", units=units)


def test_units_come_back_from_json() -> None:
    settings = own("mlp", units=[64, 32])
    assert (
        known_kinds()["mlp"].settings.model_validate(settings.model_dump(mode="json")) == settings
    )
    assert "units" not in OWN["linear"]


def test_only_hidden_layers_learn_exclusive_or() -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 10, np.float16)
    rows = rows_of(corners, np.array([0, 1, 1, 0] * 10))
    right = {}
    for kind, changes in (("linear", {}), ("mlp", {"units": [32]})):
        fit = fit_alone(kind, rows, epochs=200, **changes)
        said = probabilities(kind, fit, rows.features, **changes).argmax(axis=1)
        right[kind] = (said == rows.labels).mean()
    assert right["mlp"] == 1
    assert right["linear"] <= 0.75


def test_a_penalty_makes_weights_smaller_and_l1_makes_them_small_where_they_tell_nothing() -> None:
    chance = np.random.default_rng(0)
    labels = np.arange(200) % 2
    features = chance.normal(size=(200, 10)).astype(np.float32)
    features[:, 0] += 3 * labels
    rows = rows_of(features, labels)
    free, l2, l1 = (
        # of two classes the difference tells
        np.abs(np.diff(fit_alone("linear", rows, epochs=60, **held).tensors["classes/kernel"]))
        for held in ({}, {"l2": 0.1}, {"l1": 0.02})
    )
    assert l2.sum() < free.sum() / 2
    assert np.median(l1[1:]) < np.median(l2[1:]) / 2
    assert np.median(l1[1:]) < np.median(free[1:]) / 5
    assert l1[0] > 0.5
