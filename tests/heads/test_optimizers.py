"""Optimizers: the schedules by hand, and that a step forgets nothing; Keras agrees in test_networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heads.optimizers import decay, make_rule


@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        ("constant", 0.0, 1), ("constant", 0.99, 1),
        ("cosine", 0.0, 1), ("cosine", 0.5, 0.5), ("cosine", 1 / 3, 0.75), ("cosine", 0.999, 2.5e-6),
        ("step", 0.0, 1), ("step", 0.499, 1), ("step", 0.5, 0.1), ("step", 0.749, 0.1), ("step", 0.75, 0.01),
    ],
)  # fmt: skip
def test_a_schedule_has_these_factors(schedule: str, progress: float, factor: float) -> None:
    assert decay(schedule, progress) == pytest.approx(factor, rel=0.02)


@given(
    st.sampled_from(["constant", "cosine", "step"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_a_learning_rate_never_rises(schedule: str, one: float, other: float) -> None:
    assert 0 <= decay(schedule, max(one, other)) <= decay(schedule, min(one, other)) <= 1


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_each_optimizer_finds_the_bottom_of_a_bowl(optimizer: str) -> None:
    rule = make_rule(optimizer, 0.9, False)
    w, bottom = np.array([5.0, -3.0]), np.array([1.0, 2.0])
    moments = [np.zeros(2) for _ in range(rule.moments)]
    for t in range(1, 2001):
        rule.step(w, w - bottom, moments, np.empty(2), 0.01, t)
    np.testing.assert_allclose(w, bottom, atol=0.02)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate() -> None:
    w = np.zeros(3)
    gradient = np.array([1e-3, -5.0, 1e3])
    rule = make_rule("adam", 0.9, False)
    rule.step(w, gradient, [np.zeros(3), np.zeros(3)], np.empty(3), 0.01, 1)
    np.testing.assert_allclose(w, [-0.01, 0.01, -0.01], rtol=5e-3)
