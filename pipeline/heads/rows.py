"""Rows of features as a head takes them: scaled, in float64, some at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Tensors = dict[str, Float]
Scaling = Literal["none", "standard", "l2"]

BLOCK_VALUES = 1 << 21  # numbers of a block: 16 MB in float64, so that memory stays bounded
KEPT_BITS = 12  # of a weight; float16, in which features are kept, has 11


# NumPy widens float16 a number at a time; looking them up takes a quarter of the time.
_HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)


def round_weights(values: Float) -> Float:
    """Keep the 12 leading bits of each number.

    Another processor sums in another order, which moves a weight by some 1e-14 of its size. Of
    millions of weights none is so near the middle between two kept numbers that this shows, and
    1/8192 of a weight moves no prediction that could be relied on.
    """
    mantissa, exponent = np.frexp(values)
    rounded: Float = np.ldexp(np.rint(mantissa * 2**KEPT_BITS) / 2**KEPT_BITS, exponent)
    return rounded


def to_unit_length(x: Float) -> Float:
    """Divide each row `(b, d)` by its Euclidean norm; a row of zeros stays."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    unit: Float = x / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def deviations(variances: Float, means: Float) -> Float:
    """Return standard deviations to divide by `(d,)`: 1 for a feature that does not vary but by noise."""
    deviation: Float = np.sqrt(variances)
    deviation[deviation <= 1e-7 * np.abs(means)] = 0
    deviation[deviation == 0] = 1
    return deviation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scaler:
    """Brings features to a common scale before a head sees them.

    Attributes:
        scaling: `none`; `standard`: each feature minus its mean, divided by its deviation;
            `l2`: each row divided by its Euclidean norm.
        mean: Of each feature `(d,)`; zeros unless `standard`.
        factor: What the difference is multiplied by `(d,)`; ones unless `standard`, and for a
            feature that does not vary.
    """

    scaling: Scaling
    mean: Float
    factor: Float

    @classmethod
    def fit(cls, scaling: Scaling, features: NDArray[Any]) -> Self:
        """Take the statistics of training features `(n, d)`, rounded as they are saved."""
        width = features.shape[1]
        mean, deviation = np.zeros(width), np.ones(width)
        if scaling == "standard":
            mean = round_weights(sum(x.sum(axis=0) for x in _blocks(features)) / len(features))
            squares = sum(((x - mean) ** 2).sum(axis=0) for x in _blocks(features))
            deviation = deviations(squares / len(features), mean)
        return cls(scaling=scaling, mean=mean, factor=round_weights(1 / deviation))

    def apply(self, features: NDArray[Any], out: Float | None = None) -> Float:
        """Return scaled rows, float64 `(b, d)`; in `out` where there is one."""
        x = np.empty(features.shape) if out is None else out
        if features.dtype == np.float16:
            np.take(_HALVES, features.view(np.uint16), out=x, mode="clip")
        else:
            x[...] = features
        if self.scaling == "standard":
            x -= self.mean
            x *= self.factor
        elif self.scaling == "l2":
            x[...] = to_unit_length(x)
        return x

    def tensors(self) -> Tensors:
        """Return what is saved of it."""
        if self.scaling != "standard":
            return {}
        return {"scaling/mean": self.mean, "scaling/factor": self.factor}

    @classmethod
    def from_tensors(cls, scaling: Scaling, width: int, tensors: Tensors) -> Self:
        """Return what `tensors` came from."""
        mean = tensors.get("scaling/mean", np.zeros(width))
        return cls(scaling=scaling, mean=mean, factor=tensors.get("scaling/factor", np.ones(width)))


def scaler_shapes(scaling: Scaling, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a scaler saves, by name."""
    return {"scaling/mean": (width,), "scaling/factor": (width,)} if scaling == "standard" else {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Features and what they belong to, row for row.

    Attributes:
        features: float16 or float32 `(n, d)`, as they are in the features file.
        labels: int64 `(n,)`, `0 <= label < classes`.
        groups: S64 `(n,)`; near-duplicates and an image's copies have the same.
        original: bool `(n,)`; False for augmented copies.
        classes: How many there are, `k`.
    """

    features: NDArray[Any]
    labels: NDArray[np.int64]
    groups: NDArray[np.bytes_]
    original: NDArray[np.bool_]
    classes: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> int:
        """How many numbers a feature has, `d`."""
        return int(self.features.shape[1])

    def take(self, rows: NDArray[Any]) -> "Rows":
        """Return some rows: a mask `(n,)` or indices."""
        return Rows(
            features=self.features[rows],
            labels=self.labels[rows],
            groups=self.groups[rows],
            original=self.original[rows],
            classes=self.classes,
        )

    def originals(self) -> "Rows":
        """Return the rows that are no copies."""
        return self if self.original.all() else self.take(self.original)

    def original_blocks(self) -> Iterator[NDArray[np.int64]]:
        """Yield which rows are no copies, so many at a time that features and scores fit a block."""
        where = np.flatnonzero(self.original)
        for part in block_slices(len(where), max(self.width, self.classes)):
            yield where[part]

    def join(self, other: "Rows") -> "Rows":
        """Return these rows and then the others."""
        return Rows(
            features=np.concatenate([self.features, other.features]),
            labels=np.concatenate([self.labels, other.labels]),
            groups=np.concatenate([self.groups, other.groups]),
            original=np.concatenate([self.original, other.original]),
            classes=self.classes,
        )

    def blocks(self, scaler: Scaler) -> Iterator[tuple[slice, Float]]:
        """Yield all rows, scaled, float64 `(b, d)`, and which they are."""
        for rows in block_slices(len(self), self.width):
            yield rows, scaler.apply(self.features[rows])


def block_slices(n: int, width: int) -> Iterator[slice]:
    """Yield slices of `n` rows of `width` numbers that fit a block of bounded size."""
    step = max(1, BLOCK_VALUES // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _blocks(features: NDArray[Any]) -> Iterator[Float]:
    for rows in block_slices(*features.shape):
        yield features[rows].astype(np.float64)
