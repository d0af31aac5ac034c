"""The classifier of a network: which class an image is taken for, and which weights have one."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import BackboneError, ParamsError
from pipeline.heads.rows import Float
from pipeline.imagenet.classes import wordnet_ids
from pipeline.imagenet.classifier import answer, find_synsets, read_classifier
from tests.project import BACKBONE

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
        ({"networks": {"1": {}, "2": {}}}, "these features are of 2 networks"),
    ],
)
def test_features_that_no_classifier_takes_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    parts = {"layer": None, "pooling": "avg", "backbone": BACKBONE, "weights": "?", **changes}
    with pytest.raises(BackboneError, match=message):
        read_classifier(parts)


def test_where_imagenet_has_no_class_it_is_said_how_to_name_some() -> None:
    with pytest.raises(BackboneError, match=r"no class called rose, tulip.*params\.yaml"):
        find_synsets(("rose", "tulip"), {})
