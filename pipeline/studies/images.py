"""The images that a study trains networks on: each original with its copies, and their pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import StudyError
from pipeline.extraction.decoding import ImageFile, load
from pipeline.extraction.plan import Row, iterate_rows
from pipeline.images import Pixels
from pipeline.parallel import map_ordered
from pipeline.studies.room import make_room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """The images of one split, each original before its copies.

    Attributes:
        rows: Of the dataset's tables, in their order.
        labels: int64 `(n,)`, `0 <= label < classes`.
        classes: How many there are, `k`.
    """

    rows: Sequence[Row]
    labels: NDArray[np.int64]
    classes: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def originals(self) -> NDArray[np.int64]:
        """int64 `(m,)`, the places of those that are no copies."""
        return np.flatnonzero([row.copy == 0 for row in self.rows])

    def take(self, places: NDArray[np.int64]) -> "Images":
        """Return some of them, int64 `(m,)`."""
        rows = [self.rows[place] for place in places]
        return Images(rows=rows, labels=self.labels[places], classes=self.classes)


def read_images(dataset: str) -> dict[str, Images]:
    """Return the images of train and val.

    Raises:
        ManifestError: The tables are missing, damaged, or do not fit one another.
        StudyError: There are no images to train on, or none to ask for.
    """
    rows: dict[str, list[Row]] = {"train": [], "val": []}
    names = set()
    for row in iterate_rows(dataset):
        names.add(row.label)
        if row.split in rows:
            rows[row.split].append(row)
    for split, found in rows.items():
        if not found:
            raise StudyError(
                f"{paths.manifest_file(dataset)} has no image of {split}; a study needs some: "
                "change split.val_fraction (params.yaml) and run the stage split again."
            )
    numbers = {name: number for number, name in enumerate(sorted(names))}
    return {
        split: Images(
            rows=found,
            labels=np.array([numbers[row.label] for row in found], np.int64),
            classes=len(numbers),
        )
        for split, found in rows.items()
    }


def load_pixels(images: Images, size: int) -> Pixels:
    """Decode images as the pipeline does, on all cores.

    Returns:
        uint8 `(n, size, size, 3)`, RGB; see `make_room`.

    Raises:
        ManifestError: A file is missing or does not have its sha256.
        ImageError: A file cannot be decoded.
    """
    pixels: Pixels = make_room((len(images), size, size, 3), np.uint8)
    with ThreadPoolExecutor() as pool:
        squares = map_ordered(
            pool, lambda row: load(ImageFile(row.file, row.sha256), size)[1], images.rows, ahead=64
        )
        for place, square in enumerate(squares):
            pixels[place] = square
    return pixels
