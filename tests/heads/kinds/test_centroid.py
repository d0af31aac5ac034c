"""Kind `centroid`: scikit-learn names the same class, and scores are distances by hand."""

import numpy as np
import pytest

from pipeline.heads.kind import known_kinds
from pipeline.heads.steps import apply_steps
from tests.heads.examples import blobs, fit_alone, own, probabilities


@pytest.mark.parametrize("sizes", [[60, 25], [40, 25, 30, 12, 9]])
def test_scikit_learn_names_the_same_class(sizes: list[int]) -> None:
    sklearn = pytest.importorskip("sklearn.neighbors")
    rows = blobs(sizes, noise=1.5)
    x = rows.features.astype(np.float64)
    x -= np.mean([x[rows.labels == label].mean(axis=0) for label in range(len(sizes))], axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    expected = sklearn.NearestCentroid().fit(x, rows.labels).predict(x)
    found = probabilities("centroid", fit_alone("centroid", rows), rows.features).argmax(axis=1)
    assert (found == expected).all()
    assert (found != rows.labels).any()  # not so easy that anything would do


def test_scores_differ_as_minus_the_squared_distances() -> None:
    rows = blobs([30, 20, 10], noise=1.0)
    fit = fit_alone("centroid", rows)
    steps = known_kinds()["centroid"].steps(fit.tensors, own("centroid"))
    scores = apply_steps(steps, rows.features.astype(float))
    x = rows.features.astype(float) - fit.tensors["centre"]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    means = np.stack([x[rows.labels == label].mean(axis=0) for label in range(3)])
    expected = -((x[:, None] - means) ** 2).sum(axis=2)
    np.testing.assert_allclose(scores - scores[:, :1], expected - expected[:, :1], atol=1e-12)
