"""Images unlike their class are the furthest, also when there are several of a kind."""

import numpy as np
import pytest

from pipeline.heads.rows import Rows
from pipeline.inspection import outliers
from pipeline.inspection.outliers import mark_outliers, measure_outliers
from tests.heads.examples import rows_of


def clusters(sizes: list[int], labels: list[int], width: int = 8, seed: int = 0) -> Rows:
    """Return directions around one axis a cluster; clusters may share a label."""
    which = np.repeat(np.arange(len(sizes)), sizes)
    x = 3 * np.eye(width)[which] + np.random.default_rng(seed).normal(0, 0.3, (len(which), width))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return rows_of(x.astype(np.float32), np.array(labels)[which])


def test_images_of_something_else_are_the_furthest_also_if_ten_look_alike() -> None:
    rows = clusters([60, 60, 10], [0, 1, 0])
    distances = measure_outliers(rows)
    assert set(np.argsort(-distances)[:10]) == set(range(120, 130))
    marked = mark_outliers(distances, rows.labels)
    assert marked[120:].all()
    assert marked[:120].sum() <= 3


def test_one_odd_image_of_a_small_class_makes_the_others_no_odder() -> None:
    rows = clusters([6, 1, 20], [0, 0, 1])
    distances = measure_outliers(rows)
    assert distances.argmax() == 6
    assert distances[6] > 5 * distances[:6].max()


def test_near_duplicates_do_not_make_an_image_usual() -> None:
    rows = clusters([60, 25], [0, 0])
    groups = np.minimum(np.arange(85), 60)
    twins = rows_of(rows.features, rows.labels, 1, groups)
    assert measure_outliers(twins)[60:].min() > measure_outliers(twins)[:60].max()


def test_of_a_large_class_some_images_tell_what_is_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters([200, 4, 60], [0, 0, 1])
    known, find = [], outliers.find_nearest
    monkeypatch.setattr(
        outliers, "find_nearest", lambda *args: known.append(len(args[1])) or find(*args)
    )
    monkeypatch.setattr(outliers, "MOST_KNOWN", 70)
    distances = measure_outliers(rows)
    assert known == [70, 60]
    assert set(np.argsort(-distances)[:4]) == set(range(200, 204))


@pytest.mark.parametrize(
    ("labels", "groups"), [([0, 1], [0, 1]), ([0, 0, 1], [0, 0, 1]), ([0, 0, 1, 1], [0, 1, 2, 3])]
)
def test_a_class_of_one_or_of_equal_images_has_no_outliers(
    labels: list[int], groups: list[int]
) -> None:
    rows = rows_of(np.ones((len(labels), 1), np.float32), np.array(labels), 2, groups)
    distances = measure_outliers(rows)
    assert distances.tolist() == [0] * len(labels)
    assert not mark_outliers(distances, rows.labels).any()
