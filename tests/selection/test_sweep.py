"""A head of a block is the head trained alone; one that diverges takes no other with it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import HeadError
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.training import Recipe, fit_head
from pipeline.selection.sweep import (
    BLOCK_WEIGHTS,
    MOST_TOGETHER,
    fit_block,
    make_blocks,
    score_recipes,
)
from tests.sample_features import rows_of
from tests.selection.test_crossvalidation import recipe

DIVERGING = 1e200


def recipes_of(kind: str, **changes: object) -> list[Recipe]:
    """Return recipes that differ in all that heads of one block may differ in."""
    dropouts = (0.0, 0.5) if kind == "mlp" else (0.0,)
    return [
        recipe(kind=kind, units=8, learning_rate=rate, l2=l2, dropout=dropout, **changes)
        for rate in (1e-3, 1e-2)
        for l2 in (0.0, 1e-2)
        for dropout in dropouts
    ]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_a_head_of_a_block_is_the_head_trained_alone(
    kind: str, scaling: str, optimizer: str
) -> None:
    rows = rows_of(30, classes=3, width=40)
    block = tuple(recipes_of(kind, scaling=scaling, optimizer=optimizer, epochs=5))
    with one_blas_thread():
        together = fit_block(rows, block)
    for head, own in zip(together, block, strict=True):
        alone = fit_head(rows, own).head
        assert head.settings == alone.settings
        assert head.tensors.keys() == alone.tensors.keys()
        for name, values in alone.tensors.items():
            np.testing.assert_array_equal(head.tensors[name], values)


def test_blocks_hold_every_recipe_once_and_only_what_can_share_batches() -> None:
    recipes = [*recipes_of("mlp"), *recipes_of("linear"), recipe(kind="lda"), recipe(kind="knn")]
    recipes += [replace(one, seed=8) for one in recipes_of("linear")]
    recipes += recipes_of("mlp", batch_size=4)
    blocks = make_blocks(recipes, width=6, classes=2)
    assert sorted(map(repr, (one for block in blocks for one in block))) == sorted(
        map(repr, recipes)
    )
    assert sorted(len(block) for block in blocks) == [1, 1, 4, 4, 8, 8]


def test_blocks_are_small_enough_for_memory_and_alike_in_size() -> None:
    many = [recipe(kind="linear", l2=number / 1000) for number in range(200)]
    assert [len(block) for block in make_blocks(many, 6, 2)] == [50] * 4
    assert max(len(block) for block in make_blocks(many, 6, 2)) <= MOST_TOGETHER
    wide = BLOCK_WEIGHTS // 8
    assert {len(block) for block in make_blocks(many, wide, 2)} == {2, 3}
    assert {len(block) for block in make_blocks(many, BLOCK_WEIGHTS, 2)} == {1}


def scores_of(recipes: Sequence[Recipe], groups: int = 20, folds: int = 2) -> dict[Recipe, object]:
    blocks = list(score_recipes(rows_of(groups), recipes, folds, 7))
    return {one: score for block in blocks for one, score in block}


def test_a_score_does_not_depend_on_what_is_tried_beside_it() -> None:
    recipes = [*recipes_of("linear"), recipe(kind="centroid")]
    together = scores_of(recipes)
    assert list(together) == recipes
    for one in recipes:
        assert scores_of([one]) == {one: together[one]}


def test_a_head_that_diverges_has_a_fault_and_the_others_their_scores() -> None:
    good = recipes_of("mlp", optimizer="sgd")
    bad = [replace(good[0], own=good[0].own.model_copy(update={"learning_rate": DIVERGING}))]
    scores = scores_of([good[0], *bad, *good[1:]])
    assert "diverged" in scores[bad[0]].fault  # type: ignore[attr-defined]
    assert {one: scores[one] for one in good} == scores_of(good)


def test_without_images_to_hold_out_it_says_so() -> None:
    with pytest.raises(HeadError, match="of 8 training images none can be held out in 2 folds"):
        scores_of([recipe()], groups=2)
