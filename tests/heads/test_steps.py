"""The steps of heads: what a scaler does is what its steps do, and every kind is made of known ones."""

import numpy as np
import pytest

from pipeline.heads import steps
from pipeline.heads.kind import known_kinds
from pipeline.heads.rows import Scaler
from pipeline.heads.steps import apply_steps, scaling_steps
from tests.heads.examples import KINDS, blobs, fit_alone, own

ROWS = blobs([20, 10, 10], noise=1.0)


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
def test_a_scalers_steps_scale_as_it_does(scaling: str) -> None:
    scaler = Scaler.fit(scaling, ROWS.features)  # type: ignore[arg-type]
    expected = scaler.apply(ROWS.features)
    found = apply_steps(scaling_steps(scaler), ROWS.features.astype(np.float64))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_made_of_steps_of_this_module(kind: str) -> None:
    found = known_kinds()[kind].steps(fit_alone(kind, ROWS).tensors, own(kind))
    assert {type(step).__module__ for step in found} == {steps.__name__}


def test_a_class_with_no_neighbour_keeps_a_share() -> None:
    nearest = steps.NearestShares(neighbours=np.eye(2), labels=np.eye(2), count=1, temperature=0.1)
    np.testing.assert_allclose(
        np.exp(nearest.apply(np.array([[1.0, 0.0]]))), [[1, steps.LEAST_SHARE]]
    )
