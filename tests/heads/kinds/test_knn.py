"""Kind `knn`: scikit-learn finds the same neighbours."""

import numpy as np
import pytest

from pipeline.heads import steps
from tests.heads.examples import blobs, fit_alone, probabilities, rows_of


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("at_once", [7, 256])
def test_scikit_learn_gives_the_same_probabilities(
    at_once: int, temperature: float, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sklearn = pytest.importorskip("sklearn.neighbors")
    monkeypatch.setattr(steps, "AT_ONCE", at_once)
    rows, asked = blobs([60, 25, 10], noise=1.5), blobs([20, 20, 20], noise=1.5, seed=1)
    other = sklearn.KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda far: np.exp((1 - far) / temperature)
    ).fit(rows.features.astype(np.float64), rows.labels)
    expected = other.predict_proba(asked.features.astype(np.float64))
    settings = {"k": k, "temperature": temperature}
    found = probabilities("knn", fit_alone("knn", rows, **settings), asked.features, **settings)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_neighbours_are_originals_and_the_first_of_equals_counts() -> None:
    features = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float16)
    rows = rows_of(features, np.array([0, 1, 1, 2]), original=[False, True, True, True])
    fit = fit_alone("knn", rows, k=1)
    assert fit.tensors["neighbours"].shape == (3, 2)
    assert probabilities("knn", fit, np.array([[1, 0.1]], np.float16), k=1).argmax() == 1


def test_more_neighbours_than_images_are_all_images() -> None:
    rows = blobs([3, 2])
    settings = {"k": 1000, "temperature": 100.0}
    found = probabilities("knn", fit_alone("knn", rows, **settings), rows.features, **settings)
    np.testing.assert_allclose(found, [[0.6, 0.4]] * 5, atol=0.01)


def test_a_row_of_zeros_is_answered() -> None:
    rows = blobs([5, 5])
    found = probabilities("knn", fit_alone("knn", rows), np.zeros((1, 6), np.float16))
    np.testing.assert_allclose(found.sum(), 1)


def test_a_very_cold_vote_overflows_nothing() -> None:
    rows = blobs([5, 5])
    found = probabilities(
        "knn", fit_alone("knn", rows, temperature=1e-9), rows.features, temperature=1e-9
    )
    assert (found.argmax(axis=1) == rows.labels).all()
