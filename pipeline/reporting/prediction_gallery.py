"""Which images show what a head has learned: three questions for each class, and the worst of all.

Of which images of a class is the head surest, and right? Of which is it least sure? Of which is it sure,
and wrong? Validation images answer, on which no head was fitted. On training images the head's word is
worth little: of these, those are shown that heads which have not seen them call something else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from pipeline.predictions import Answers
from pipeline.reporting.review import Review, choose_review, suspects_by_class
from pipeline.reporting.shown_images import Knowledge, ShownImage, describe_images

IMAGES = 5  # of each kind: a row of the page
QUESTIONS = 3
MOST_IMAGES = 120  # for the questions of all classes; each class has at least one image a question
WITH_NEIGHBOURS = 30  # images that are shown with the training images nearest to them


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAnswers:
    """The three questions, answered for one class by images, none of them twice.

    Attributes:
        name: The class.
        n: How many validation images have it as their label.
        right: How many of these the head gets right.
        surest: Right ones, the most confident first; at most half of those that are right.
        unsure: Other images, right or wrong, the least confident first.
        wrong: Wrong ones, the most confident first.
        suspects: Training images with this label whose label seems wrong, the worst first.
    """

    name: str
    n: int
    right: int
    surest: tuple[str, ...]
    unsure: tuple[str, ...]
    wrong: tuple[str, ...]
    suspects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionGallery:
    """What the report shows of a head; lists name images by their sha256.

    Attributes:
        images: All that are shown.
        mistakes: Wrong ones of all classes, the most confident first.
        uncertain: Others, the least confident first.
        classes: The three questions for each class.
        per_question: How many images answer a question at most.
        review: Images of all splits that a person should look at again.
        with_neighbours: Those that are shown with the training images nearest to them.
    """

    images: dict[str, ShownImage]
    mistakes: tuple[str, ...]
    uncertain: tuple[str, ...]
    classes: tuple[ClassAnswers, ...]
    per_question: int
    review: Review
    with_neighbours: tuple[str, ...]


def build_prediction_gallery(known: Knowledge) -> PredictionGallery:
    """Choose the images that answer the three questions, the worst of all, and those to look at again."""
    val = known.answers.of_split("val")
    mistakes, uncertain = choose_images(val)
    per_question = images_per_question(len(val.classes))
    suspects = suspects_by_class(known.inspections, per_question)
    classes = tuple(
        answer_questions(val, label, per_question, suspects.get(name, ()))
        for label, name in enumerate(val.classes)
    )
    review = choose_review(known.inspections)
    shown = {*mistakes, *uncertain, *review.suspects, *review.outliers}
    shown |= {sha256 for one in classes for sha256 in _listed(one)}
    wrong = [*mistakes, *in_turns([one.wrong for one in classes])]
    with_neighbours = tuple(dict.fromkeys(wrong))[:WITH_NEIGHBOURS]
    neighbours_of = dict(zip(known.inspections.sha256, known.inspections.neighbours, strict=True))
    shown |= {near for sha256 in with_neighbours for near in neighbours_of[sha256]}
    return PredictionGallery(
        images=describe_images(known, shown),
        mistakes=mistakes,
        uncertain=uncertain,
        classes=classes,
        per_question=per_question,
        review=review,
        with_neighbours=with_neighbours,
    )


def images_per_question(k: int) -> int:
    """Return how many images answer a question of one of `k` classes: five, fewer if `k` is large."""
    return max(1, min(IMAGES, MOST_IMAGES // (QUESTIONS * k)))


def choose_images(val: Answers) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose five wrong predictions, the most confident first, and five others, the least confident first."""
    rows = _by_confidence(val, np.arange(len(val)))
    is_wrong = val.predicted != val.labels
    mistakes = rows[is_wrong[rows]][::-1][:IMAGES]
    uncertain = rows[~np.isin(rows, mistakes)][:IMAGES]
    return _names(val, mistakes), _names(val, uncertain)


def answer_questions(
    val: Answers, label: int, per_question: int, suspects: tuple[str, ...] = ()
) -> ClassAnswers:
    """Choose the images of one class that answer the three questions, beside its suspects in train."""
    rows = _by_confidence(val, np.flatnonzero(val.labels == label))
    is_right = val.predicted[rows] == label
    right, wrong = rows[is_right], rows[~is_right][::-1][:per_question]
    surest = right[::-1][: min(per_question, (len(right) + 1) // 2)]
    unsure = rows[~np.isin(rows, [*surest, *wrong])][:per_question]
    return ClassAnswers(
        name=val.classes[label],
        n=len(rows),
        right=len(right),
        surest=_names(val, surest),
        unsure=_names(val, unsure),
        wrong=_names(val, wrong),
        suspects=suspects,
    )


def _listed(one: ClassAnswers) -> tuple[str, ...]:
    return one.surest + one.unsure + one.wrong + one.suspects


def in_turns(lists: Iterable[Sequence[str]]) -> list[str]:
    """Return the first of each list, then the second of each, ..."""
    turns = zip_longest(*lists)
    return [item for turn in turns for item in turn if item is not None]


def _by_confidence(table: Answers, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows from the least confident up, equals by sha256: the order of rows decides nothing."""
    names = np.array([table.sha256[row] for row in rows.tolist()], np.str_)
    ordered: NDArray[np.int64] = rows[np.lexsort((names, table.confidence[rows]))]
    return ordered


def _names(table: Answers, rows: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(table.sha256[row] for row in rows.tolist())
