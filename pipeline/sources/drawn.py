"""The source that needs no network: images that the project draws itself, the same bytes on every machine.

An image is decided by (dataset, class, index) and by nothing else, so that images may be drawn in any
order and by any number of processes.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from types import MappingProxyType

import numpy as np

from pipeline.archives.formats import plain_file
from pipeline.archives.packing import write_zip
from pipeline.errors import SourceError, did_you_mean
from pipeline.parallel import Progress, count_cores, no_progress, open_processes
from pipeline.sources.drawing.animals import draw_animal
from pipeline.sources.drawing.flowers import draw_flower
from pipeline.sources.drawing.sampling import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSet:
    """What is drawn for a dataset.

    Attributes:
        classes: In alphabetical order.
        images_per_class: Images of each class, numbered from 1.
        draw: Makes the JPEG of one image of a class from a sampler.
    """

    classes: tuple[str, ...]
    images_per_class: int
    draw: Callable[[Sampler, str], bytes]


DRAWN: Mapping[str, DrawnSet] = MappingProxyType(
    {
        "cats_vs_dogs": DrawnSet(classes=("cat", "dog"), images_per_class=150, draw=draw_animal),
        "flowers": DrawnSet(
            classes=("daisy", "dandelion", "rose", "sunflower", "tulip"),
            images_per_class=80,
            draw=draw_flower,
        ),
    }
)


def classes(dataset: str) -> tuple[str, ...]:
    """Return the classes of a drawn dataset in alphabetical order.

    Raises:
        SourceError: No dataset of this name is drawn; the message lists those that are.
    """
    return _drawn_set(dataset).classes


def draw(dataset: str, label: str, index: int) -> bytes:
    """Draw one image.

    Args:
        dataset: A key of `DRAWN`.
        label: One of its classes.
        index: Which image of the class; any whole number from 0 on gives one.

    Returns:
        The bytes of an RGB JPEG, 240..320 pixels wide and as many high, without metadata.

    Raises:
        SourceError: No such dataset, class or index; the message lists those that are.
    """
    drawn_set = _drawn_set(dataset)
    if label not in drawn_set.classes:
        known = ", ".join(drawn_set.classes)
        hint = did_you_mean(label, drawn_set.classes)
        raise SourceError(f"{dataset} has no drawn class called {label!r}. Known: {known}.{hint}")
    if index < 0:
        raise SourceError(
            f"no image of {dataset}/{label} has the number {index}: numbers start at 0."
        )
    return drawn_set.draw(_generator(dataset, label, index), label)


def members(dataset: str) -> Iterator[tuple[str, bytes]]:
    """Draw a whole dataset, one image after the other.

    Yields:
        An image's path in the archive (`cat/cat_0001.jpg`) and its bytes, in the order of the paths.

    Raises:
        SourceError: As `classes`.
    """
    return map(_draw_member, _list_images(dataset))


def write_archive(
    dataset: str, path: Path, workers: int | None = None, progress: Progress = no_progress
) -> None:
    """Draw a whole dataset into a zip archive, in several processes.

    The archive has the same bytes whatever the number of workers: `write_zip` gets the members in the
    order of their paths.

    Args:
        dataset: A key of `DRAWN`.
        path: Of the archive; its folder is made, a file of this name is replaced.
        workers: Processes; as many as the machine has cores by default. One draws in this process.
        progress: Shows how far it is; gets one image after the other.

    Raises:
        SourceError: As `classes`, or the archive cannot be written.
    """
    images = _list_images(dataset)
    count = min(workers or count_cores(), len(images))
    try:
        if count == 1:
            drawn = progress(map(_draw_member, images), len(images))
            write_zip(path, starmap(plain_file, drawn))
        else:
            with open_processes(__name__, count) as pool:
                drawn = progress(pool.map(_draw_member, images, chunksize=8), len(images))
                write_zip(path, starmap(plain_file, drawn))
    except OSError as error:
        raise SourceError(
            f"the drawn archive of {dataset} cannot be written to {path}: {error}."
        ) from error


def _drawn_set(dataset: str) -> DrawnSet:
    """Look a dataset up, or say which there are."""
    if dataset not in DRAWN:
        known = ", ".join(sorted(DRAWN))
        raise SourceError(
            f"no drawn dataset is called {dataset!r}. Known: {known}.{did_you_mean(dataset, DRAWN)}"
        )
    return DRAWN[dataset]


def _generator(dataset: str, label: str, index: int) -> Sampler:
    """Return the sampler that decides an image, the same on every machine and in every process."""
    digest = hashlib.sha256(f"{dataset}/{label}/{index}".encode()).digest()
    return Sampler(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "big"))))


def _list_images(dataset: str) -> list[tuple[str, str, int]]:
    """Return (dataset, class, index) of all images of a dataset, in the order of their paths."""
    drawn_set = _drawn_set(dataset)
    numbers = range(1, drawn_set.images_per_class + 1)
    return [(dataset, label, index) for label in drawn_set.classes for index in numbers]


def _draw_member(image: tuple[str, str, int]) -> tuple[str, bytes]:
    """Draw one image and name it; also the work of one call in a worker process."""
    dataset, label, index = image
    return f"{label}/{label}_{index:04d}.jpg", draw(dataset, label, index)
