"""Study `advice`: probes of an early, a middle and the last layer tell how like ImageNet's the images are."""

import logging
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.backbones.backbone import Backbone
from pipeline.errors import BackboneError
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import iterate_rows
from pipeline.heads.rows import Rows
from pipeline.params import BackboneParams, change_head
from pipeline.studies.cases import decide_case
from pipeline.studies.features import look_up
from pipeline.studies.heads import measure_head
from pipeline.studies.results import Result
from pipeline.studies.task import Task

SHARES = {"early": 8, "middle": 16}  # of the image's size, divided by this, is the layer's map
LAST = "last"
# Standardized: an early layer's features lie far from 0 beside how little they vary, which a head's
# weights, of which 12 bits are kept, would not bear (0.49 instead of 0.88 on cats and dogs).
PROBE = {"kind": "lda", "scaling": "standard"}

log = logging.getLogger(__name__)


def run(task: Task) -> Iterator[Result]:
    """Compute three layers in one pass over the originals, and fit a linear probe to each.

    A backbone of several networks, or without maps of such sizes, has no row, and that is said.

    Raises:
        ManifestError: The tables or images are missing or damaged.
        HeadError: A probe cannot be fitted.
    """
    own = task.params
    network, *others = own.backbone(task.backbone).networks
    try:
        if others:
            raise BackboneError("it takes a backbone of one network")
        layers = find_layers(task.backbone, network)
    except BackboneError as error:
        log.warning("advice, %s %s: no row: %s", task.dataset, task.backbone, error)
        return
    cut = network.model_copy(update={"layer": (*layers.values(), None), "pooling": "avg"})
    extractor = Extractor(task.backbone, cut, own.extract)
    rows = look_up(
        [row for row in iterate_rows(task.dataset) if row.copy == 0 and row.split != "test"],
        extractor,
    )
    ends = [0]
    for width in extractor.widths:
        ends.append(ends[-1] + width)
    names = [f"{word} layer, {name}" for word, name in layers.items()]
    probe = change_head(own.head, PROBE)
    parts = list(zip([*names, f"{LAST} layer"], pairwise(ends), strict=True))
    for name, (first, end) in task.progress(iter(parts), len(parts)):
        train, val = (_columns(rows[split], first, end) for split in ("train", "val"))
        yield measure_head(name, train, val, probe)


def conclude(task: Task, results: Sequence[Result]) -> str:
    """Say which case the dataset is, and what the textbooks recommend; nothing without results."""
    if not results:
        return ""
    settings = task.settings.advice
    early, last = results[0], results[-1]
    case = decide_case(
        last.images_a_class, early.accuracy, last.accuracy, last.n, settings.small, settings.similar
    )
    return f"{task.dataset} is {case}"


def find_layers(name: str, settings: BackboneParams) -> dict[str, str]:
    """Return the last layer with a map of an eighth of the image's size, and of a sixteenth.

    The network is built without its weights, which decide no shape.

    Raises:
        BackboneError: It has no such maps.
    """
    whole = settings.without_weights().model_copy(update={"layer": None, "pooling": None})
    model = Backbone(name, whole).model
    network = next(layer for layer in model.layers if hasattr(layer, "layers"))
    shapes = [(layer.name, tuple(layer.output.shape)) for layer in network.layers]
    return choose_layers(shapes, settings.input_size)


def choose_layers(
    shapes: Sequence[tuple[str, tuple[int | None, ...]]], input_size: int
) -> dict[str, str]:
    """Return which of a network's layers, in order, are its early and its middle one.

    Raises:
        BackboneError: None has a map of that size.
    """
    found = {}
    for word, share in SHARES.items():
        size = math.ceil(input_size / share)
        fitting = [name for name, shape in shapes if len(shape) == 4 and shape[1] == size]
        if not fitting:
            raise BackboneError(f"the network has no map of {size} x {size} places")
        found[word] = fitting[-1]
    return found


def _columns(rows: Rows, first: int, end: int) -> Rows:
    """Return rows with some of their features alone."""
    return Rows(
        features=rows.features[:, first:end],
        labels=rows.labels,
        groups=rows.groups,
        original=rows.original,
        classes=rows.classes,
    )
