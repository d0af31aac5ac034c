"""Heat maps on the page: which of its wrong answers get one, and what is said of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.prediction_gallery import PredictionGallery, in_turns
from pipeline.reporting.thumbnails import Thumbnail

MOST_EXPLAINED = 40  # images of a head, which bounds the page's size and the stage's time
NINTHS = (
    ("at the upper left", "at the top", "at the upper right"),
    ("at the left", "in the middle", "at the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Where a head finds one class in one image.

    Attributes:
        name: The class.
        picture: The square that the network sees, under the map.
        strongest: Where most speaks for the class, in words.
    """

    name: str
    picture: Thumbnail
    strongest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMaps:
    """The heat maps of a head's wrong answers.

    Attributes:
        wrong: How many wrong answers the page shows; at most forty of them have maps.
        of: The maps of an image by its sha256: of the class that the head says and, where there are
            more than two classes, of its label.
        lacking: Why there are none, a sentence; empty where there are.
    """

    wrong: int
    of: Mapping[str, tuple[HeatMap, ...]] = field(default_factory=dict)
    lacking: str = ""


def wrong_answers(gallery: PredictionGallery) -> tuple[str, ...]:
    """Return the images of val on the page that the head gets wrong, the worst first, by sha256."""
    lists = (
        gallery.mistakes,
        in_turns([one.wrong for one in gallery.classes]),
        gallery.uncertain,
        in_turns([one.unsure for one in gallery.classes]),
    )
    images = gallery.images
    shown = dict.fromkeys(chain.from_iterable(lists))
    return tuple(one for one in shown if images[one].predicted != images[one].label)


def strongest_place(evidence: NDArray[np.float64]) -> str:
    """Say in which ninth of a square most speaks for a class, as `at the upper left`.

    Args:
        evidence: What each place adds to the class, float64 `(h, w)`.
    """
    sums = np.zeros((3, 3))
    np.add.at(sums, np.ix_(*map(_thirds, evidence.shape)), np.maximum(evidence, 0))
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return NINTHS[row][column] if sums.any() else "nowhere"


def _thirds(length: int) -> NDArray[np.int64]:
    """Return in which third of a side the middle of each of its places lies, 0..2."""
    thirds: NDArray[np.int64] = (2 * np.arange(length) + 1) * 3 // (2 * length)
    return thirds
