"""Zero-shot: what is counted of an ImageNet classifier's answers to a dataset's classes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.features import Block, FeatureSet, Header
from pipeline.imagenet.classes import wordnet_ids
from pipeline.imagenet.classifier import Classifier
from pipeline.sources.drawn import draw
from pipeline.stages import extract
from pipeline.tools.zero_shot import format_result, measure, run, to_json
from tests.project import BACKBONE, make_project, place

CAT, OTHER_CAT, DOG = "n02123045", "n02124075", "n02085620"
SYNSETS = {"cat": (CAT, OTHER_CAT), "dog": (DOG,)}


def feature_set(
    classes: tuple[str, ...], train: list[int], val: list[int], answers: list[int]
) -> FeatureSet:
    """Return features that are one-hot of what the classifier below says; every image has a copy."""
    splits = {}
    for name, labels, said in (
        ("train", train, answers[: len(train)]),
        ("val", val, answers[len(train) :]),
    ):
        keys = np.array([f"{name}{one:060}".encode() for one in range(2 * len(labels))], "S64")
        features = np.repeat(np.eye(3)[said], 2, axis=0)
        features[1::2] = np.eye(3)[2]  # a copy that counted would be wrong
        splits[name] = Block(
            features=features.astype(np.float16),
            labels=np.repeat(labels, 2).astype(np.int64),
            sha256=keys, parent=keys, group=keys,
            copy=np.tile([0, 1], len(labels)).astype(np.uint8), path=keys,
        )  # fmt: skip
    header = Header(
        dataset="pets", classes=classes, backbone=BACKBONE, fingerprint="f", fingerprint_parts="{}"
    )
    return FeatureSet(header=header, splits=splits)


def classifier() -> Classifier:
    """Say of the three one-hot features: cat, dog, fish."""
    kernel = np.zeros((3, 1000))
    for row, column in enumerate([wordnet_ids().index(CAT), wordnet_ids().index(DOG), 0]):
        kernel[row, column] = 20
    return Classifier(kernel=kernel, bias=np.zeros(1000))


def test_originals_of_known_classes_are_counted_and_unknown_ones_said() -> None:
    features = feature_set(
        ("cat", "dog", "rat"), [0, 0, 1, 2], [0, 1, 1], answers=[0, 1, 1, 0, 0, 1, 0]
    )
    result = measure(features, classifier(), SYNSETS)
    recall = {name: (one.right, one.n) for name, one in result.recall.items()}
    assert recall == {"cat": (2, 3), "dog": (2, 3)}
    assert result.left_out == 0, "the rat is of train"
    assert (result.accuracy.right, result.accuracy.n) == (4, 6)
    assert result.val is not None
    assert (result.val.right, result.val.n) == (2, 3)
    assert result.unknown == {"rat": 1}
    assert 0 < result.accuracy.low < 4 / 6 < result.accuracy.high < 1
    said = format_result(result)
    assert re.search(r"cat +0\.667 \(.*\) of 3 images, 2 classes of ImageNet", said)
    assert "rat (1)" in said
    assert "left out" not in said
    result = measure(
        feature_set(("cat", "dog", "rat"), [0], [0, 1, 2], answers=[0, 0, 1, 0]),
        classifier(),
        SYNSETS,
    )
    assert re.search(r"\nval +1\.000 .* of 2 images, 1 other left out\n", format_result(result))
    assert json.loads(to_json(result))["recall"]["dog"]["share"] == 1


def test_of_a_class_alone_the_others_are_right_where_they_are_not_taken_for_it() -> None:
    features = feature_set(("cat", "rat"), [0, 0, 1, 1], [1], answers=[0, 2, 2, 0, 1])
    result = measure(features, classifier(), {"cat": (CAT,)})
    recall = {name: (one.right, one.n) for name, one in result.recall.items()}
    assert recall == {"cat": (1, 2), "others": (2, 3)}
    assert (result.accuracy.right, result.accuracy.n) == (3, 5)


@pytest.mark.long
@pytest.mark.slow
def test_the_real_network_tells_drawn_daisies_from_drawn_tulips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(
        tmp_path / "project", monkeypatch, {f"backbones.{BACKBONE}.input_size": 224}
    )
    names = [(split, name) for split in ("train", "val") for name in ("daisy", "tulip")]
    place(
        "pets",
        {
            f"{split}/{name}/{number}.jpg": draw("flowers", name, 10 * (split == "val") + number)
            for split, name in names
            for number in range(2)
        },
    )
    extract.run("pets", BACKBONE, params)
    result = run("pets", BACKBONE, params)
    assert result.recall["daisy"].right >= 3
    assert result.recall["others"].right >= 3
