"""What makes class maps: refused where there are none, and where the head is of other features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import HeadError, NoClassMap
from pipeline.explanations.explainer import open_explainer
from pipeline.heads.saving import read_head
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.stages import train
from tests.fakes import Quadrants, use_mean_colour
from tests.project import BACKBONE, draw_image, make_params
from tests.trained_project import make_trained


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project with a head on mean colours, and an engine that gives the map of these."""
    params = make_trained(tmp_path / "project", monkeypatch)
    use_mean_colour(monkeypatch, Quadrants())
    return params


def test_the_maps_add_up_to_the_scores_that_the_head_gives_the_image(params: Params) -> None:
    explainer = open_explainer("pets", BACKBONE, params)
    seen = explainer.see(draw_image(0))
    found = explainer.class_maps(seen)
    np.testing.assert_array_equal(seen, decode_square(draw_image(0), 32))
    head = read_head(paths.model_folder("pets", BACKBONE)).head()
    scores = head.scores(Quadrants.features_of(seen[None]).mean(axis=(1, 2)))[0]
    np.testing.assert_allclose(found.maps.sum(axis=(0, 1)) + found.bias, scores, atol=1e-4)


def test_a_head_of_other_features_is_refused(params: Params) -> None:
    other = params.model_copy(
        update={"extract": params.extract.model_copy(update={"dtype": "float16"})}
    )
    with pytest.raises(
        HeadError, match=r"pets/efficientnet_lite0 was .* another fingerprint: dtype"
    ):
        open_explainer("pets", BACKBONE, other)


def test_a_head_that_compares_whole_images_has_no_map(params: Params) -> None:
    settings = params.head.model_copy(update={"kind": "knn"})
    train.run("pets", BACKBONE, params.model_copy(update={"head": settings}))
    assert paths.model_folder("pets", BACKBONE).is_dir()
    with pytest.raises(NoClassMap, match=r"kind knn compares whole images.*head\.kind"):
        open_explainer("pets", BACKBONE, params)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pooling", "max", "pooling max keeps"),
        ("layer", ["head", None], "several layers"),
        ("network", ["vgg16", "vgg19"], "several networks"),
    ],
)
def test_features_without_places_have_no_map(key: str, value: Any, message: str) -> None:
    params = make_params({f"backbones.{BACKBONE}.{key}": value})
    with pytest.raises(NoClassMap, match=message):
        open_explainer("pets", BACKBONE, params)


def test_a_layer_behind_the_pooling_has_no_map(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mean_colour(monkeypatch)
    explainer = open_explainer("pets", BACKBONE, params)
    with pytest.raises(NoClassMap, match=r"gives \(3,\), expected a map"):
        explainer.class_maps(explainer.see(draw_image(0)))
