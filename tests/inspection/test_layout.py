"""The map: neighbours stay neighbours, equal features give equal places, and odd data have one too."""

import numpy as np
import pytest

from pipeline.inspection import layout
from pipeline.inspection.layout import place_images
from tests.heads.examples import blobs, rows_of


def test_most_images_lie_beside_images_of_their_class() -> None:
    rows = blobs([40, 40, 40])
    places = place_images(rows)
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(len(rows))
    assert (rows.labels[apart.argmin(axis=1)] == rows.labels).mean() > 0.9


def test_equal_features_give_equal_places() -> None:
    rows = blobs([60, 60], width=100)  # wider than the components, which are found by chance
    assert np.array_equal(place_images(rows), place_images(rows))


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("width", [1, 2, 9])
def test_few_images_and_narrow_features_have_places(n: int, width: int) -> None:
    features = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    assert np.isfinite(place_images(rows_of(features, np.zeros(n), 1))).all()


def test_images_that_are_all_the_same_lie_in_one_place() -> None:
    places = place_images(rows_of(np.ones((40, 5), np.float32), np.arange(40) % 2))
    assert np.allclose(places, places[0], atol=1e-6)


def test_of_many_images_each_class_has_its_share_on_the_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "MOST", 30)
    rows = blobs([100, 40, 10])
    mapped = np.isfinite(place_images(rows)).all(axis=1)
    assert np.bincount(rows.labels[mapped]).tolist() == [20, 8, 2]
