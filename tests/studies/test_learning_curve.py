import numpy as np
import pytest

from pipeline.params import Params
from pipeline.studies import learning_curve
from pipeline.studies.images import read_images
from pipeline.studies.learning_curve import draw_images, list_sizes
from tests.studies.coloured import TINY, task_of


def test_subsets_are_nested_and_have_so_many_of_each_class(tiny_project: Params) -> None:
    train = read_images("pets")["train"]
    images = train.take(train.originals)
    smaller: set[int] = set()
    for size in (1, 3, 5, 8, 9):
        drawn = draw_images(images, size, seed=7)
        assert np.bincount(images.labels[drawn]).tolist() == [min(size, 8)] * 2
        assert smaller <= set(drawn.tolist())
        smaller = set(drawn.tolist())
    assert set(draw_images(images, 3, seed=8)) != set(draw_images(images, 3, seed=7))


def test_what_is_drawn_depends_on_the_images_alone_not_on_their_order(
    tiny_project: Params,
) -> None:
    train = read_images("pets")["train"]
    images = train.take(train.originals)
    turned = images.take(np.arange(len(images))[::-1])
    names = {images.rows[place].path for place in draw_images(images, 3, 7)}
    assert {turned.rows[place].path for place in draw_images(turned, 3, 7)} == names


def test_sizes_end_with_as_many_as_there_are(tiny_project: Params) -> None:
    train = read_images("pets")["train"]
    images = train.take(train.originals)
    assert list_sizes((5, 2, 8, 100, 2), images) == [2, 5, 8]
    uneven = images.take(np.arange(13))
    assert list_sizes((2, 6, 7), uneven) == [2, 8]


@pytest.mark.slow
def test_three_ways_learn_from_each_size(tiny_project: Params) -> None:
    task = task_of(tiny_project, TINY, scratch={"epochs": 1, "least_steps": 1})
    results = list(learning_curve.run(task))
    ways = ("scratch", "bottleneck", "fine-tuned, last block")
    assert [(one.recipe, one.images_a_class, one.seed) for one in results] == [
        (way, size, 7) for size in (2, 8) for way in ways
    ]
    assert {one.n for one in results} == {8}
