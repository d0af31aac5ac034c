"""Kind `lda`: scikit-learn finds the same."""

import numpy as np
import pytest

from pipeline.errors import HeadError
from pipeline.heads import rows as rows_module
from pipeline.heads.kinds import lda
from tests.heads.examples import blobs, fit_alone, probabilities


@pytest.mark.parametrize("shrinkage", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("sizes", [[60, 25], [40, 25, 30, 12, 9]])
@pytest.mark.parametrize("block_values", [50, 1 << 21])
def test_scikit_learn_gives_the_same_probabilities(
    block_values: int, sizes: list[int], shrinkage: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sklearn = pytest.importorskip("sklearn.discriminant_analysis")
    monkeypatch.setattr(rows_module, "BLOCK_VALUES", block_values)
    rows = blobs(sizes, noise=1.0)
    x = rows.features.astype(np.float64) * [1, 10, 0.1, 1, 1, 5]
    rows = rows_module.Rows(features=x.astype(np.float32), labels=rows.labels, groups=rows.groups,
                            original=rows.original, classes=rows.classes)  # fmt: skip
    x = rows.features.astype(np.float64)
    asked = "auto" if shrinkage is None else shrinkage
    other = sklearn.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=asked).fit(x, rows.labels)
    fit = fit_alone("lda", rows, shrinkage=shrinkage)
    found = probabilities("lda", fit, rows.features)
    np.testing.assert_allclose(found, other.predict_proba(x), atol=1e-6)


def test_features_of_more_numbers_than_rows_are_separated() -> None:
    rows = blobs([9, 9], width=50)
    for shrinkage in (None, 0.1):
        p = probabilities("lda", fit_alone("lda", rows, shrinkage=shrinkage), rows.features)
        assert (p.argmax(axis=1) == rows.labels).all()


def test_features_too_wide_for_a_covariance_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lda, "WIDEST", 5)
    with pytest.raises(HeadError, match=r"at most 5 numbers, found 6: set the backbone's pooling"):
        fit_alone("lda", blobs([9, 9]))
