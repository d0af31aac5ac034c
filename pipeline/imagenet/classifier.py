"""A network's own ImageNet classifier: which of our classes it takes an image for.

It is a matrix on the pooled features of the last layer, so cached features are all that it takes: no
image is read and no network is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.torch_file import read_state_dict
from pipeline.backbones.weights import pip_weights_file, pip_weights_sha256
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.errors import BackboneError, ParamsError
from pipeline.heads.kind import softmax
from pipeline.heads.rows import Float
from pipeline.imagenet.classes import synsets_called, wordnet_ids

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


def find_synsets(classes: tuple[str, ...], named: Mapping[str, list[str]]) -> Synsets:
    """Return the WordNet ids of each class that ImageNet has: as params.yaml says, else by its name.

    Raises:
        ParamsError: One is none of ImageNet's, or two classes have it.
        BackboneError: ImageNet has no class at all.
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
    if not every:
        raise BackboneError(
            f"ImageNet has no class called {', '.join(classes)}. Say which of its "
            "classes are meant, by their WordNet ids: synsets: {rabbit: [n02325366, n02326432]} "
            "(params.yaml)"
        )
    return {name: ids for name, ids in found.items() if ids}


def read_classifier(parts: Mapping[str, Any]) -> Classifier:
    """Read the classifier that belongs to features.

    Args:
        parts: What the features' fingerprint is made of.

    Raises:
        BackboneError: The features are not those that a classifier takes, or it is not there.
    """
    if networks := parts.get("networks"):
        raise BackboneError(
            f"these features are of {len(networks)} networks; ImageNet's classifier takes those of "
            "its own network alone: ask under a key that names one (params.yaml, backbones)"
        )
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


def answer(probabilities: Float, synsets: Synsets) -> NDArray[np.int64]:
    """Return which class each image is taken for.

    Args:
        probabilities: Of ImageNet's classes, `(n, 1000)`.
        synsets: The `k` classes.

    Returns:
        int64 `(n,)`, `0 <= class < k`; of one class alone -1 for images that are none of it.
    """
    sums = sum_classes(probabilities, synsets)
    if len(synsets) == 1:
        rest = np.delete(probabilities, _columns(next(iter(synsets.values()))), axis=1)
        return np.where(sums[:, 0] > rest.max(axis=1), 0, -1)
    likeliest: NDArray[np.int64] = sums.argmax(axis=1)
    return likeliest


def sum_classes(probabilities: Float, synsets: Synsets) -> Float:
    """Return the probability of each of `k` classes `(n, k)`, of ImageNet's `(n, 1000)`."""
    sums = [probabilities[:, _columns(ids)].sum(axis=1) for ids in synsets.values()]
    return np.stack(sums, axis=1)


def _columns(ids: tuple[str, ...]) -> list[int]:
    """Return the places of WordNet ids among a network's outputs."""
    return [wordnet_ids().index(one) for one in ids]
