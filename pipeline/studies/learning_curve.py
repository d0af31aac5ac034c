"""Study `learning_curve`: accuracy against images a class, from nothing, by a head, and fine-tuned."""

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.rows import Rows
from pipeline.heads.training import Recipe, fit_head
from pipeline.params import change_head
from pipeline.studies.heads import measure_head
from pipeline.studies.images import Images, read_images
from pipeline.studies.results import Result
from pipeline.studies.scratch import load_originals, measure_scratch
from pipeline.studies.task import Task
from pipeline.studies.tuning import Tuner, can_learn


def run(task: Task) -> Iterator[Result]:
    """Let each of three ways learn from more and more images of train, and ask it for val.

    Each seed draws other images, and begins with other weights.

    Raises:
        StudyError: The backbone has fewer blocks, or its features are of other images.
        PipelineError: The features, the backbone or the images are not as they should be.
    """
    if not can_learn(task):
        return
    settings, first = task.settings.learning_curve, task.settings.finetune.seed
    tuner = Tuner(task)
    images = read_images(task.dataset)["train"]
    images = images.take(images.originals)
    pixels, pixels_of_val = load_originals(task)
    found = tuner.examples(settings.blocks)
    sizes = list_sizes(settings.images_a_class, images)
    cases = [(size, seed) for size in sizes for seed in range(first, first + settings.seeds)]
    for size, seed in task.progress(iter(cases), len(cases)):
        drawn = draw_images(images, size, seed)
        rows = _take_rows(tuner.rows["train"], drawn)
        recipe = change_head(task.params.head, {"seed": seed})
        yield measure_scratch(task, seed, pixels.take(drawn), pixels_of_val)
        yield measure_head("bottleneck", rows, tuner.rows["val"], recipe)
        head = fit_head(rows, Recipe.of(recipe)).head
        some = found["train"].take(drawn)
        yield tuner.measure(settings.blocks, head, some, found["val"], seed)


def list_sizes(wanted: tuple[int, ...], images: Images) -> list[int]:
    """Return the numbers of images a class that every class has, then that of its largest class."""
    counts = np.bincount(images.labels, minlength=images.classes)
    return [*(size for size in sorted(set(wanted)) if size < counts.min()), int(counts.max())]


def draw_images(images: Images, size: int, seed: int) -> NDArray[np.int64]:
    """Draw images of each class, or all that it has.

    Each image draws by its own hash, so those of a smaller size are among those of a larger one.

    Args:
        images: Originals.
        size: How many of each class.
        seed: Another draws others.

    Returns:
        int64 `(m,)`, their places in order.
    """
    draws = np.array([sha256(f"{seed} {row.sha256}".encode()).hexdigest() for row in images.rows])
    places = [
        mine[np.argsort(draws[mine], kind="stable")[:size]]
        for mine in (np.flatnonzero(images.labels == label) for label in range(images.classes))
    ]
    return np.sort(np.concatenate(places))


def _take_rows(rows: Rows, originals: NDArray[np.int64]) -> Rows:
    """Return some originals with their copies, which follow them."""
    return rows.take(np.isin(np.cumsum(rows.original) - 1, originals))
