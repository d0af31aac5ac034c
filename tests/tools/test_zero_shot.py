"""Zero-shot: an ImageNet classifier's answers to a dataset's classes, from cached features alone."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BackboneError, ParamsError
from pipeline.features import Block, FeatureSet, Header
from pipeline.heads.rows import Float
from pipeline.sources.drawn import draw
from pipeline.stages import extract
from pipeline.tools.imagenet_classes import wordnet_ids
from pipeline.tools.zero_shot import (
    Classifier,
    answer,
    find_synsets,
    format_result,
    measure,
    read_classifier,
    run,
    to_json,
)
from tests.project import BACKBONE, make_project, place

CAT, OTHER_CAT, DOG, DAISY = "n02123045", "n02124075", "n02085620", "n11939491"
SYNSETS = {"cat": (CAT, OTHER_CAT), "dog": (DOG,)}


def probabilities_of(**shares: float) -> Float:
    """Return a row of ImageNet's probabilities; what is left goes to the first class, a fish."""
    row = np.zeros((1, 1000))
    for name, share in shares.items():
        row[0, wordnet_ids().index(name)] = share
    row[0, 0] = 1 - row.sum()
    return row


def test_a_class_has_the_sum_of_its_synsets() -> None:
    rows = probabilities_of(**{CAT: 0.2, OTHER_CAT: 0.2, DOG: 0.3})
    assert answer(rows, SYNSETS).tolist() == [0]
    assert answer(rows, {**SYNSETS, "cat": (CAT,)}).tolist() == [1]


@pytest.mark.parametrize(("share", "expected"), [(0.6, 0), (0.4, -1)])
def test_a_class_alone_is_the_answer_where_it_is_likelier_than_any_other(
    share: float, expected: int
) -> None:
    assert answer(probabilities_of(**{DAISY: share}), {"daisy": (DAISY,)}).tolist() == [expected]


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
    assert (result.accuracy.right, result.accuracy.n) == (4, 6)
    assert result.val is not None
    assert (result.val.right, result.val.n) == (2, 3)
    assert result.unknown == {"rat": 1}
    assert 0 < result.accuracy.low < 4 / 6 < result.accuracy.high < 1
    said = format_result(result)
    assert re.search(r"cat +0\.667 \(.*\) of 3 images, 2 classes of ImageNet", said)
    assert "rat (1)" in said
    assert json.loads(to_json(result))["recall"]["dog"]["share"] == pytest.approx(2 / 3)


def test_of_a_class_alone_the_others_are_right_where_they_are_not_taken_for_it() -> None:
    features = feature_set(("cat", "rat"), [0, 0, 1, 1], [1], answers=[0, 2, 2, 0, 1])
    result = measure(features, classifier(), {"cat": (CAT,)})
    recall = {name: (one.right, one.n) for name, one in result.recall.items()}
    assert recall == {"cat": (1, 2), "others": (2, 3)}
    assert (result.accuracy.right, result.accuracy.n) == (3, 5)


def test_params_say_what_a_class_consists_of_and_names_say_the_rest() -> None:
    found = find_synsets(("bunny", "daisy", "rose"), {"bunny": ["n02325366"], "absent": [CAT]})
    assert found == {"bunny": ("n02325366",), "daisy": (DAISY,)}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"a": ["n00000000"]}, r"^n00000000: none of the 1,000 .*params\.yaml, synsets"),
        ({"a": [CAT], "b": [CAT]}, rf"^{CAT}: named twice \(params\.yaml, synsets\)"),
    ],
)
def test_what_imagenet_has_not_and_what_is_named_twice_is_refused(
    named: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        find_synsets(("a", "b"), named)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, "takes those of layer null with pooling avg"),
        ({"layer": "block5_add"}, "these features are of layer 'block5_add'"),
        ({"weights": "random, seed 0"}, "hold no classifier.*efficientnet_lite0"),
        ({"backbone": "vgg16"}, "the weights of vgg16 hold no classifier"),
        ({"backbone": "own"}, "the weights of own hold no classifier"),
    ],
)
def test_features_that_no_classifier_takes_are_refused(
    changes: dict[str, str], message: str
) -> None:
    parts = {"layer": None, "pooling": "avg", "backbone": BACKBONE, "weights": "?", **changes}
    with pytest.raises(BackboneError, match=message):
        read_classifier(parts)


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
