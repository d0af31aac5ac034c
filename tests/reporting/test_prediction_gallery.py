"""The gallery: which images are chosen, and what is said of them."""

import numpy as np
import pytest

from pipeline.predictions import Predictions
from pipeline.reporting.prediction_gallery import (
    IMAGES,
    WITH_NEIGHBOURS,
    answer_questions,
    build_prediction_gallery,
    choose_images,
    images_per_question,
)
from pipeline.reporting.shown_images import Knowledge
from tests.inspected import knowledge_of, predictions_of

ROWS = [("0", 1, 0.9), ("1", 0, 0.7), ("2", 0, 0.99), ("3", 1, 0.52), ("4", 0, 0.45)]


def test_mistakes_come_most_confident_first_and_the_rest_least_confident_first() -> None:
    assert choose_images(predictions_of(ROWS).answers()) == (("2", "1"), ("3", "4", "0"))


def test_the_order_of_rows_decides_nothing_even_between_equals() -> None:
    rows = [(str(index), index % 2, 0.6) for index in range(10)]

    def chosen(order: list[int]) -> list[object]:
        val = predictions_of([rows[row] for row in order]).answers()
        return [choose_images(val), answer_questions(val, 0, 2), answer_questions(val, 1, 2)]

    assert chosen(list(range(10))) == chosen([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


def test_there_are_only_so_many_of_each_kind() -> None:
    mistakes, uncertain = choose_images(
        predictions_of([(f"{index:02d}", index % 2, 0.6) for index in range(40)]).answers()
    )
    assert (len(mistakes), len(uncertain)) == (IMAGES, IMAGES)
    assert not set(mistakes) & set(uncertain)


def test_a_class_answers_three_questions_with_images_of_its_own() -> None:
    rows = [("other", 0, 0.01), ("sure", 1, 0.99), ("surer", 1, 0.999), ("right", 1, 0.8)]
    rows += [("barely", 1, 0.51), ("wrong", 1, 0.3), ("worst", 1, 0.02), ("near", 1, 0.495)]
    answers = answer_questions(predictions_of(rows).answers(), 1, 2)
    assert (answers.name, answers.n, answers.right) == ("b", 7, 4)
    assert answers.surest == ("surer", "sure")
    assert answers.unsure == ("near", "barely"), "least sure may be right or wrong"
    assert answers.wrong == ("worst", "wrong")


def test_few_images_are_shared_out_and_none_answers_twice() -> None:
    rows = [(str(index), 1, 0.6 + index / 10) for index in range(3)] + [("4", 1, 0.1)]
    answers = answer_questions(predictions_of(rows).answers(), 1, 5)
    assert (answers.surest, answers.unsure, answers.wrong) == (("2", "1"), ("0",), ("4",))
    nothing = answer_questions(predictions_of(rows).answers(), 0, 5)
    assert (nothing.n, nothing.surest, nothing.unsure, nothing.wrong) == (0, (), (), ())


@pytest.mark.parametrize(("k", "images"), [(2, 5), (8, 5), (10, 4), (20, 2), (40, 1), (1000, 1)])
def test_many_classes_have_fewer_images_each_but_at_least_one(k: int, images: int) -> None:
    assert images_per_question(k) == images


def known_of(rows: list[tuple[str, int, float]], **changes: object) -> Knowledge:
    """Return what is known of validation images, after five training images."""
    both = predictions_of(rows), predictions_of([(f"t{row}", 0, 0.1) for row in range(5)], "train")
    table = Predictions(
        splits=both[1].splits + both[0].splits,
        sha256=both[1].sha256 + both[0].sha256,
        path=both[1].path + both[0].path,
        labels=np.concatenate([both[1].labels, both[0].labels]),
        classes=("a", "b"),
        probabilities=np.concatenate([both[1].probabilities, both[0].probabilities]),
    )
    return knowledge_of(table, **changes)


def test_every_image_that_is_listed_is_described() -> None:
    rows = [(f"{index:02d}", index % 2, 0.3 + index / 100) for index in range(40)]
    suspect, unlike = np.arange(45) == 3, np.arange(45) == 44
    gallery = build_prediction_gallery(known_of(rows, suspect=suspect, is_outlier=unlike))
    listed = {*gallery.mistakes, *gallery.uncertain, "t0", "t1", "t2", "t3", "39"}
    for answers in gallery.classes:
        listed |= {*answers.surest, *answers.unsure, *answers.wrong, *answers.suspects}
    assert set(gallery.images) == listed
    assert [answers.name for answers in gallery.classes] == ["a", "b"]
    assert (gallery.review.suspects, gallery.review.outliers) == (("t3",), ("39",))
    assert [answers.suspects for answers in gallery.classes] == [("t3",), ()]


def test_the_surest_mistakes_have_the_training_images_nearest_to_them() -> None:
    gallery = build_prediction_gallery(known_of(ROWS))
    assert gallery.with_neighbours == ("2", "1")
    assert {"t0", "t1", "t2"} <= set(gallery.images)
    assert "t3" not in gallery.images
    many = [(f"{index:03d}", 0, 0.9) for index in range(100)]
    assert len(build_prediction_gallery(known_of(many)).with_neighbours) <= WITH_NEIGHBOURS
