"""Is an image like anything that a head was trained on? Its nearest training images say it.

A head must choose one of its classes, and is often sure of it, whatever it is shown.

Reference:
    Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors" (arXiv:2204.06507).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.rows import Float, Rows, Scaler, to_unit_length

NEAREST = 5  # the similarity is that to the fifth: one odd training image vouches for nothing
FALSE_ALARMS = 0.01  # share of the training images that would be called unlike the others
KNOWN = 20_000  # training images that others are compared with, at most, so that it takes seconds
ASKED = 1000  # of these, that set the bound, at most
ASKED_NUMBERS = 1 << 24  # in all of them: 128 MB in float64; a feature may be a whole map

_AS_IT_IS = Scaler(scaling="none", mean=np.zeros(0), factor=np.ones(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Familiarity:
    """What is known, and from where on something is unlike it.

    Attributes:
        rows: The original training images, or some of them where there are many.
        bound: The similarity below which an image is called unlike them.
    """

    rows: Rows
    bound: float

    @classmethod
    def learn(cls, rows: Rows, seed: int) -> Self:
        """Set the bound by training images, each asked without its near-duplicates.

        Args:
            rows: What the head was fitted to; copies take no part.
            seed: Draws the images that count, where there are many.
        """
        originals = rows.originals()
        order = np.random.default_rng(seed).permutation(len(originals))
        known = originals.take(np.sort(order[:KNOWN]))
        most = min(ASKED, max(NEAREST, ASKED_NUMBERS // rows.width))
        asked = originals.take(np.sort(order[:most]))
        similarities = _similarities(known, asked.features, asked.groups)
        return cls(rows=known, bound=float(np.quantile(similarities, FALSE_ALARMS)))

    def similarities(self, features: NDArray[Any]) -> Float:
        """Return cosines to the fifth nearest training image, float64 `(n,)`, of features `(n, *shape)`."""
        return _similarities(self.rows, features.reshape(len(features), -1), None)


def _similarities(known: Rows, features: NDArray[Any], groups: NDArray[np.bytes_] | None) -> Float:
    """Return the cosine of each feature to the fifth nearest known one that is not of its group.

    Where fewer are known, the farthest of them counts; -1 where none is.
    """
    asked = to_unit_length(features.astype(np.float64))
    best = np.full((len(asked), NEAREST), -np.inf)
    for block, x in known.blocks(_AS_IT_IS):
        cosines = asked @ to_unit_length(x).T
        if groups is not None:
            cosines[groups[:, None] == known.groups[block][None]] = -np.inf
        best = -np.partition(-np.hstack([best, cosines]), NEAREST - 1, axis=1)[:, :NEAREST]
    farthest: Float = np.where(np.isfinite(best), best, np.inf).min(axis=1)
    return np.where(np.isfinite(farthest), farthest, -1.0)
