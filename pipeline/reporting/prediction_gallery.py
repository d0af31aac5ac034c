"""Which images show what a head has learned: three questions for each class, and the worst of all.

Of which images of a class is the head surest, and right? Of which is it least sure? Of which is it sure,
and wrong? Validation images answer, on which no head was fitted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.predictions import Predictions

IMAGES = 5  # of each kind: a row of the page
QUESTIONS = 3
MOST_IMAGES = 120  # for the questions of all classes; each class has at least one image a question


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """One image, and what the head says of it.

    Attributes:
        sha256: Of the image file's bytes.
        path: Under the dataset's split folder.
        member: Its name in the archive; empty if that is not known.
        split: `train`, `val` or `test`.
        label: The true class.
        predicted: The most probable class.
        probability: Of the predicted class, 0..1.
        probabilities: Of each class in alphabetical order, in ten-thousandths.
    """

    sha256: str
    path: str
    member: str
    split: str
    label: str
    predicted: str
    probability: float
    probabilities: tuple[int, ...]


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
    """

    name: str
    n: int
    right: int
    surest: tuple[str, ...]
    unsure: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionGallery:
    """What the report shows of a head; lists name images by their sha256.

    Attributes:
        images: All that are shown.
        mistakes: Wrong ones of all classes, the most confident first.
        uncertain: Others, the least confident first.
        classes: The three questions for each class.
        per_question: How many images answer a question at most.
    """

    images: dict[str, ShownImage]
    mistakes: tuple[str, ...]
    uncertain: tuple[str, ...]
    classes: tuple[ClassAnswers, ...]
    per_question: int


def build_prediction_gallery(val: Predictions, members: Mapping[str, str]) -> PredictionGallery:
    """Choose the images that answer the three questions, and the worst of all.

    Args:
        val: Predictions for the validation images.
        members: Name in the archive of each image, by its sha256.
    """
    mistakes, uncertain = choose_images(val)
    per_question = images_per_question(len(val.classes))
    classes = tuple(answer_questions(val, label, per_question) for label in range(len(val.classes)))
    shown = {*mistakes, *uncertain}.union(*(one.surest + one.unsure + one.wrong for one in classes))
    return PredictionGallery(
        images=describe_images(val, shown, members),
        mistakes=mistakes,
        uncertain=uncertain,
        classes=classes,
        per_question=per_question,
    )


def images_per_question(k: int) -> int:
    """Return how many images answer a question of one of `k` classes: five, fewer if `k` is large."""
    return max(1, min(IMAGES, MOST_IMAGES // (QUESTIONS * k)))


def choose_images(val: Predictions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose five wrong predictions, the most confident first, and five others, the least confident first."""
    rows = _by_confidence(val, np.arange(len(val)))
    is_wrong = val.predicted_labels() != val.labels
    mistakes = rows[is_wrong[rows]][::-1][:IMAGES]
    uncertain = rows[~np.isin(rows, mistakes)][:IMAGES]
    return _names(val, mistakes), _names(val, uncertain)


def answer_questions(val: Predictions, label: int, per_question: int) -> ClassAnswers:
    """Choose the images of one class that answer the three questions."""
    rows = _by_confidence(val, np.flatnonzero(val.labels == label))
    is_right = val.predicted_labels()[rows] == label
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
    )


def describe_images(
    predictions: Predictions, sha256s: Iterable[str], members: Mapping[str, str]
) -> dict[str, ShownImage]:
    """Return what is said of some images, by their sha256, in the order of the predictions."""
    wanted = set(sha256s)
    rows = [row for row, sha256 in enumerate(predictions.sha256) if sha256 in wanted]
    return {predictions.sha256[row]: _image(predictions, row, members) for row in rows}


def _image(table: Predictions, row: int, members: Mapping[str, str]) -> ShownImage:
    p = table.probabilities[row]
    predicted = int(p.argmax())
    return ShownImage(
        sha256=table.sha256[row],
        path=table.path[row],
        member=members.get(table.sha256[row], ""),
        split=table.splits[row],
        label=table.classes[table.labels[row]],
        predicted=table.classes[predicted],
        probability=float(p[predicted]),
        probabilities=tuple(np.rint(p * 10_000).astype(int).tolist()),
    )


def _by_confidence(table: Predictions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows from the least confident up, equals by sha256: the order of rows decides nothing."""
    names = np.array(table.sha256)[rows]
    ordered: NDArray[np.int64] = rows[np.lexsort((names, table.probabilities[rows].max(axis=1)))]
    return ordered


def _names(table: Predictions, rows: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(table.sha256[row] for row in rows.tolist())
