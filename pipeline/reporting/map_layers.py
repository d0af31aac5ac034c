"""How the map is drawn: for each class a layer of marks, and crosses where an image is called something else.

A layer is one SVG path for all its marks, so that a map of thousands of images stays small and is seen
without a script.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.reporting.image_map import ImageMap

COLOURS = 8  # as many as the page's series
# The shape of each colour: those that some eyes confuse differ in shape.
SHAPE_OF_COLOUR = (0, 1, 2, 2, 3, 3, 0, 1)
MARKS: tuple[Callable[[int, int], str], ...] = (
    lambda x, y: f"M{x} {y}h0",  # a dot: the round end of a line
    lambda x, y: f"M{x - 4} {y - 4}h8v8h-8z",  # a square
    lambda x, y: f"M{x} {y - 6}l6 10h-12z",  # a triangle
    lambda x, y: f"M{x} {y - 6}l6 6-6 6-6-6z",  # a diamond
)
DIFFERENT = COLOURS * len(MARKS)  # after so many classes, colour and shape come again


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The marks of one class.

    Attributes:
        colour: Number of the page's series.
        shape: Number of the mark.
        marks: SVG path of its images.
        crosses: SVG path over those that are called something else.
        mark: SVG path of one mark, around 0, 0.
    """

    colour: int
    shape: int
    marks: str
    crosses: str
    mark: str


def draw_layers(image_map: ImageMap) -> list[Layer]:
    """Return a layer a class, in the order of the classes."""
    marks: list[list[str]] = [[] for _ in image_map.classes]
    crosses: list[list[str]] = [[] for _ in image_map.classes]
    columns = (image_map.x, image_map.y, image_map.label, image_map.called)
    for x, y, label, called in zip(*columns, strict=True):
        marks[label].append(MARKS[shape_of(label)](x, y))
        if called != label:
            crosses[label].append(f"M{x - 7} {y - 7}l14 14m-14 0l14-14")
    return [
        Layer(
            colour=label % COLOURS,
            shape=shape_of(label),
            marks="".join(marks[label]),
            crosses="".join(crosses[label]),
            mark=MARKS[shape_of(label)](0, 0),
        )
        for label in range(len(image_map.classes))
    ]


def shape_of(label: int) -> int:
    """Return the number of a class's mark: that of its colour, another one in each round of colours."""
    return (SHAPE_OF_COLOUR[label % COLOURS] + label // COLOURS) % len(MARKS)
