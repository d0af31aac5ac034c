"""Study `frontier`: how good a frozen network is against how long it takes, one candidate at a time."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.engines.choice import choose
from pipeline.engines.hardware import find_hardware
from pipeline.errors import BackboneError
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import iterate_rows
from pipeline.params import change_head
from pipeline.studies.features import look_up
from pipeline.studies.heads import measure_head
from pipeline.studies.results import Result
from pipeline.studies.task import Task

ROUNDS = 3  # of the same images; the fastest counts, since other programs only ever slow one down

log = logging.getLogger(__name__)


def run(task: Task) -> Iterator[Result]:
    """Fit the head of params.yaml to a candidate's features of the originals, and ask it for val.

    The seconds are those from 1,000 photos to their features, on all cores, without the store. What
    this machine cannot run has no row, and that is said.

    Raises:
        ManifestError: The tables or images are missing or damaged.
        BackboneError: The candidate is no network.
        HeadError: The head cannot be fitted.
    """
    settings, own = task.settings.frontier, task.params
    candidate = settings.candidates[task.backbone]
    extract = own.extract.model_copy(update={"precision": candidate.precision})
    try:
        choose(
            extract,
            find_hardware(extract.engine),
            candidate.input_size,
            needs_openvino=candidate.needs_openvino,
        )
    except BackboneError as error:
        log.warning("frontier, %s %s: no row. %s", task.dataset, task.backbone, error)
        return
    originals = [row for row in iterate_rows(task.dataset) if row.copy == 0 and row.split != "test"]
    extractor = Extractor(task.backbone, candidate, extract)
    rows = look_up(originals, extractor)
    some = originals[:: math.ceil(len(originals) / settings.timed)]
    seconds = time_pass(extractor, [ImageFile(row.file, row.sha256) for row in some])
    seeds = range(own.head.seed, own.head.seed + settings.seeds)
    for seed in task.progress(iter(seeds), len(seeds)):
        head = change_head(own.head, {"seed": seed})
        result = measure_head(task.backbone, rows["train"], rows["val"], head)
        yield replace(result, seconds=seconds)


def time_pass(extractor: Extractor, images: Sequence[ImageFile]) -> float:
    """Return the seconds from 1,000 images to their features, by the fastest of several rounds."""
    _ = extractor.engine  # building the network is not counted
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in extractor.extract(images):
            pass
        rounds.append(time.perf_counter() - began)
    return 1000 * min(rounds) / len(images)
