"""What the page says of an image: what the head, the inspection and the manifest tell, put together."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.inspections import Inspections
from pipeline.predictions import Answers, Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """One image, and what is said of it.

    Attributes:
        sha256: Of the image file's bytes.
        path: Under the dataset's split folder.
        member: Its name in the archive; empty if that is not known.
        split: `train`, `val` or `test`.
        label: The class that it is said to be.
        predicted: The class that the head finds most probable.
        probability: Of that class, 0..1.
        probabilities: Of each class in alphabetical order, in ten-thousandths.
        suggested: The class that a head which has not seen the image finds likeliest.
        quality: Of the label, 0..1; low where it seems wrong.
        neighbours: The nearest training images, nearest first, by their sha256.
    """

    sha256: str
    path: str
    member: str
    split: str
    label: str
    predicted: str
    probability: float
    probabilities: tuple[int, ...]
    suggested: str
    quality: float
    neighbours: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """All that is known of the images of a dataset, for one backbone and head.

    Attributes:
        answers: What the head calls each.
        inspections: What the features say of each, row for row.
        members: The name in the archive of each, by its sha256; it may lack some.
        read_predictions: Reads all that the head says of some images, by their sha256. With many
            classes it is too much to be kept of every image.

    Raises:
        PipelineError: Predictions and inspections are not of the same images.
    """

    answers: Answers
    inspections: Inspections
    members: Mapping[str, str]
    read_predictions: Callable[[Container[str]], Iterable[Predictions]]

    def __post_init__(self) -> None:
        if self.answers.sha256 != self.inspections.sha256:
            raise PipelineError(
                f"the head's predictions are of {len(self.answers):,} images, the table of inspections "
                f"of {len(self.inspections):,}, and not of the same, or in another order: run `dvc repro`."
            )


def describe_images(known: Knowledge, sha256s: Iterable[str]) -> dict[str, ShownImage]:
    """Return what is said of some images, by their sha256, in the order of the manifest."""
    wanted = set(sha256s)
    probabilities = {
        sha256: row
        for block in known.read_predictions(wanted)
        for sha256, row in zip(block.sha256, block.probabilities, strict=True)
    }
    rows = [row for row, sha256 in enumerate(known.answers.sha256) if sha256 in wanted]
    return {
        sha256: _describe(known, row, probabilities[sha256])
        for row, sha256 in ((row, known.answers.sha256[row]) for row in rows)
    }


def _describe(known: Knowledge, row: int, p: NDArray[np.floating[Any]]) -> ShownImage:
    table, inspections = known.answers, known.inspections
    predicted = int(table.predicted[row])
    return ShownImage(
        sha256=table.sha256[row],
        path=table.path[row],
        member=known.members.get(table.sha256[row], ""),
        split=table.splits[row],
        label=table.classes[table.labels[row]],
        predicted=table.classes[predicted],
        probability=float(p[predicted]),
        probabilities=tuple(np.rint(p * 10_000).astype(int).tolist()),
        suggested=inspections.suggested[row],
        quality=float(inspections.quality[row]),
        neighbours=inspections.neighbours[row],
    )
