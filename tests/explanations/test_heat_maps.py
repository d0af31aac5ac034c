"""Heat maps for the report: of what a head gets wrong, bounded, the same each time; or why none."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.explanations import heat_maps as module
from pipeline.explanations.explainer import open_explainer
from pipeline.explanations.heat_maps import draw_heat_maps
from pipeline.explanations.overlay import overlay
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.predictions_file import read_predictions
from pipeline.reporting.prediction_gallery import PredictionGallery, build_prediction_gallery
from pipeline.stages import train
from tests.fakes import use_maps_of_colours, use_mean_colour
from tests.inspected import knowledge_of
from tests.project import BACKBONE
from tests.trained_project import make_trained

LOSSY = 30  # of 255, what WebP changes in the mean of a colour at most


def make_project(folder: Path, patch: pytest.MonkeyPatch, classes: tuple[str, ...]) -> Params:
    """Leave a project with a head on mean colours, and an engine that gives maps of these."""
    params = make_trained(folder, patch, classes=classes)
    use_maps_of_colours(patch)
    return params


def gallery_of_wrong_answers() -> PredictionGallery:
    """Return the page's images where each label is that of the next class."""
    table = read_predictions(paths.predictions_file("pets", BACKBONE))
    labels = (table.predicted_labels() + 1) % len(table.classes)
    table = replace(table, labels=labels)
    return build_prediction_gallery(knowledge_of(table))


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return make_project(tmp_path / "project", monkeypatch, ("cat", "dog"))


def test_of_two_classes_a_wrong_answer_has_the_map_of_the_one_that_the_head_says(
    params: Params,
) -> None:
    gallery = gallery_of_wrong_answers()
    found = draw_heat_maps(gallery, "pets", BACKBONE, params)
    assert (found.wrong, found.lacking) == (12, "")
    assert len(found.of) == 12
    explainer = open_explainer("pets", BACKBONE, params)
    for sha256, (one,) in found.of.items():
        image = gallery.images[sha256]
        assert one.name == image.predicted
        data = (paths.split_folder("pets") / image.path).read_bytes()
        evidence = explainer.class_maps(explainer.see(data)).evidence(
            explainer.classes.index(image.predicted)
        )
        assert near(one.picture.webp, overlay(decode_square(data, 32), evidence))


def near(webp: bytes, pixels: np.ndarray) -> bool:
    """Tell whether a picture shows these pixels, but for what its format loses."""
    shown = np.asarray(Image.open(io.BytesIO(webp)))
    return shown.shape == pixels.shape and bool(
        np.abs(shown.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))).max() < LOSSY
        and np.corrcoef(shown.ravel(), pixels.ravel())[0, 1] > 0.9
    )


def test_of_more_classes_it_has_a_second_one_of_its_label_in_the_same_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path / "project", monkeypatch, ("cat", "dog", "eel"))
    drawn: list[tuple[float, float]] = []

    def watch(pixels: np.ndarray, evidence: np.ndarray, largest: float) -> np.ndarray:
        drawn.append((float(np.abs(evidence).max()), largest))
        return overlay(pixels, evidence, largest)

    monkeypatch.setattr(module, "overlay", watch)
    gallery = gallery_of_wrong_answers()
    found = draw_heat_maps(gallery, "pets", BACKBONE, params)
    for sha256, maps in found.of.items():
        image = gallery.images[sha256]
        assert [one.name for one in maps] == [image.predicted, image.label]
    pairs = list(zip(drawn[::2], drawn[1::2], strict=True))
    assert len(pairs) == len(found.of) > 0
    assert all(a[1] == b[1] == max(a[0], b[0]) for a, b in pairs)


def test_a_second_run_gives_the_same_bytes(params: Params) -> None:
    gallery = gallery_of_wrong_answers()
    first, second = (draw_heat_maps(gallery, "pets", BACKBONE, params) for _ in range(2))
    assert first == second


def test_only_so_many_have_one_and_how_many_are_wrong_is_told(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_EXPLAINED", 3)
    found = draw_heat_maps(gallery_of_wrong_answers(), "pets", BACKBONE, params)
    assert (found.wrong, len(found.of)) == (12, 3)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("kind", "knn", r"kind knn compares whole images.*params\.yaml, head\.kind"),
        ("fit_on", "all", r"fitted to all images.*its twin.*params\.yaml, head\.fit_on"),
    ],
)
def test_a_head_without_maps_of_these_answers_says_why(
    params: Params, setting: str, value: str, message: str
) -> None:
    head = params.head.model_copy(update={setting: value})
    params = params.model_copy(update={"head": head})
    use = pytest.MonkeyPatch()
    use_mean_colour(use)
    train.run("pets", BACKBONE, params)
    use.undo()
    found = draw_heat_maps(gallery_of_wrong_answers(), "pets", BACKBONE, params)
    assert (found.wrong, found.of) == (12, {})
    assert re.search(message, found.lacking)


def test_a_layer_behind_the_pooling_is_told_and_breaks_nothing(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mean_colour(monkeypatch)
    found = draw_heat_maps(gallery_of_wrong_answers(), "pets", BACKBONE, params)
    assert "expected a map" in found.lacking
    assert found.of == {}


def test_an_image_that_is_gone_is_named(params: Params) -> None:
    gallery = gallery_of_wrong_answers()
    path = paths.split_folder("pets") / gallery.images[gallery.mistakes[1]].path
    path.unlink()
    with pytest.raises(PipelineError, match=rf"cannot show {path}: .*No such file"):
        draw_heat_maps(gallery, "pets", BACKBONE, params)


def test_a_network_that_cannot_be_built_is_an_error_of_its_own(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no weights here")

    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", fail)
    with pytest.raises(OSError, match=r"^no weights here$"):
        draw_heat_maps(gallery_of_wrong_answers(), "pets", BACKBONE, params)
