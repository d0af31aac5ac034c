"""Which labels seem wrong: what heads say of images that they were not fitted to."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.folds import assign_folds
from pipeline.heads.head import Head
from pipeline.heads.kinds.lda import LdaSettings
from pipeline.heads.kinds.logistic import LogisticSettings
from pipeline.heads.rows import Float, Rows
from pipeline.heads.training import Recipe, fit_head
from pipeline.inspection.sampling import draw_evenly

FOLDS = 5
SALT = "inspection"
# Of features of length 1. Weaker or stronger by ten finds as many of the labels that were changed on
# purpose (benchmarks/suspects.py), but weaker says of more images that they are suspect.
C = 1.0
LOGISTIC = Recipe(kind="logistic", own=LogisticSettings(c=C))
# Of two and five classes it finds as many, of a hundred it found more: held by the same C, regressions learn
# little of each. And it takes no steps, of which they need hundreds where images and classes are many.
LDA = Recipe(kind="lda", own=LdaSettings())
FEW_CLASSES, MOST_EXACT = 10, 100_000  # classes, and images times classes, for regressions
WIDEST = (
    4096  # numbers of a feature, for discriminants: a class has a covariance of as many, squared
)
MOST_FITTED = 50_000  # images that a head is fitted to: of more, each class has its share
CELLS = 1 << 24  # probabilities that are there at once, of whole classes: 128 MB


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVerdicts:
    """What is thought of the labels of `n` images.

    Attributes:
        suggested: int64 `(n,)`, the class that seems likeliest.
        quality: float64 `(n,)`, 0..1, the probability of the label itself: low where it seems wrong.
        suspect: bool `(n,)`, did the heads mark the label?
        judged: bool `(n,)`; False where all images of the class lie in one fold, so that no head
            knows it: the label is taken for right.
    """

    suggested: NDArray[np.int64]
    quality: Float
    suspect: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def judge_labels(rows: Rows) -> LabelVerdicts:
    """Ask heads about labels that they have not seen; cleanlab marks those which disagree.

    Five heads, each fitted to four fifths of the images, or to 50,000 of these, and asked about the
    rest: logistic regressions, or linear discriminants where images or classes are many. Groups of
    near-duplicates lie in one fold, for a head would know a label again by its twin.
    Labels of val and test take part: the verdict is for people to look at, no head that is measured
    sees it.

    The probabilities of all images and classes are never there together: confident learning looks
    at images label by label, once it knows how sure the heads are of each class on average.

    Args:
        rows: Features of length 1, of all splits.

    Reference:
        Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels"
        (arXiv:1911.00068).
    """
    # Take 1.5 s to import
    from cleanlab.count import get_confident_thresholds

    heads, n = OutOfFoldHeads.fit(rows), len(rows)
    suggested, quality, suspect = np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_)
    batches = list(_batches_of_classes(rows))
    averages = []
    for batch in batches:
        probabilities, labels = heads.probabilities(rows, batch), rows.labels[batch]
        suggested[batch] = probabilities.argmax(axis=1)
        quality[batch] = probabilities[np.arange(len(batch)), labels]
        averages.append(get_confident_thresholds(labels, probabilities))
    thresholds = np.min(averages, axis=0)  # of a class that a batch lacks it says 2
    for batch in batches:
        probabilities = heads.probabilities(rows, batch)
        suspect[batch] = _find_issues(rows.labels[batch], probabilities, thresholds)
    return LabelVerdicts(
        suggested=suggested, quality=quality, suspect=suspect, judged=heads.folds >= 0
    )


def choose_recipe(images: int, classes: int, width: int) -> Recipe:
    """Return the heads that judge so many images of so many classes, of features of a width."""
    is_much = classes > FEW_CLASSES or images * classes > MOST_EXACT
    return LDA if is_much and width <= WIDEST else LOGISTIC


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutOfFoldHeads:
    """Heads, of which each can be asked about the images that it was not fitted to.

    Attributes:
        folds: int64 `(n,)`, the fold of each image; -1 where none can be asked about it.
        heads: By fold, the head that was fitted to the others.
    """

    folds: NDArray[np.int64]
    heads: Mapping[int, Head]

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit a head a fold."""
        recipe = choose_recipe(len(rows), rows.classes, rows.width)
        folds = assign_folds(rows, FOLDS, recipe.seed, SALT)
        heads = {}
        for fold in np.unique(folds[folds >= 0]).tolist():
            others = np.flatnonzero(folds != fold)
            kept = others[draw_evenly(rows.labels[others], MOST_FITTED)]
            heads[fold] = fit_head(rows.take(kept), recipe).head
        return cls(folds=folds, heads=heads)

    def probabilities(self, rows: Rows, asked: NDArray[np.int64]) -> Float:
        """Return what the heads that have not seen them say of some rows, float64 `(b, k)`.

        Of one that none can be asked about, its label has all of the probability.
        """
        folds = self.folds[asked]
        probabilities = np.zeros((len(asked), rows.classes))
        probabilities[np.arange(len(asked)), rows.labels[asked]] = 1
        for fold in np.unique(folds[folds >= 0]).tolist():
            places = np.flatnonzero(folds == fold)
            features = rows.features[asked[places]]
            probabilities[places] = self.heads[fold].probabilities(features)
        return probabilities


def _batches_of_classes(rows: Rows) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of some classes, then of the next, so that `CELLS` hold a batch of equal classes.

    Each has two classes or more, which cleanlab asks for.
    """
    classes = np.unique(rows.labels)
    batches = min(math.ceil(len(rows) * rows.classes / CELLS), len(classes) // 2)
    for some in np.array_split(classes, max(1, batches)):
        yield np.flatnonzero((rows.labels >= some[0]) & (rows.labels <= some[-1]))


def _find_issues(
    labels: NDArray[np.int64], probabilities: Float, thresholds: Float
) -> NDArray[np.bool_]:
    """Return which labels are marked, bool `(b,)`, of all images that have one of some labels."""
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues

    joint = compute_confident_joint(labels, probabilities, thresholds=thresholds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "May not flag all label issues")  # of absent classes
        # With the default of 1, a class of one image would be passed over.
        issues = find_label_issues(
            labels, probabilities, confident_joint=joint, min_examples_per_class=0, n_jobs=1
        )
    return np.asarray(issues, np.bool_)
