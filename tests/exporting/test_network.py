"""A backbone with its head in Keras: it says what the head in NumPy says of the backbone's features."""

import inspect
from dataclasses import is_dataclass

import numpy as np
import pytest

from pipeline.exporting.network import LAYERS, build_network
from pipeline.heads import steps
from tests.exporting.tiny import TinyBackbone, fit, pixels_of
from tests.heads.examples import KINDS

PIXELS, _ = pixels_of(30, seed=1)


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_the_head_says(kind: str, scaling: str) -> None:
    backbone = TinyBackbone()
    head = fit(backbone, kind, scaling)
    assert head.temperature != 1
    expected = head.probabilities(backbone.model(PIXELS).numpy())
    found = build_network(backbone, head)(PIXELS).numpy()  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, atol=5e-6)
    assert expected.std() > 0.1  # it does not say the same of all


def test_features_that_are_maps_are_taken() -> None:
    backbone = TinyBackbone(is_map=True)
    head = fit(backbone, "mlp", units=[8, 4])
    maps = backbone.model(PIXELS).numpy()
    assert maps.shape == (30, 2, 2, 3)
    found = build_network(backbone, head)(PIXELS).numpy()  # type: ignore[arg-type]
    np.testing.assert_allclose(found, head.probabilities(maps), atol=5e-6)


def test_every_step_of_heads_has_its_layers() -> None:
    own = [one for _, one in inspect.getmembers(steps, is_dataclass) if hasattr(one, "apply")]
    assert set(LAYERS) == {one for one in own if one.__module__ == steps.__name__}
