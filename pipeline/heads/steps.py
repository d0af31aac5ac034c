"""The steps from a feature to scores, of which every kind of head is made.

A kind says its steps once. NumPy takes them here, in float64; `pipeline.exporting` turns each into
layers of Keras.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.heads.rows import Float, Scaler, to_unit_length

LEAST_SHARE = 1e-7  # the share of a class with no neighbour
AT_ONCE = 256  # rows asked for at once: their likeness to all neighbours is in memory
DIGITS = 9  # of a cosine: of equal neighbours the first counts, however a processor sums


class Step(Protocol):
    """Turns rows into others."""

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, e)`, of float64 `(b, d)`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardize:
    """Subtract a mean `(d,)`, then multiply by a factor `(d,)`."""

    mean: Float
    factor: Float

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, d)`."""
        return (x - self.mean) * self.factor


@dataclass(frozen=True, slots=True)
class UnitLength:
    """Divide each row by its Euclidean norm; a row of zeros stays."""

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, d)`."""
        return to_unit_length(x)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """Multiply by a kernel `(d, e)` and add a bias `(e,)`."""

    kernel: Float
    bias: Float

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, e)`."""
        result: Float = x @ self.kernel + self.bias
        return result


@dataclass(frozen=True, slots=True)
class Relu:
    """Put 0 for what is negative."""

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, d)`."""
        return np.maximum(x, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearestShares:
    """The logarithm of each class's share among the nearest neighbours, the nearer the heavier.

    Attributes:
        neighbours: `(n, d)`, rows of length 1, as those that are asked about.
        labels: `(n, k)`, 1 at a neighbour's class and 0 elsewhere.
        count: How many neighbours are asked, `n` at most.
        temperature: A neighbour counts `exp(cosine / temperature)`.
    """

    neighbours: Float
    labels: Float
    count: int
    temperature: float

    def apply(self, x: Float) -> Float:
        """Return float64 `(b, k)`."""
        shares = np.zeros((len(x), self.labels.shape[1]))
        for start in range(0, len(x), AT_ONCE):
            shares[start : start + AT_ONCE] = self._shares(x[start : start + AT_ONCE])
        return np.log(np.maximum(shares, LEAST_SHARE))

    def _shares(self, x: Float) -> Float:
        cosines = np.round(x @ self.neighbours.T, DIGITS)
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : self.count]
        near = np.take_along_axis(cosines, nearest, axis=1)
        votes = np.exp((near - near[:, :1]) / self.temperature)
        votes /= votes.sum(axis=1, keepdims=True)
        shares: Float = np.einsum("bn,bnk->bk", votes, self.labels[nearest])
        return shares


def scaling_steps(scaler: Scaler) -> list[Step]:
    """Return what a scaler does, as steps."""
    if scaler.scaling == "standard":
        return [Standardize(mean=scaler.mean, factor=scaler.factor)]
    return [UnitLength()] if scaler.scaling == "l2" else []


def apply_steps(steps: Sequence[Step], x: Float) -> Float:
    """Return what the last step gives, float64 `(b, e)`."""
    for step in steps:
        x = step.apply(x)
    return x
