"""The map of the images: where each lies, what marks it, and what the map shows in words."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.reporting.shown_images import Knowledge

WIDTH = 1000  # of the map, in units of its own
LOWEST, HIGHEST = 500, 900  # its height
MARGIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedClass:
    """What the map shows of a class, in words.

    Attributes:
        name: The class.
        n: Its images on the map.
        wrong: Those that are called something else.
        alike: Those whose nearest training image has the same label.
        nearest: The other class that most of the others are nearest to; empty if there are none.
    """

    name: str
    n: int
    wrong: int
    alike: int
    nearest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMap:
    """The `m` images on the map, row for row.

    Attributes:
        sha256: Of each image.
        path: Under the dataset's split folder.
        x, y: Units of the map, whose width is 1000; y downwards.
        label: Number of its class.
        called: Number of the class that it is called: by the head, or, where the head was fitted to
            it, by one that has not seen it.
        height: Of the map.
        classes: What it shows, class by class.
    """

    sha256: tuple[str, ...]
    path: tuple[str, ...]
    x: tuple[int, ...]
    y: tuple[int, ...]
    label: tuple[int, ...]
    called: tuple[int, ...]
    height: int
    classes: tuple[MappedClass, ...]


def build_map(known: Knowledge) -> ImageMap:
    """Return the map of the images that have a place on it."""
    rows = np.flatnonzero(np.isfinite(known.inspections.x))
    x, y, height = fit_positions(known.inspections.x[rows], known.inspections.y[rows])
    label, called = known.answers.labels[rows], name_images(known)[rows]
    return ImageMap(
        sha256=tuple(known.answers.sha256[row] for row in rows.tolist()),
        path=tuple(known.answers.path[row] for row in rows.tolist()),
        x=tuple(x.tolist()),
        y=tuple(y.tolist()),
        label=tuple(label.tolist()),
        called=tuple(called.tolist()),
        height=height,
        classes=_in_words(known, rows, called),
    )


def fit_positions(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return whole positions on a map 1000 wide, upside down as screens are, and the map's height.

    Distances keep their proportions, unless the map would be very flat or very high.
    """
    if not len(x):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), LOWEST
    inside = WIDTH - 2 * MARGIN
    spread = max(float(np.ptp(x)), 1e-9)
    height = int(np.clip(float(np.ptp(y)) / spread * inside + 2 * MARGIN, LOWEST, HIGHEST))
    across = _stretch(x, inside)
    down = _stretch(-y, height - 2 * MARGIN)
    return across, down, height


def name_images(known: Knowledge) -> NDArray[np.int64]:
    """Return the number of the class that each image is called by a head that was not fitted to it."""
    number = {name: index for index, name in enumerate(known.answers.classes)}
    unseen = np.array([number[name] for name in known.inspections.suggested], np.int64)
    is_train = np.array([split == "train" for split in known.answers.splits])
    return np.where(is_train, unseen, known.answers.predicted)


def _stretch(values: NDArray[np.float64], length: int) -> NDArray[np.int64]:
    share = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    positions: NDArray[np.int64] = np.rint(MARGIN + share * length).astype(np.int64)
    return positions


def _in_words(
    known: Knowledge, rows: NDArray[np.int64], called: NDArray[np.int64]
) -> tuple[MappedClass, ...]:
    table = known.answers
    label_of = dict(zip(table.sha256, table.labels.tolist(), strict=True))
    nearest: list[Counter[int]] = [Counter() for _ in table.classes]
    for row in rows.tolist():
        for sha256 in known.inspections.neighbours[row][:1]:
            nearest[table.labels[row]][label_of[sha256]] += 1
    found = []
    for label, name in enumerate(table.classes):
        of_class = table.labels[rows] == label
        others = [(count, -other) for other, count in nearest[label].items() if other != label]
        found.append(
            MappedClass(
                name=name,
                n=int(of_class.sum()),
                wrong=int((called[of_class] != label).sum()),
                alike=nearest[label][label],
                nearest=table.classes[-max(others)[1]] if others else "",
            )
        )
    return tuple(found)
