import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.studies.learning import (
    Course,
    Examples,
    Part,
    _batches,
    ask_network,
    to_result,
    train_network,
)

# Three originals, of which the second has no copy and the last has two.
EXAMPLES = Examples(
    inputs=np.random.default_rng(0).random((6, 4), np.float32),
    labels=np.array([0, 0, 1, 0, 0, 0]),
    classes=2,
    first=np.array([0, 2, 3]),
    variants=np.array([2, 1, 3]),
)


def test_an_epoch_has_each_original_once_as_itself_and_then_as_its_copies_in_turn() -> None:
    course = Course(epochs=4, least_steps=1, batch_size=2, seed=1)
    batches = list(_batches(EXAMPLES, course, course.steps(3)))
    assert [len(one) for one in batches] == [2, 1] * 4
    epochs = np.concatenate(batches).reshape(4, 3)
    assert [sorted(one) for one in epochs.tolist()] == [[0, 2, 3], [1, 2, 4], [0, 2, 5], [1, 2, 3]]
    assert len({tuple(one - one.min()) for one in epochs}) > 1, "in another order each time"


def test_some_originals_come_with_their_copies_alone() -> None:
    some = EXAMPLES.take(np.array([0, 2]))
    rows = np.concatenate(
        list(_batches(some, Course(epochs=3, least_steps=1, batch_size=9, seed=1), 3))
    )
    assert set(rows.tolist()) == {0, 1, 3, 4, 5}
    assert some.images_a_class == 1


@pytest.mark.parametrize(
    ("originals", "steps"), [(64, 6), (65, 9), (5, 5), (1, 5)], ids=lambda value: str(value)
)
def test_few_images_are_passed_over_more_often(originals: int, steps: int) -> None:
    assert Course(epochs=3, least_steps=5, batch_size=32, seed=0).steps(originals) == steps


def trained(seed: int) -> list[NDArray[np.float32]]:
    """Return the weights of a network of two layers, of which the last learned."""
    import keras

    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    part = Part(variables=network.layers[-1].trainable_weights, rate=0.1)
    course = Course(epochs=5, least_steps=1, batch_size=2, seed=seed)
    before = network.get_weights()
    train_network(network, [part], EXAMPLES, course)
    after: list[NDArray[np.float32]] = network.get_weights()
    assert all(np.array_equal(one, two) for one, two in zip(before[:2], after[:2], strict=True))
    assert not np.array_equal(before[2], after[2])
    probabilities = ask_network(network, EXAMPLES.inputs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    result = to_result("a", EXAMPLES, seed, None, probabilities, EXAMPLES)
    assert (result.n, result.images_a_class, result.seconds) == (6, 1.5, None)
    return after


def test_the_same_seed_gives_the_same_weights_and_only_parts_learn() -> None:
    first, same, other = trained(1), trained(1), trained(2)
    assert all(np.array_equal(one, two) for one, two in zip(first, same, strict=True))
    assert not np.array_equal(first[2], other[2])
