"""Fine-tuning, with a network that is built in no time and an engine that really runs."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.backbones.backbone import Backbone
from pipeline.errors import FeaturesError, StudyError
from pipeline.extraction import extractor
from pipeline.heads.training import Recipe, fit_head, measure
from pipeline.params import Params
from pipeline.studies import finetune, learning_curve
from pipeline.studies.images import load_pixels, read_images
from pipeline.studies.tuning import Tuner
from tests.project import make_params
from tests.studies.coloured import TINY, place_coloured, task_of


@pytest.fixture(scope="module")
def tuner(tiny_project: Params) -> Tuner:
    return Tuner(task_of(tiny_project, TINY, finetune={"learning_rate": 1e-2}))


def learned(tuner: Tuner, params: Params, depth: int | str) -> set[str]:
    """Return the layers whose weights are others after the last blocks have learned."""
    head = fit_head(tuner.rows["train"], Recipe.of(params.head)).head
    found = tuner.examples(depth)
    before = weights_of(tuner)
    result = tuner.measure(depth, head, found["train"], found["val"], seed=1)
    assert result.n == 8
    after = weights_of(tuner)
    return {name for name in before if not same(before[name], after[name])}


def weights_of(tuner: Tuner) -> dict[str, list[NDArray[np.float32]]]:
    tuner_network = next(layer for layer in tuner.blocks.whole.layers if hasattr(layer, "layers"))
    return {layer.name: layer.get_weights() for layer in tuner_network.layers}


def same(ones: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, set()),
        (1, {"last_filter"}),
        (2, {"last_filter", "second_filter"}),
        ("all", {"last_filter", "second_filter", "first_filter", "stem_filter"}),
    ],
)
def test_the_last_blocks_learn_and_neither_those_below_nor_any_batchnorm(
    depth: int | str, expected: set[str], tuner: Tuner, tiny_project: Params
) -> None:
    tuner.blocks.restore()
    assert learned(tuner, tiny_project, depth) == expected


def test_without_a_block_it_is_the_cached_head(tuner: Tuner, tiny_project: Params) -> None:
    head = fit_head(tuner.rows["train"], Recipe.of(tiny_project.head)).head
    found = tuner.examples(0)
    result = tuner.measure(0, head, found["train"], found["val"], seed=1)
    log_loss, accuracy = measure(head, tuner.rows["val"])
    assert result.log_loss == pytest.approx(log_loss, abs=1e-5)
    assert result.accuracy == accuracy


@pytest.mark.slow
def test_every_depth_begins_where_the_head_is(tuner: Tuner, tiny_project: Params) -> None:
    still = Tuner(task_of(tiny_project, TINY, finetune={"learning_rate": 1e-12}))
    head = fit_head(still.rows["train"], Recipe.of(tiny_project.head)).head
    expected, _ = measure(head, still.rows["val"])
    for depth in (1, 2, "all"):
        found = still.examples(depth)
        result = still.measure(depth, head, found["train"], found["val"], seed=1)
        assert result.log_loss == pytest.approx(expected, abs=1e-4), depth


@pytest.mark.slow
def test_blocks_further_back_learn_more_slowly(tuner: Tuner, tiny_project: Params) -> None:
    slow = Tuner(task_of(tiny_project, TINY, finetune={"learning_rate": 1e-2, "rate_decay": 1e-2}))
    moved = {}
    for one in (tuner, slow):
        one.blocks.restore()
        before = weights_of(one)
        learned(one, tiny_project, "all")
        after = weights_of(one)
        moved[one] = [
            float(np.abs(after[f"{name}_filter"][0] - before[f"{name}_filter"][0]).max())
            for name in ("last", "second", "first")
        ]
    assert all(far / near > 2e-2 for near, far in zip(moved[tuner], moved[tuner][1:], strict=False))
    assert all(far / near < 5e-2 for near, far in zip(moved[slow], moved[slow][1:], strict=False))


def test_maps_are_those_of_the_backbone_cut_there_row_for_row(
    tuner: Tuner, tiny_project: Params
) -> None:
    pixels = load_pixels(read_images("pets")["train"], 32)
    for depth, layer in ((1, "second"), (2, "first")):
        cut = {"layer": layer, "pooling": None}
        backbone = Backbone(TINY, tiny_project.backbone(TINY).model_copy(update=cut))
        found = tuner.examples(depth)["train"].inputs
        np.testing.assert_allclose(found, backbone.model(pixels).numpy(), atol=1e-4)


def test_maps_stay_in_the_store_so_that_no_image_is_looked_at_twice(
    tuner: Tuner, tiny_project: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tuner.examples(2)["val"].inputs

    def refuse(*_: object) -> None:
        raise AssertionError("no engine is needed")

    monkeypatch.setattr(extractor, "open_engine", refuse)
    again = Tuner(task_of(tiny_project, TINY))
    assert np.array_equal(again.examples(2)["val"].inputs, expected)
    assert len(again.examples(1)["train"].inputs) == 32


@pytest.mark.slow
def test_the_study_has_a_row_for_each_depth(tiny_project: Params) -> None:
    results = list(finetune.run(task_of(tiny_project, TINY)))
    assert [result.recipe.partition(", ")[2] for result in results] == [
        "no block", "last block", "last 2 blocks", "all blocks",
    ]  # fmt: skip
    assert {(result.images_a_class, result.n, result.seed) for result in results} == {(8, 8, 7)}


def test_features_of_other_images_or_copies_are_refused(tiny_project: Params) -> None:
    try:
        place_coloured({"train": 7, "val": 4})
        with pytest.raises(FeaturesError, match="is of the images as they were"):
            Tuner(task_of(tiny_project, TINY))
        place_coloured({"train": 8, "val": 4}, copies=2)
        with pytest.raises(StudyError, match="are of other copies than there are now in train"):
            Tuner(task_of(tiny_project, TINY))
    finally:
        place_coloured({"train": 8, "val": 4})


@pytest.mark.parametrize("study", [finetune, learning_curve])
def test_a_backbone_of_several_networks_has_no_rows_and_is_told_why(
    study: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    params = make_params({"backbones.two": {"network": ["vgg16", "vgg19"], "weights": "random"}})
    assert list(study.run(task_of(params, "two"))) == []
    assert "two is made of several networks" in caplog.text
