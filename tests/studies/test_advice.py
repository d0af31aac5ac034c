import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import BackboneError
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import Row
from pipeline.heads.rows import Rows
from pipeline.params import BackboneParams
from pipeline.studies import advice
from pipeline.studies.results import Result
from tests.project import BACKBONE, make_params
from tests.studies.test_study import task_for

SHAPES = [
    ("stem", (None, 112, 112, 32)), ("a", (None, 28, 28, 8)), ("b", (None, 28, 28, 9)),
    ("c", (None, 14, 14, 8)), ("d", (None, 7, 7, 8)), ("e", (None, 8)),
]  # fmt: skip


def test_the_last_layers_of_two_map_sizes_are_chosen() -> None:
    assert advice.choose_layers(SHAPES, 224) == {"early": "b", "middle": "c"}
    with pytest.raises(BackboneError, match="no map of 28 x 28 places"):
        advice.choose_layers(SHAPES[3:], 224)


def random_rows(n: int) -> Rows:
    """Return rows of two classes whose last feature alone tells them apart; the first two are noise.

    All lie far from 0 beside how much they vary, as those of early layers do.
    """
    draw, labels = np.random.default_rng(n), np.arange(n) % 2
    features = draw.normal(size=(n, 3))
    features[:, 2] += 10 * labels
    features += 1e5
    return Rows(
        features=features.astype(np.float32),
        labels=labels,
        groups=np.arange(n).astype("S64"),
        original=np.ones(n, bool),
        classes=2,
    )


def test_each_layer_has_a_probe_and_they_tell_the_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts: list[object] = []

    def look_up(rows: list[Row], extractor: Extractor) -> Mapping[str, Rows]:
        cuts.append(extractor.cut)  # type: ignore[attr-defined]
        return {"train": random_rows(40), "val": random_rows(60)}

    class FakeExtractor:
        widths = (1, 1, 1)

        def __init__(self, name: str, settings: BackboneParams, extract: object) -> None:
            self.cut = (settings.layer, settings.pooling)

    monkeypatch.setattr(advice, "Extractor", FakeExtractor)
    monkeypatch.setattr(advice, "look_up", look_up)
    monkeypatch.setattr(advice, "iterate_rows", lambda dataset: [])
    monkeypatch.setattr(advice, "find_layers", lambda *_: {"early": "b", "middle": "c"})
    task = task_for("pets", BACKBONE, make_params())
    results = list(advice.run(task))
    assert cuts == [(("b", "c", None), "avg")]
    assert [one.recipe for one in results] == ["early layer, b", "middle layer, c", "last layer"]
    assert results[2].accuracy > 0.95 > max(one.accuracy for one in results[:2])
    said = advice.conclude(task, results)
    assert said.startswith("pets is small (20 training images a class) and similar to ImageNet")
    worse = [replace(one, accuracy=0.5) for one in results]
    assert "unlike ImageNet (the last layer avoids 0% of" in advice.conclude(task, worse)


def test_a_network_without_such_maps_has_no_row_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str, settings: BackboneParams) -> None:
        raise BackboneError("the network has no map of 4 x 4 places")

    monkeypatch.setattr(advice, "find_layers", refuse)
    task = task_for("pets", BACKBONE, make_params())
    nothing: list[Result] = []
    with caplog.at_level(logging.WARNING):
        assert list(advice.run(task)) == nothing
    assert f"advice, pets {BACKBONE}: no row: the network has no map of 4 x 4 places" in caplog.text
    assert advice.conclude(task, nothing) == ""


def test_several_networks_side_by_side_have_no_row_and_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    two = {"two": {"network": ["vgg16", "efficientnet_lite0"]}}
    task = task_for("pets", "two", make_params({"backbones": two}))
    with caplog.at_level(logging.WARNING):
        assert not list(advice.run(task))
    assert "advice, pets two: no row: it takes a backbone of one network" in caplog.text


@pytest.mark.slow
def test_the_default_network_has_both_maps() -> None:
    found = advice.find_layers(BACKBONE, BackboneParams())
    assert list(found) == ["early", "middle"]
    assert all(name.startswith("block") for name in found.values())
