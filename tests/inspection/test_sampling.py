"""Of many images some are drawn, of each class its share, and always the same."""

import numpy as np

from pipeline.inspection.sampling import draw_evenly


def test_of_few_images_all_are_drawn_in_order() -> None:
    assert draw_evenly(np.array([1, 0, 2, 2]), 4).tolist() == [0, 1, 2, 3]
    assert draw_evenly(np.array([1, 0, 2, 2]), 9).tolist() == [0, 1, 2, 3]
    assert draw_evenly(np.array([], np.int64), 9).tolist() == []


def test_each_class_has_its_share() -> None:
    labels = np.repeat([0, 1, 3], [600, 300, 90])
    drawn = draw_evenly(labels, 99)
    assert (np.diff(drawn) > 0).all()
    assert np.abs(np.bincount(labels[drawn]) - [60, 30, 0, 9]).max() <= 1
    assert draw_evenly(labels, 99).tolist() == drawn.tolist()
