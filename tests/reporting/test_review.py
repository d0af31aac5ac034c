"""What a person should look at again: the order, the bounds, and that nothing is there twice."""

import numpy as np

from pipeline.inspections import Inspections
from pipeline.reporting.review import OUTLIERS, SUSPECTS, choose_review, suspects_by_class
from tests.inspected import inspections_of, predictions_of

ROWS = [(f"{row:02}", row % 2, 0.5) for row in range(60)]


def table_of(split: str = "train", **changes: object) -> Inspections:
    return inspections_of(predictions_of(ROWS, split), **changes)


def test_the_worst_labels_come_first_and_only_so_many() -> None:
    suspect = np.arange(60) < 30
    review = choose_review(table_of(suspect=suspect, quality=np.linspace(1, 0, 60)))
    assert review.suspects == tuple(f"{row:02}" for row in range(29, 29 - SUSPECTS, -1))
    assert (review.suspect_count, review.n, review.top) == (30, 60, 60), (
        "those marked are the 30 of the highest quality"
    )


def test_the_farthest_outliers_come_first_but_none_that_is_suspect() -> None:
    suspect = np.arange(60) == 59
    review = choose_review(
        table_of(suspect=suspect, is_outlier=np.arange(60) >= 40, outlier=np.arange(60.0))
    )
    assert review.outliers == tuple(f"{row}" for row in range(58, 58 - OUTLIERS, -1))
    assert (review.outlier_count, review.suspects) == (19, ("59",))


def test_equals_are_ordered_by_sha256() -> None:
    every = np.ones(60, np.bool_)
    assert choose_review(table_of(suspect=every)).suspects == tuple(
        f"{row:02}" for row in range(SUSPECTS)
    )


def test_nothing_is_chosen_where_nothing_stands_out() -> None:
    review = choose_review(table_of())
    assert (review.suspects, review.outliers, review.suspect_count, review.top) == ((), (), 0, 0)


def test_a_class_has_its_own_training_suspects() -> None:
    suspect = np.arange(60) < 7
    assert suspects_by_class(table_of(suspect=suspect), 3) == {
        "a": ("00", "02", "04"),
        "b": ("01", "03", "05"),
    }
    assert suspects_by_class(table_of("val", suspect=suspect), 3) == {}
