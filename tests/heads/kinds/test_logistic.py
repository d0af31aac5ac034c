"""Kind `logistic`: scikit-learn finds the same minimum."""

import numpy as np
import pytest

from pipeline.errors import HeadError
from pipeline.heads.folds import assign_folds
from pipeline.heads.kinds import logistic
from pipeline.heads.kinds.logistic import CHOICES
from tests.heads.examples import blobs, fit_alone, probabilities, rows_of


@pytest.mark.parametrize("c", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("sizes", [[60, 25], [60, 25, 10]])
def test_scikit_learn_gives_the_same_probabilities(
    sizes: list[int], class_weight: str | None, c: float
) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    rows = blobs(sizes, noise=1.0)
    x = rows.features.astype(np.float64)
    other = sklearn.LogisticRegression(
        C=c, class_weight=class_weight, solver="newton-cg", tol=1e-10, max_iter=1000
    ).fit(x, rows.labels)
    fit = fit_alone("logistic", rows, c=c, class_weight=class_weight)
    found = probabilities("logistic", fit, rows.features)
    np.testing.assert_allclose(found, other.predict_proba(x), atol=1e-6)


def test_balanced_is_the_same_as_doubling_the_rows_of_the_smaller_class() -> None:
    rows = blobs([40, 20], noise=1.0)
    doubled = rows.join(rows.take(rows.labels == 1))
    # The loss is a sum over rows: 60 rows that count as 80 need the c of 80.
    one = fit_alone("logistic", rows, c=0.8, class_weight="balanced")
    other = fit_alone("logistic", doubled, c=0.6)
    for name, values in one.tensors.items():
        np.testing.assert_allclose(values, other.tensors[name], atol=1e-8)


@pytest.mark.parametrize("part", [1, 7])
def test_how_rows_are_cut_among_cores_changes_nothing(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = blobs([40, 20, 10], noise=1.0)
    whole = fit_alone("logistic", rows)
    monkeypatch.setattr(logistic, "PART", part)
    parts = fit_alone("logistic", rows)
    for name, values in whole.tensors.items():
        np.testing.assert_allclose(values, parts.tensors[name], atol=1e-9)


def test_the_choice_of_c_is_the_best_of_nine_on_images_held_out() -> None:
    fit = fit_alone("logistic", blobs([80, 60], noise=3.0), c=None)
    assert tuple(value for _, value, _ in fit.trials) == CHOICES
    assert {name for name, _, _ in fit.trials} == {"c"}
    best = min(fit.trials, key=lambda trial: trial[2])
    assert fit.chosen == {"c": best[1]}
    assert CHOICES[0] < best[1] < CHOICES[-1]
    same = fit_alone("logistic", blobs([80, 60], noise=3.0), c=best[1])
    np.testing.assert_allclose(
        fit.tensors["classes/kernel"], same.tensors["classes/kernel"], atol=1e-8
    )


def test_the_trials_are_those_of_fits_without_the_fold() -> None:
    """Each is fitted alone here, exactly; together and roughly there."""
    rows = blobs([60, 50, 40], noise=1.5)
    fold = assign_folds(rows, 5, 7)
    for _, c, loss in fit_alone("logistic", rows, c=None).trials:
        losses = []
        for number in range(5):
            fit = fit_alone("logistic", rows.take(fold != number), c=c)
            asked = rows.take(fold == number)
            p = probabilities("logistic", fit, asked.features)
            losses.extend(-np.log(p[np.arange(len(asked)), asked.labels]))
        assert loss == pytest.approx(np.mean(losses), abs=2e-3)


def test_copies_are_learnt_from_but_not_asked() -> None:
    rows = blobs([30, 30], noise=1.5, copies=2)
    mislabelled = rows_of(rows.features, np.where(rows.original, rows.labels, 1 - rows.labels), 2,
                          np.arange(180) // 3, rows.original)  # fmt: skip
    losses = [loss for _, _, loss in fit_alone("logistic", mislabelled, c=None).trials]
    assert (
        losses[-1] > 0.75
    )  # the wrong copies, twice as many, were learnt, and the originals asked


def test_where_nothing_can_be_held_out_c_is_1() -> None:
    fit = fit_alone("logistic", blobs([1, 1]), c=None)
    assert (fit.trials, fit.chosen) == ((), {})


def test_no_minimum_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "MOST_STEPS", 1)
    with pytest.raises(HeadError, match=r"no minimum in 1 steps for head\.c 1: take a smaller"):
        fit_alone("logistic", blobs([9, 9], noise=1.0))


def test_a_minimum_is_found_for_each_c_that_is_offered() -> None:
    rows = blobs([50, 50], width=40, noise=0.1)  # separable: nothing but the penalty holds weights
    for c in (*CHOICES, 1e3, 1e5):
        fit_alone("logistic", rows, c=c)
