"""The nearest images are those that a plain loop finds, and never twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heads.rows import Rows
from pipeline.inspection import neighbours
from pipeline.inspection.neighbours import NONE, find_nearest
from tests.heads.examples import rows_of


def directions(n: int, seed: int, groups: int) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return rows_of(x.astype(np.float32), np.zeros(n), 1, rng.integers(0, groups, n))


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99)
)
def test_they_are_those_of_the_largest_cosines_among_other_groups(
    n: int, m: int, count: int, groups: int, seed: int
) -> None:
    asked, known = directions(n, seed, groups), directions(m, seed + 1, groups)
    places, cosines = find_nearest(asked, known, count)
    for row in range(n):
        others = np.flatnonzero(known.groups != asked.groups[row])
        products = known.features[others] @ asked.features[row]
        order = np.argsort(-products, kind="stable")[:count]
        padding = count - len(order)
        assert places[row].tolist() == [*others[order].tolist(), *[NONE] * padding]
        assert np.allclose(cosines[row][: len(order)], products[order], atol=1e-6)
        assert np.isneginf(cosines[row][len(order) :]).all()


def test_they_do_not_depend_on_how_many_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = directions(50, 0, 30)
    whole, _ = find_nearest(rows, rows, 3)
    monkeypatch.setattr(neighbours, "CELLS", 120)
    assert find_nearest(rows, rows, 3)[0].tolist() == whole.tolist()


def test_of_equally_near_ones_the_first_come_first() -> None:
    rows = rows_of(np.ones((6, 2), np.float32), np.zeros(6), 1)
    assert find_nearest(rows, rows, 3)[0][:2].tolist() == [[1, 2, 3], [0, 2, 3]]
