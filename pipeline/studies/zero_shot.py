"""Study `zero_shot`: no training at all, the backbone's own ImageNet classifier on cached features."""

import json
import logging
import time
from collections.abc import Iterator

import numpy as np

from pipeline.current_features import load_current_features
from pipeline.errors import BackboneError
from pipeline.features import FeatureSet
from pipeline.imagenet.classifier import (
    Classifier,
    Synsets,
    answer,
    find_synsets,
    read_classifier,
    sum_classes,
)
from pipeline.predictions import log_losses
from pipeline.studies.results import Result
from pipeline.studies.task import Task

log = logging.getLogger(__name__)


def run(task: Task) -> Iterator[Result]:
    """Ask the classifier for val; where there is none, or ImageNet knows no class, say so: no row.

    Raises:
        FeaturesError: As `load_current_features`.
        ParamsError: As `find_synsets`.
    """
    features = load_current_features(task.dataset, task.backbone)
    try:
        synsets = find_synsets(features.header.classes, task.params.synsets)
        classifier = read_classifier(json.loads(features.header.fingerprint_parts))
        yield measure(features, classifier, synsets)
    except BackboneError as error:
        log.warning("zero_shot, %s %s: no row. %s", task.dataset, task.backbone, error)


def measure(features: FeatureSet, classifier: Classifier, synsets: Synsets) -> Result:
    """Compare the likeliest known class of each val image with its label.

    Images of classes that ImageNet does not have take no part; of one class alone that is known, the
    question is whether an image shows it. The row's name says which classes were asked for.

    Raises:
        BackboneError: No image of val is of a known class.
    """
    began = time.perf_counter()
    names, block = list(synsets), features.splits["val"]
    place = {name: number for number, name in enumerate(names)}
    known = np.array([place.get(name, -1) for name in features.header.classes])
    wanted = known[block.labels]
    asked = (block.copy == 0) & ((wanted >= 0) | (len(names) == 1))
    if not asked.any():
        raise BackboneError(f"val has no image of {', '.join(names)}")
    probabilities = classifier.probabilities(block.features[asked])
    right = answer(probabilities, synsets) == wanted[asked]
    sums = sum_classes(probabilities, synsets)
    if len(names) == 1:  # the last column is that of -1: not it
        sums = np.concatenate([sums, 1 - sums], axis=1)
    return Result(
        recipe=describe(names, len(known)),
        images_a_class=0,
        seed=0,
        n=len(right),
        accuracy=float(right.mean()),
        log_loss=float(log_losses(sums, wanted[asked]).mean()),
        seconds=time.perf_counter() - began,
    )


def describe(names: list[str], classes: int) -> str:
    """Return the row's name: which of the dataset's classes were asked for."""
    if len(names) == 1:
        return f"ImageNet's classifier: {names[0]} or not"
    some = "" if len(names) == classes else f": {len(names)} of {classes} classes"
    return f"ImageNet's classifier{some}"
