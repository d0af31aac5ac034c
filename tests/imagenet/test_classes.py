"""ImageNet's classes: the order of a network's outputs, and which of them a name stands for."""

import re

import pytest

from pipeline.imagenet.classes import imagenet_classes, synsets_called, wordnet_ids


def test_the_classes_stand_in_the_order_of_their_wordnet_ids() -> None:
    ids = wordnet_ids()
    assert len(ids) == len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    assert all(re.fullmatch(r"n\d{8}", one) for one in ids)


@pytest.mark.parametrize(
    ("place", "name"),
    [(0, "tench"), (151, "chihuahua"), (281, "tabby"), (985, "daisy"), (999, "toilet tissue")],
)
def test_a_network_has_a_class_at_its_known_place(place: int, name: str) -> None:
    assert name in imagenet_classes()[place].names


def test_cat_and_dog_stand_for_their_breeds() -> None:
    cats, dogs = synsets_called("cat"), synsets_called("Dog")
    assert cats == wordnet_ids()[281:286]
    assert dogs == wordnet_ids()[151:269]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("daisy", ("n11939491",)),
        ("Persian_cat", ("n02123394",)),
        ("crane", ()),
        ("tulip", ()),
        ("", ()),
    ],
)
def test_a_name_stands_for_the_one_class_that_has_it(name: str, expected: tuple[str, ...]) -> None:
    assert synsets_called(name) == expected
