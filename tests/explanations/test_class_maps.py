"""Class maps: what each place adds to a score, exactly."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.explanations.class_maps import ClassMaps, class_maps, linear_at
from pipeline.extraction.extractor import Extractor
from pipeline.heads.head import Head
from pipeline.heads.rows import Scaler
from pipeline.heads.training import fit_head
from pipeline.imagenet.classes import wordnet_ids
from pipeline.sources.drawn import draw
from pipeline.tools.zero_shot import read_classifier
from tests.heads.examples import blobs, own, recipe
from tests.project import BACKBONE, make_params

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
    evidence = ClassMaps(maps=maps, bias=np.zeros(3)).evidence(2)
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
