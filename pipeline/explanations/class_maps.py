"""Class activation maps: what each place of an image adds to a head's score of each class.

At a given image every kind of head but `knn` is a matrix and a bias: ReLU lets a unit through or not,
and a length is one number. Applied to the network's map before it is pooled, the matrix says what each
place adds to each class's score, and the sum over all places is that score, less the bias: exactly
Zhou's map for heads of one layer, and the gradient times the map, as Grad-CAM has it, for those of more.

References:
    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization" (arXiv:1512.04150).
    Selvaraju et al. 2017, "Grad-CAM" (arXiv:1610.02391).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import NoClassMap
from pipeline.heads.head import Head
from pipeline.heads.rows import Float
from pipeline.heads.steps import Affine, Relu, Standardize, Step, UnitLength, scaling_steps

Pooling = Literal["avg", "flatten", None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassMaps:
    """What each place of an image adds to each class's score.

    Attributes:
        maps: float64 `(h, w, k)`; their sums over all places, and `bias`, are the head's scores.
        bias: float64 `(k,)`, what belongs to no place.
    """

    maps: Float
    bias: Float

    def evidence(self, label: int) -> Float:
        """Return what each place adds to a class's score beyond the mean of all classes, `(h, w)`.

        Only differences between scores make probabilities: what all classes share says nothing.
        """
        beyond: Float = self.maps[:, :, label] - self.maps.mean(axis=2)
        return beyond


def class_maps(features: NDArray[Any], head: Head, pooling: Pooling | str) -> ClassMaps:
    """Divide a head's scores of an image among its places.

    Args:
        features: The network's map before it is pooled, float `(h, w, d)`.
        head: Of any kind but `knn`.
        pooling: What makes of the map the feature that the head takes; not `max`.
    """
    height, width, depth = features.shape
    places = features.reshape(-1, depth).astype(np.float64)
    feature = places.mean(axis=0) if pooling == "avg" else places.reshape(-1)
    kernel, bias = linear_at(head, feature)
    if pooling == "avg":
        maps = places @ kernel / len(places)
    else:
        maps = np.einsum("pd,pdk->pk", places, kernel.reshape(len(places), depth, -1))
    return ClassMaps(maps=maps.reshape(height, width, -1), bias=bias)


def linear_at(head: Head, feature: Float) -> tuple[Float, Float]:
    """Return the kernel `(d, k)` and bias `(k,)` that give a head's scores of one feature `(d,)`."""
    x, steps = feature[None], [*scaling_steps(head.scaler), *head.steps()]
    inputs = []
    for step in steps:
        inputs.append(x)
        x = step.apply(x)
    kernel = np.eye(x.shape[1])
    for step, given in zip(reversed(steps), reversed(inputs), strict=True):
        kernel = _pull_back(step, given[0], kernel)
    kernel = kernel / head.temperature
    return kernel, x[0] / head.temperature - feature @ kernel


def _pull_back(step: Step, x: Float, kernel: Float) -> Float:
    """Return the kernel `(d, k)` on what a step takes, given that on what it gives, at `x` `(d,)`."""
    match step:
        case Standardize(factor=factor):
            return factor[:, None] * kernel
        case UnitLength():
            length = max(float(np.linalg.norm(x)), float(np.finfo(np.float32).tiny))
            return kernel / length
        case Affine(kernel=own):
            return own @ kernel
        case Relu():
            return (x > 0)[:, None] * kernel
    raise NoClassMap(f"the step {type(step).__name__} of this kind of head has no map")
