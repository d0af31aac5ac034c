"""Which wrong answers get heat maps, and where these say that a class is found."""

import numpy as np
import pytest

from pipeline.reporting.heat_maps import strongest_place, wrong_answers
from pipeline.reporting.prediction_gallery import build_prediction_gallery
from tests.inspected import knowledge_of, predictions_of


def wrong_of(rows: list[tuple[str, int, float]]) -> tuple[str, ...]:
    return wrong_answers(build_prediction_gallery(knowledge_of(predictions_of(rows))))


def test_all_that_is_wrong_on_the_page_is_named_once_the_worst_first() -> None:
    rows = [
        ("sure", 0, 0.01),
        ("right", 1, 0.9),
        ("worst", 0, 0.99),
        ("bad", 1, 0.2),
        ("near", 0, 0.51),
    ]
    assert wrong_of(rows) == ("worst", "bad", "near")
    assert wrong_of(rows[:2]) == ()


def test_wrong_ones_among_the_least_certain_come_last() -> None:
    rows = [(f"wrong {one}", one % 2, 0.97 if one % 2 == 0 else 0.03) for one in range(10)]
    rows += [(f"right {one}", one % 2, 0.1 if one % 2 == 0 else 0.9) for one in range(20)]
    found = wrong_of([*rows, ("least", 0, 0.501)])
    assert sorted(found[:-1]) == [f"wrong {one}" for one in range(10)]
    assert found[-1] == "least"


@pytest.mark.parametrize("size", [(3, 3), (7, 7), (8, 10), (14, 14)])
@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "at the upper left"),
        (0, 1, "at the top"),
        (1, 1, "in the middle"),
        (1, 2, "at the right"),
        (2, 0, "at the lower left"),
        (2, 1, "at the bottom"),
    ],
)
def test_the_ninth_that_speaks_most_for_a_class_is_named(
    size: tuple[int, int], row: int, column: int, words: str
) -> None:
    evidence = np.zeros(size)
    place = tuple(
        part * (length - 1) // 2 for part, length in zip((row, column), size, strict=True)
    )
    evidence[place] = 1e-9
    assert strongest_place(evidence) == words


def test_what_speaks_against_a_class_is_not_where_it_is_found() -> None:
    evidence = np.array([[-9.0, 0, 0], [0, 0, 0], [0, 0, 1]])
    assert strongest_place(evidence) == "at the lower right"
    assert strongest_place(-np.ones((3, 3))) == "nowhere"
    assert strongest_place(np.array([[1.0]])) == "in the middle"
