"""The map: positions that fit, what an image is called, and the map in words."""

import numpy as np

from pipeline.predictions import Predictions
from pipeline.reporting.image_map import MARGIN, WIDTH, build_map, fit_positions
from pipeline.reporting.shown_images import Knowledge
from tests.inspected import knowledge_of

TABLE = Predictions(
    splits=("train", "train", "val", "val"),
    sha256=("0", "1", "2", "3"),
    path=("train/a/0", "train/b/1", "val/a/2", "val/b/3"),
    labels=np.array([0, 1, 0, 1]),
    classes=("a", "b"),
    probabilities=np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]),
)


def known_of(**changes: object) -> Knowledge:
    return knowledge_of(TABLE, **changes)


def test_positions_fill_the_width_keep_proportions_and_point_up() -> None:
    x, y, height = fit_positions(np.array([-1.0, 0, 1]), np.array([0.0, 1.5, 1]))
    assert x.tolist() == [MARGIN, WIDTH // 2, WIDTH - MARGIN]
    assert height == (WIDTH - 2 * MARGIN) * 3 // 4 + 2 * MARGIN
    assert y.tolist() == [height - MARGIN, MARGIN, MARGIN + 240]


def test_positions_in_a_line_or_a_point_are_no_fault() -> None:
    x, y, height = fit_positions(np.array([3.0, 3]), np.array([5.0, 5]))
    assert (x.tolist(), y.tolist(), height) == ([MARGIN] * 2, [MARGIN] * 2, 500)
    assert fit_positions(np.zeros(0), np.zeros(0))[2] == 500


def test_the_head_names_what_it_was_not_fitted_to_and_others_the_rest() -> None:
    suggested = ("a", "a", "a", "a")
    assert build_map(known_of(suggested=suggested)).called == (0, 0, 1, 1)


def test_only_what_has_a_place_is_on_the_map() -> None:
    found = build_map(
        known_of(x=np.array([0, np.nan, 2, np.nan]), y=np.array([0, np.nan, 1, np.nan]))
    )
    assert (found.sha256, found.path, found.label) == (("0", "2"), ("train/a/0", "val/a/2"), (0, 0))
    nothing = build_map(known_of(x=np.full(4, np.nan), y=np.full(4, np.nan)))
    assert (nothing.sha256, [one.n for one in nothing.classes]) == ((), [0, 0])


def test_words_count_what_is_crossed_and_where_the_nearest_are() -> None:
    neighbours = (("1",), ("0", "1"), ("0",), ("1",))
    first, second = build_map(known_of(neighbours=neighbours)).classes
    assert (first.name, first.n, first.wrong, first.alike, first.nearest) == ("a", 2, 1, 1, "b")
    assert (second.name, second.n, second.wrong, second.alike, second.nearest) == (
        "b",
        2,
        0,
        1,
        "a",
    )
