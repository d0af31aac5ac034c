"""Explaining: what each place adds to a score, exactly, and pictures of it for the images that are asked."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.errors import BackboneError, HeadError, ImageError
from pipeline.extraction.extractor import Extractor
from pipeline.heads.head import Head
from pipeline.heads.rows import Scaler
from pipeline.heads.training import fit_head
from pipeline.imagenet.classes import wordnet_ids
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.sources.drawn import draw
from pipeline.stages import train
from pipeline.tools import explain
from pipeline.tools.explain import class_maps, explain_answers, linear_at
from pipeline.tools.predict import Answer
from pipeline.tools.zero_shot import read_classifier
from tests.fakes import MeanColour
from tests.heads.examples import blobs, own, recipe
from tests.project import BACKBONE, draw_image, make_params
from tests.trained_project import make_trained

MAPS = np.random.default_rng(5).normal(1, 2, (3, 4, 6)).astype(np.float32)


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
@pytest.mark.parametrize("kind", ["linear", "logistic", "lda"])
def test_the_places_add_up_to_what_the_image_adds_to_the_scores_of_nothing(
    kind: str, scaling: str
) -> None:
    head = fit_head(blobs([12, 12, 12], noise=1.0), recipe(kind, scaling=scaling)).head
    feature = MAPS.mean(axis=(0, 1), dtype=np.float64)
    bias, scores = head.scores(np.stack([np.zeros(6), feature]))
    found = class_maps(MAPS, head, "avg")
    assert found.maps.shape == (3, 4, 3)
    np.testing.assert_allclose(found.maps.sum(axis=(0, 1)), scores - bias, atol=1e-4)
    np.testing.assert_allclose(found.bias, bias, atol=1e-4)


@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize("units", [[8], [16, 8]])
def test_a_network_with_hidden_layers_is_taken_by_its_slopes(
    scaling: str, units: list[int]
) -> None:
    head = fit_head(
        blobs([12, 12, 12], noise=1.0), recipe("mlp", scaling=scaling, units=units, calibrate=True)
    ).head
    feature = MAPS.mean(axis=(0, 1), dtype=np.float64)
    step = 1e-6
    slopes = (head.scores(feature + step * np.eye(6)) - head.scores(feature[None])) / step
    np.testing.assert_allclose(linear_at(head, feature)[0], slopes, atol=1e-4)


def test_the_length_that_a_centroid_head_divides_by_is_a_number() -> None:
    head = fit_head(blobs([12, 12, 12], noise=1.0), recipe("centroid")).head
    feature = MAPS.mean(axis=(0, 1), dtype=np.float64)
    length = np.linalg.norm(feature - head.tensors["centre"])
    expected = 2 * head.tensors["centroids"].T / length / head.temperature
    np.testing.assert_allclose(linear_at(head, feature)[0], expected, atol=1e-9)


@pytest.mark.parametrize("pooling", ["flatten", None])
def test_of_a_map_that_is_not_pooled_each_place_has_its_own_weights(pooling: str | None) -> None:
    head = fit_head(blobs([12, 12, 12], width=72, noise=1.0), recipe("linear")).head
    found = class_maps(MAPS, head, pooling)
    for row, column in ((0, 0), (2, 1)):
        alone = np.zeros((2, *MAPS.shape))
        alone[1, row, column] = MAPS[row, column]
        without, own_place = head.scores(alone)
        np.testing.assert_allclose(found.maps[row, column], own_place - without, atol=1e-4)


def test_what_all_classes_share_is_no_evidence() -> None:
    maps = np.zeros((2, 2, 3))
    maps[0] = 5.0
    maps[1, 1, 2] = 3.0
    evidence = explain.ClassMaps(maps=maps, bias=np.zeros(3)).evidence(2)
    np.testing.assert_allclose(evidence, [[0, 0], [0, 2]], atol=1e-12)


def imagenet_head(label: str) -> tuple[Head, int]:
    """Return ImageNet's own classifier as a head, and the place of a class."""
    weights = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    parts = {"layer": None, "pooling": "avg", "backbone": BACKBONE, "weights": weights}
    classifier = read_classifier(parts)
    tensors = {"classes/kernel": classifier.kernel, "classes/bias": classifier.bias}
    scaler = Scaler(scaling="none", mean=np.zeros(1280), factor=np.ones(1280))
    head = Head(kind="linear", settings=own("linear"), scaler=scaler, tensors=tensors)
    return head, wordnet_ids().index(label)


@pytest.mark.slow
def test_the_real_network_finds_a_drawn_daisy_in_its_half() -> None:
    flower = Image.open(io.BytesIO(draw("flowers", "daisy", 3))).resize((224, 224))
    settings = make_params().backbone(BACKBONE).model_copy(
        update={"pooling": None, "input_size": 224}
    )  # fmt: skip
    engine = Extractor(BACKBONE, settings, make_params({"extract.batch_size": 1}).extract).engine
    head, daisy = imagenet_head("n11939491")
    # Of the seven columns the middle one belongs half to each side.
    left = np.array([1, 1, 1, 0.5, 0, 0, 0])
    for side, share in ((0, left), (112, 1 - left)):
        picture = Image.new("RGB", (224, 224), (96, 110, 96))
        picture.paste(flower.resize((112, 112)), (side, 56))
        batch = np.zeros((engine.batch_size, 224, 224, 3), np.uint8)
        batch[0] = np.asarray(picture)
        positive = np.maximum(class_maps(engine.run(batch)[0], head, "avg").evidence(daisy), 0)
        assert (positive * share).sum() / positive.sum() > 0.7


class Quadrants(MeanColour):
    """An engine with a map of four places: the mean colours of an image's quarters."""

    @staticmethod
    def features_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = pixels.shape[1] // 2
        quarters = pixels.reshape(len(pixels), 2, size, 2, size, 3).mean(axis=(2, 4))
        return (quarters / 255).astype(np.float32)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project with a head on mean colours, and an engine that gives the map of these."""
    params = make_trained(tmp_path / "project", monkeypatch)
    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", lambda *_: Quadrants())
    for number in range(3):
        Path(f"{number}.jpg").write_bytes(draw_image(number))
    return params


def answers_of(*numbers: int) -> list[Answer]:
    return [
        Answer(file=f"{number}.jpg", label="cat", probabilities={"cat": 0.9, "dog": 0.1})
        for number in numbers
    ]


def test_one_picture_has_a_row_an_image_and_the_answers_pass(params: Params) -> None:
    given = answers_of(0, 1, 2)
    found = list(explain_answers(given, "pets", BACKBONE, params, Path("out.png")))
    assert found == given
    one = list(explain_answers(given[:1], "pets", BACKBONE, params, Path("one.png")))
    assert len(one) == 1
    all_rows, row = (np.asarray(Image.open(name)) for name in ("out.png", "one.png"))
    assert all_rows.shape == (3 * row.shape[0], *row.shape[1:])
    np.testing.assert_array_equal(all_rows[: len(row)], row)
    seen = np.asarray(
        Image.fromarray(decode_square(Path("0.jpg").read_bytes(), 32)).resize((336, 336))
    )
    shown = row[30 : 30 + 336, 8 : 8 + 336]
    assert np.abs(shown.astype(int) - seen).max() < 3


def test_a_folder_gets_a_picture_an_image(params: Params) -> None:
    list(explain_answers(answers_of(0, 2), "pets", BACKBONE, params, Path("maps")))
    assert sorted(file.name for file in Path("maps").iterdir()) == ["001-0.png", "002-2.png"]


def test_rows_are_written_though_a_later_file_is_no_image(params: Params) -> None:
    def answers() -> Any:
        yield from answers_of(0)
        raise ImageError("cannot read x.jpg")

    with pytest.raises(ImageError, match=r"cannot read x\.jpg"):
        list(explain_answers(answers(), "pets", BACKBONE, params, Path("out.png")))
    assert Path("out.png").exists()


def test_more_images_than_a_picture_takes_need_a_folder(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "MOST_ROWS", 2)
    with pytest.raises(ImageError, match=r"the first 2 images.*name a folder"):
        list(explain_answers(answers_of(0, 1, 2), "pets", BACKBONE, params, Path("out.png")))
    assert Path("out.png").exists()


def test_no_picture_replaces_the_image_itself(params: Params) -> None:
    Path("own.png").write_bytes(Path("0.jpg").read_bytes())
    answer = Answer(file="own.png", label="cat", probabilities={"cat": 1.0})
    with pytest.raises(ImageError, match=r"own\.png would replace the image itself"):
        list(explain_answers([answer], "pets", BACKBONE, params, Path("own.png")))
    assert Path("own.png").read_bytes() == Path("0.jpg").read_bytes()


def test_another_ending_is_refused_before_anything_is_computed(params: Params) -> None:
    with pytest.raises(ImageError, match=r"--explain out\.jpg: expected a name that ends in \.png"):
        explain_answers(answers_of(0), "pets", BACKBONE, params, Path("out.jpg"))


def test_a_head_that_compares_whole_images_has_no_map(params: Params) -> None:
    settings = params.head.model_copy(update={"kind": "knn"})
    train.run("pets", BACKBONE, params.model_copy(update={"head": settings}))
    assert paths.model_folder("pets", BACKBONE).is_dir()
    with pytest.raises(HeadError, match=r"kind knn compares whole images.*head\.kind"):
        explain_answers([], "pets", BACKBONE, params, Path("out.png"))


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
    with pytest.raises(BackboneError, match=message):
        explain_answers([], "pets", BACKBONE, params, Path("out.png"))


def test_a_layer_behind_the_pooling_has_no_map(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", lambda *_: MeanColour())
    with pytest.raises(BackboneError, match=r"gives \(3,\), expected a map"):
        list(explain_answers(answers_of(0), "pets", BACKBONE, params, Path("out.png")))
