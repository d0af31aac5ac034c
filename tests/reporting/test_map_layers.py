"""Layers of the map: a mark an image, a cross for those called something else, classes told apart."""

from itertools import combinations

from pipeline.reporting.image_map import ImageMap, MappedClass
from pipeline.reporting.map_layers import COLOURS, DIFFERENT, draw_layers, shape_of


def map_of(label: tuple[int, ...], called: tuple[int, ...], classes: int) -> ImageMap:
    words = tuple(
        MappedClass(name=str(one), n=0, wrong=0, alike=0, nearest="") for one in range(classes)
    )
    places = tuple(100 * (one + 1) for one in range(len(label)))
    names = tuple(map(str, label))
    return ImageMap(
        sha256=names, path=names, x=places, y=places, label=label, called=called, height=500, classes=words
    )  # fmt: skip


def test_every_image_has_a_mark_and_every_wrong_one_a_cross() -> None:
    first, second = draw_layers(map_of((0, 1, 1), (0, 1, 0), 2))
    assert first.marks == "M100 100h0"
    assert second.marks == "M196 196h8v8h-8zM296 296h8v8h-8z"
    assert (first.crosses, second.crosses) == ("", "M293 293l14 14m-14 0l14-14")


def test_colour_and_shape_tell_many_classes_apart_then_come_again() -> None:
    looks = [(layer.colour, layer.shape) for layer in draw_layers(map_of((), (), DIFFERENT + 1))]
    assert len(set(looks)) == DIFFERENT
    assert looks[DIFFERENT] == looks[0]


def test_colours_that_some_eyes_confuse_differ_in_shape() -> None:
    # Within 10 of each other (CIELAB) to a deuteranope, a protanope or a tritanope, in light or dark.
    confused = {(1, 4), (5, 7), (2, 6), (0, 3), (6, 7), (2, 5), (1, 6), (0, 2)}
    assert confused <= set(combinations(range(COLOURS), 2))
    assert [pair for pair in confused if shape_of(pair[0]) == shape_of(pair[1])] == []
