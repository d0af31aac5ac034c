"""How well a backbone's own ImageNet classifier does on a dataset, with no training at all.

The classifier is a matrix on the pooled features of the last layer, so cached features are all that
it takes: no image is read and no network is built.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.torch_file import read_state_dict
from pipeline.backbones.weights import pip_weights_file, pip_weights_sha256
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.errors import BackboneError, ParamsError
from pipeline.features import FeatureSet
from pipeline.heads.kind import softmax
from pipeline.heads.loading import load_features
from pipeline.heads.rows import Float
from pipeline.metrics import wilson_interval
from pipeline.params import Params
from pipeline.tools.imagenet_classes import synsets_called, wordnet_ids
from pipeline.tools.words import count_of

OTHERS = "others"  # what an image shows that is not of the only class that is known
Synsets = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """The last layer of a network: from pooled features to ImageNet's classes.

    Attributes:
        kernel: float64 `(d, 1000)`.
        bias: float64 `(1000,)`.
    """

    kernel: Float
    bias: Float

    def probabilities(self, features: NDArray[Any]) -> Float:
        """Return float64 `(n, 1000)`, of features float16 or float32 `(n, d)`."""
        return softmax(features.astype(np.float64) @ self.kernel + self.bias)


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
        return (
            f"{self.share:.3f} ({self.low:.3f} to {self.high:.3f}) of {count_of(self.n, 'image')}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShot:
    """What came out.

    Attributes:
        synsets: Of each class that ImageNet has, the WordNet ids that it goes by.
        recall: Of each class that was asked for; of one class alone also `others`: the images of
            the other classes, which are right where they are not taken for it.
        accuracy: Over all original images that were asked, of all splits.
        val: Over those of val, which heads are measured on; None where there are none.
        unknown: Images of each class that ImageNet does not have.
    """

    dataset: str
    backbone: str
    synsets: dict[str, tuple[str, ...]]
    recall: dict[str, Share]
    accuracy: Share
    val: Share | None
    unknown: dict[str, int]


def run(dataset: str, backbone: str, params: Params) -> ZeroShot:
    """Ask the classifier about every original image of a dataset.

    Raises:
        ParamsError: There is no such dataset or backbone, or `synsets` names what ImageNet has not.
        FeaturesError: The features are missing or damaged.
        BackboneError: The weights hold no classifier for these features, or ImageNet has no class.
    """
    params.dataset(dataset), params.backbone(backbone)
    features = load_features(dataset, backbone)
    synsets = find_synsets(features.header.classes, params.synsets)
    if not synsets:
        raise BackboneError(
            f"ImageNet has no class called {', '.join(features.header.classes)}. Say which of its "
            "classes are meant, by their WordNet ids: synsets: {rabbit: [n02325366, n02326432]} "
            "(params.yaml)"
        )
    return measure(
        features, read_classifier(json.loads(features.header.fingerprint_parts)), synsets
    )


def find_synsets(classes: tuple[str, ...], named: Mapping[str, list[str]]) -> Synsets:
    """Return the WordNet ids of each class that ImageNet has: as params.yaml says, else by its name.

    Raises:
        ParamsError: One is none of ImageNet's, or two classes have it.
    """
    found = {name: tuple(named.get(name, ())) or synsets_called(name) for name in classes}
    every = [one for ids in found.values() for one in ids]
    if strange := sorted(set(every) - set(wordnet_ids())):
        raise ParamsError(
            f"{', '.join(strange)}: none of the 1,000 classes that networks learned of ImageNet; "
            "docs/explain.md says how to find their ids (params.yaml, synsets)"
        )
    if twice := sorted({one for one in every if every.count(one) > 1}):
        raise ParamsError(f"{', '.join(twice)}: named twice (params.yaml, synsets)")
    return {name: ids for name, ids in found.items() if ids}


def read_classifier(parts: Mapping[str, Any]) -> Classifier:
    """Read the classifier that belongs to features.

    Args:
        parts: What the features' fingerprint is made of.

    Raises:
        BackboneError: The features are not those that a classifier takes, or it is not there.
    """
    if (parts["layer"], parts["pooling"]) != (None, "avg"):
        raise BackboneError(
            f"these features are of layer {parts['layer']!r} with pooling {parts['pooling']!r}; ImageNet's "
            "classifier takes those of layer null with pooling avg (params.yaml, backbones)"
        )
    info = CATALOGUE.get(parts["backbone"])
    name = info.pip_weights if info else None
    if name is None or parts["weights"] != pip_weights_sha256(name):
        known = ", ".join(one.name for one in CATALOGUE.values() if one.pip_weights)
        raise BackboneError(
            f"the weights of {parts['backbone']} hold no classifier: Keras keeps it in another file, and "
            f"random or own weights have none. Those of {known} with weights: imagenet have one "
            "(params.yaml, backbones)"
        )
    tensors = read_state_dict(pip_weights_file(name))
    kernel, bias = tensors["_fc.weight"].T, tensors["_fc.bias"]
    return Classifier(kernel=kernel.astype(np.float64), bias=bias.astype(np.float64))


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
        unknown={
            name: int((label == place).sum())
            for place, name in enumerate(classes)
            if name not in of_class
        },
    )


def answer(probabilities: Float, synsets: Synsets) -> NDArray[np.int64]:
    """Return which class each image is taken for.

    Args:
        probabilities: Of ImageNet's classes, `(n, 1000)`.
        synsets: The `k` classes.

    Returns:
        int64 `(n,)`, `0 <= class < k`; of one class alone -1 for images that are none of it.
    """
    place = {one: index for index, one in enumerate(wordnet_ids())}
    columns = [[place[one] for one in ids] for ids in synsets.values()]
    sums = np.stack([probabilities[:, some].sum(axis=1) for some in columns], axis=1)
    if len(columns) == 1:
        rest = np.delete(probabilities, columns[0], axis=1)
        return np.where(sums[:, 0] > rest.max(axis=1), 0, -1)
    likeliest: NDArray[np.int64] = sums.argmax(axis=1)
    return likeliest


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
        lines.append(f"val      {result.val}")
    if result.unknown:
        images = ", ".join(f"{name} ({n:,})" for name, n in result.unknown.items())
        lines.append(
            f"not among ImageNet's classes by name: {images}; params.yaml, synsets, can say which"
        )
    return "\n".join(lines)


def to_json(result: ZeroShot) -> str:
    """Return the result as one JSON object."""
    return json.dumps(asdict(result))
