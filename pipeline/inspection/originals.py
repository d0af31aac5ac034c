"""The images that are inspected, of all splits, and their features as directions."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.features import Block, FeatureSet
from pipeline.heads.rows import Rows, Scaler, block_slices

_UNIT = Scaler(scaling="l2", mean=np.zeros(0), factor=np.ones(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Originals:
    """The original images of a features file, row for row in its order, which is the manifest's.

    Attributes:
        rows: Their features as directions, float32 `(n, d)`, each of length 1 (or 0), so that a
            product of two is their cosine; their labels and groups.
        classes: The `k` class names that labels are indices into.
        split: `train`, `val` or `test` of each.
        sha256: Of each image file, hexadecimal.
        path: Of each, under the split folder.
    """

    rows: Rows
    classes: tuple[str, ...]
    split: tuple[str, ...]
    sha256: tuple[str, ...]
    path: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.split)

    @classmethod
    def of(cls, features: FeatureSet) -> Self:
        """Take the originals of all splits; a feature that is a map is averaged over its places."""
        blocks = [(name, block, block.copy == 0) for name, block in features.splits.items()]
        return cls(
            rows=Rows(
                features=np.concatenate([_directions(block, rows) for _, block, rows in blocks]),
                labels=np.concatenate([block.labels[rows] for _, block, rows in blocks]),
                groups=np.concatenate([block.group[rows] for _, block, rows in blocks]),
                original=np.ones(sum(int(rows.sum()) for *_, rows in blocks), np.bool_),
                classes=len(features.header.classes),
            ),
            classes=features.header.classes,
            split=tuple(name for name, _, rows in blocks for _ in range(int(rows.sum()))),
            sha256=tuple(key.decode() for _, block, rows in blocks for key in block.sha256[rows]),
            path=tuple(path.decode() for _, block, rows in blocks for path in block.path[rows]),
        )


def _directions(block: Block, rows: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the features of some rows, float32 `(n, d)`, scaled to length 1."""
    indices = np.flatnonzero(rows)
    directions = np.empty((len(indices), block.features.shape[-1]), np.float32)
    for part in block_slices(len(indices), int(np.prod(block.features.shape[1:]))):
        directions[part] = _UNIT.apply(_without_places(block.features[indices[part]]))
    return directions


def _without_places(features: NDArray[Any]) -> NDArray[Any]:
    """Return `(b, d)` of `(b, d)` or, as the mean over places, of `(b, h, w, d)`."""
    places = tuple(range(1, features.ndim - 1))
    return features.mean(axis=places, dtype=np.float64) if places else features
