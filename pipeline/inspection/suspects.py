"""Which labels seem wrong: what heads say of images that they were not fitted to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.folds import assign_folds
from pipeline.heads.kinds.logistic import LogisticSettings
from pipeline.heads.rows import Float, Rows
from pipeline.heads.training import Recipe, fit_head

FOLDS = 5
SALT = "inspection"
# Of features of length 1. Weaker or stronger by ten finds as many of the labels that were changed on
# purpose (benchmarks/suspects.py), but weaker says of more images that they are suspect.
C = 1.0
RECIPE = Recipe(kind="logistic", own=LogisticSettings(c=C))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVerdicts:
    """What is thought of the labels of `n` images.

    Attributes:
        suggested: int64 `(n,)`, the class that seems likeliest.
        quality: float64 `(n,)`, 0..1, the probability of the label itself: low where it seems wrong.
        suspect: bool `(n,)`, is the label probably wrong?
        judged: bool `(n,)`; False where all images of the class lie in one fold, so that no head
            knows it: the label is taken for right.
    """

    suggested: NDArray[np.int64]
    quality: Float
    suspect: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def judge_labels(rows: Rows) -> LabelVerdicts:
    """Ask heads about labels that they have not seen; cleanlab says which are probably wrong.

    Five heads, each fitted to four fifths of the images and asked about the rest. Groups of
    near-duplicates lie in one fold, for a head would know a label again by its twin. Labels of val
    and test take part: the verdict is for people to look at, no head that is measured sees it.

    Args:
        rows: Features of length 1, of all splits.

    Reference:
        Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels"
        (arXiv:1911.00068).
    """
    # Take 1.5 s to import
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities, judged = predict_out_of_fold(rows)
    # With the default of 1, it warns of each class of one image.
    suspect = find_label_issues(rows.labels, probabilities, min_examples_per_class=0, n_jobs=1)
    return LabelVerdicts(
        suggested=probabilities.argmax(axis=1),
        quality=np.asarray(get_label_quality_scores(rows.labels, probabilities), np.float64),
        suspect=np.asarray(suspect, np.bool_),
        judged=judged,
    )


def predict_out_of_fold(rows: Rows) -> tuple[Float, NDArray[np.bool_]]:
    """Return the probabilities that heads not fitted to an image give it.

    Returns:
        float64 `(n, k)`, and bool `(n,)`: could it be asked about? Where not, its label has all of
        the probability.
    """
    folds = assign_folds(rows, FOLDS, RECIPE.seed, SALT)
    probabilities = np.eye(rows.classes)[rows.labels]
    for fold in np.unique(folds[folds >= 0]):
        held_out = folds == fold
        head = fit_head(rows.take(~held_out), RECIPE).head
        probabilities[held_out] = head.probabilities(rows.features[held_out])
    return probabilities, folds >= 0
