"""The gallery: which images are chosen, and what is said of them."""

import numpy as np
import pytest

from pipeline.predictions import Predictions
from pipeline.reporting.prediction_gallery import (
    IMAGES,
    answer_questions,
    build_prediction_gallery,
    choose_images,
    images_per_question,
)


def val_of(rows: list[tuple[str, int, float]]) -> Predictions:
    """Return predictions from (sha256, label, probability of class b)."""
    return Predictions(
        splits=("val",) * len(rows),
        sha256=tuple(sha256 for sha256, _, _ in rows),
        path=tuple(f"val/{sha256}.png" for sha256, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], np.int64),
        classes=("a", "b"),
        probabilities=np.array([[1 - p, p] for _, _, p in rows]),
    )


ROWS = [("0", 1, 0.9), ("1", 0, 0.7), ("2", 0, 0.99), ("3", 1, 0.52), ("4", 0, 0.45)]


def test_mistakes_come_most_confident_first_and_the_rest_least_confident_first() -> None:
    assert choose_images(val_of(ROWS)) == (("2", "1"), ("3", "4", "0"))


def test_the_order_of_rows_decides_nothing_even_between_equals() -> None:
    rows = [(str(index), index % 2, 0.6) for index in range(10)]

    def chosen(order: list[int]) -> list[object]:
        val = val_of([rows[row] for row in order])
        return [choose_images(val), answer_questions(val, 0, 2), answer_questions(val, 1, 2)]

    assert chosen(list(range(10))) == chosen([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])


def test_there_are_only_so_many_of_each_kind() -> None:
    mistakes, uncertain = choose_images(
        val_of([(f"{index:02d}", index % 2, 0.6) for index in range(40)])
    )
    assert (len(mistakes), len(uncertain)) == (IMAGES, IMAGES)
    assert not set(mistakes) & set(uncertain)


def test_a_class_answers_three_questions_with_images_of_its_own() -> None:
    rows = [("other", 0, 0.01), ("sure", 1, 0.99), ("surer", 1, 0.999), ("right", 1, 0.8)]
    rows += [("barely", 1, 0.51), ("wrong", 1, 0.3), ("worst", 1, 0.02), ("near", 1, 0.495)]
    answers = answer_questions(val_of(rows), 1, 2)
    assert (answers.name, answers.n, answers.right) == ("b", 7, 4)
    assert answers.surest == ("surer", "sure")
    assert answers.unsure == ("near", "barely"), "least sure may be right or wrong"
    assert answers.wrong == ("worst", "wrong")


def test_few_images_are_shared_out_and_none_answers_twice() -> None:
    rows = [(str(index), 1, 0.6 + index / 10) for index in range(3)] + [("4", 1, 0.1)]
    answers = answer_questions(val_of(rows), 1, 5)
    assert (answers.surest, answers.unsure, answers.wrong) == (("2", "1"), ("0",), ("4",))
    nothing = answer_questions(val_of(rows), 0, 5)
    assert (nothing.n, nothing.surest, nothing.unsure, nothing.wrong) == (0, (), (), ())


@pytest.mark.parametrize(("k", "images"), [(2, 5), (8, 5), (10, 4), (20, 2), (40, 1), (1000, 1)])
def test_many_classes_have_fewer_images_each_but_at_least_one(k: int, images: int) -> None:
    assert images_per_question(k) == images


def test_what_is_said_of_an_image_is_what_the_head_said() -> None:
    gallery = build_prediction_gallery(val_of(ROWS), {"2": "photos/first.png"})
    image = gallery.images["2"]
    assert (image.path, image.member, image.split) == ("val/2.png", "photos/first.png", "val")
    assert (image.label, image.predicted, image.probability) == ("a", "b", 0.99)
    assert image.probabilities == (100, 9900)
    assert gallery.images["0"].member == ""


def test_every_image_that_is_listed_is_described() -> None:
    rows = [(f"{index:02d}", index % 2, 0.3 + index / 100) for index in range(40)]
    gallery = build_prediction_gallery(val_of(rows), {})
    listed = {*gallery.mistakes, *gallery.uncertain}
    for answers in gallery.classes:
        listed |= {*answers.surest, *answers.unsure, *answers.wrong}
    assert set(gallery.images) == listed
    assert [answers.name for answers in gallery.classes] == ["a", "b"]
