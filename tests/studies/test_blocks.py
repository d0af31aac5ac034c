"""Where networks are cut; how what is behind a cut learns, test_tuning tells."""

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.errors import StudyError
from pipeline.params import BackboneParams
from pipeline.studies.blocks import Blocks

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def blocks_of(network: str, layer: str | tuple[str | None, ...] | None = None) -> Blocks:
    settings = BackboneParams(input_size=64, weights="random", layer=layer)
    return Blocks(network, Backbone(network, settings).model)


@pytest.mark.slow
def test_a_block_holds_one_filter_and_cuts_lie_where_least_passes_on() -> None:
    lite = blocks_of("efficientnet_lite0")
    assert len(lite) == 17
    assert [lite.cut_below(blocks) for blocks in (1, 2, 4, 16)] == [
        "block14_add", "block13_add", "block11_project_bn", "stem_activation",
    ]  # fmt: skip


@pytest.mark.slow
def test_every_weight_but_batchnorm_s_is_in_one_block() -> None:
    lite = blocks_of("efficientnet_lite0")
    found = [weight.path for block in lite.variables() for weight in block]
    expected = [one.path for one in lite.whole.trainable_weights if "_bn/" not in one.path]
    assert sorted(found) == sorted(expected)
    last, before, *_ = lite.variables()
    assert {weight.path.split("/")[-2] for weight in last} == {
        "block15_expand", "block15_depthwise", "block15_project", "head",
    }  # fmt: skip
    assert all("block14" in weight.path for weight in before)


@pytest.mark.parametrize("layer", [None, ("block14_add", None), "block10_add"])
def test_what_is_below_and_behind_a_cut_is_the_whole(
    layer: str | tuple[str | None, ...] | None,
) -> None:
    lite = blocks_of("efficientnet_lite0", layer)
    rng = np.random.default_rng(1)
    lite.whole.set_weights([rng.uniform(0.3, 0.6, one.shape) for one in lite.whole.get_weights()])
    deep, near = lite.behind(3), lite.behind(1)
    maps = rng.random((2, *deep.input.shape[1:]), np.float32)
    np.testing.assert_allclose(near(lite.between(3, 1)(maps)), deep(maps), rtol=1e-4)
    assert deep.output.shape == lite.whole.output.shape


def test_more_blocks_than_there_are_below_something_are_refused() -> None:
    with pytest.raises(StudyError, match=r"lite0 has 17 blocks.*expected 16 at most, or all"):
        blocks_of("efficientnet_lite0").behind(17)


@pytest.mark.long
@pytest.mark.parametrize(
    ("network", "count", "last"),
    [
        ("convnexttiny", 5, "convnext_tiny_downsampling_block_2"),
        ("densenet121", 59, "conv5_block15_concat"),
        ("efficientnetb0", 17, "block6d_add"),
        ("efficientnetv2b0", 22, "block6g_add"),
        ("mobilenet", 14, "conv_dw_12_relu"),
        ("mobilenetv2", 18, "block_15_add"),
        ("mobilenetv3small", 12, "expanded_conv_9_add"),
        ("nasnetmobile", 2, "stem_bn1"),
        ("resnet50", 17, "conv5_block2_out"),
        ("resnet50v2", 17, "conv5_block2_out"),
        ("vgg16", 13, "block5_conv2"),
    ],
)
def test_every_family_is_cut_in_so_many_blocks(network: str, count: int, last: str) -> None:
    found = blocks_of(network)
    assert (len(found), found.cut_below(1)) == (count, last)
    assert found.behind(1).output.shape == found.whole.output.shape
