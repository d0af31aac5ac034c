"""How well a backbone's own ImageNet classifier does on a dataset, with no training at all."""

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.current_features import load_current_features
from pipeline.features import FeatureSet
from pipeline.imagenet.classifier import (
    Classifier,
    Synsets,
    answer,
    find_synsets,
    read_classifier,
)
from pipeline.metrics import wilson_interval
from pipeline.params import Params
from pipeline.rounding import decimal
from pipeline.tools.words import count_of

OTHERS = "others"  # what an image shows that is not of the only class that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of some images were answered rightly, with the 95 % interval of their share."""

    n: int
    right: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, right: NDArray[np.bool_]) -> "Share":
        """Count bool `(n,)`, at least one."""
        n, count = len(right), int(right.sum())
        low, high = wilson_interval(count, n)
        return cls(n=n, right=count, share=count / n, low=low, high=high)

    def __str__(self) -> str:
        interval = f"{decimal(self.low)} to {decimal(self.high)}"
        return f"{decimal(self.share)} ({interval}) of {count_of(self.n, 'image')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShot:
    """What came out.

    Attributes:
        synsets: Of each class that ImageNet has, the WordNet ids that it goes by.
        recall: Of each class that was asked for; of one class alone also `others`: the images of
            the other classes, which are right where they are not taken for it.
        accuracy: Over all original images that were asked, of all splits.
        val: Over those of val, which heads are measured on; None where there are none.
        left_out: Images of val that take no part, for ImageNet does not have their class.
        unknown: Images of each class that ImageNet does not have.
    """

    dataset: str
    backbone: str
    synsets: dict[str, tuple[str, ...]]
    recall: dict[str, Share]
    accuracy: Share
    val: Share | None
    left_out: int
    unknown: dict[str, int]


def run(dataset: str, backbone: str, params: Params) -> ZeroShot:
    """Ask the classifier about every original image of a dataset.

    Raises:
        ParamsError: There is no such dataset or backbone, or `synsets` names what ImageNet has not.
        FeaturesError: As `load_current_features`.
        BackboneError: The weights hold no classifier for these features, or ImageNet has no class.
    """
    params.dataset(dataset), params.backbone(backbone)
    features = load_current_features(dataset, backbone)
    synsets = find_synsets(features.header.classes, params.synsets)
    return measure(
        features, read_classifier(json.loads(features.header.fingerprint_parts)), synsets
    )


def measure(features: FeatureSet, classifier: Classifier, synsets: Synsets) -> ZeroShot:
    """Compare the likeliest known class of each original image with its label.

    Images of classes that ImageNet does not have take no part, unless one class alone is known: then
    an image is taken for it where it is likelier than any other of ImageNet's.
    """
    classes = features.header.classes
    names = list(synsets)
    of_class = {name: place for place, name in enumerate(names)}
    known = np.array([of_class.get(name, -1) for name in classes])
    labels, answers, splits = [], [], []
    for split, block in features.splits.items():
        originals = block.copy == 0
        labels.append(block.labels[originals])
        answers.append(answer(classifier.probabilities(block.features[originals]), synsets))
        splits.append(np.full(int(originals.sum()), split))
    label, found, split_of = map(np.concatenate, (labels, answers, splits))
    wanted = known[label]
    asked = wanted >= 0 if len(names) > 1 else np.ones(len(wanted), bool)
    right = found == wanted
    rows = {name: wanted == place for name, place in of_class.items()}
    rows |= {OTHERS: wanted < 0} if len(names) == 1 else {}
    val = asked & (split_of == "val")
    return ZeroShot(
        dataset=features.header.dataset,
        backbone=features.header.backbone,
        synsets=dict(synsets),
        recall={name: Share.of(right[row]) for name, row in rows.items() if row.any()},
        accuracy=Share.of(right[asked]),
        val=Share.of(right[val]) if val.any() else None,
        left_out=int(((split_of == "val") & ~asked).sum()),
        unknown={
            name: int((label == place).sum())
            for place, name in enumerate(classes)
            if name not in of_class
        },
    )


def format_result(result: ZeroShot) -> str:
    """Return the result as lines for people."""
    width = max(map(len, result.recall))
    lines = [f"{result.dataset}, {result.backbone}'s own ImageNet classifier, no training:"]
    for name, share in result.recall.items():
        count = len(result.synsets.get(name, ()))
        remark = (
            f", {count_of(count, 'class', 'classes')} of ImageNet"
            if count
            else ", not taken for it"
        )
        lines.append(f"  {name:{width}}  {share}{remark}")
    lines.append(f"accuracy {result.accuracy}")
    if result.val:
        others = f", {count_of(result.left_out, 'other')} left out" if result.left_out else ""
        lines.append(f"val      {result.val}{others}")
    if result.unknown:
        images = ", ".join(f"{name} ({n:,})" for name, n in result.unknown.items())
        lines.append(
            f"not among ImageNet's classes by name: {images}; params.yaml, synsets, can say which"
        )
    return "\n".join(lines)


def to_json(result: ZeroShot) -> str:
    """Return the result as one JSON object."""
    return json.dumps(asdict(result))
