import pytest

from pipeline.studies.pareto import mark_pareto


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1, 0.8), (2, 0.9), (3, 0.85)], [True, True, False]),
        ([(1, 0.8), (1, 0.9)], [False, True]),
        ([(1, 0.9), (2, 0.9)], [True, False]),
        ([(1, 0.9), (1, 0.9)], [True, True]),
        ([], []),
    ],
)
def test_a_point_is_on_the_front_where_none_beats_it(
    points: list[tuple[float, float]], expected: list[bool]
) -> None:
    assert mark_pareto(points) == expected
