"""Several stores whose features stand side by side in a row, as those of several layers of one network.

Each keeps its own under its own fingerprint, so a layer more costs the others nothing, and one
less costs nothing at all.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.store.shards import Features, Keys
from pipeline.store.store import Found, Store


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundInAll:
    """Where features lie in each store, row for row with the keys that were looked up."""

    stores: tuple[Found, ...]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Bool `(n,)`: at least one store has no feature."""
        missing: NDArray[np.bool_] = np.any([found.missing for found in self.stores], axis=0)
        return missing

    @property
    def lacking(self) -> list[int]:
        """The places of the stores that lack a feature."""
        return [place for place, found in enumerate(self.stores) if found.missing.any()]

    def __getitem__(self, rows: slice) -> "FoundInAll":
        """Return where some of the rows lie."""
        return FoundInAll(stores=tuple(found[rows] for found in self.stores))


class SideBySide:
    """Stores as one.

    Args:
        stores: At least one. The features of several are vectors.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = tuple(stores)

    def only(self, places: Iterable[int]) -> "SideBySide":
        """Return some of the stores, in this order."""
        return SideBySide([self._stores[place] for place in places])

    def find(self, keys: Keys) -> FoundInAll:
        """Look up many images at once; see `Store.find`."""
        return FoundInAll(stores=tuple(store.find(keys) for store in self._stores))

    def read(self, found: FoundInAll, keys: Keys) -> Features:
        """Read the features of images that the last `find` found, `(n, d)` or of one store `(n, ...)`.

        Raises:
            ShardDamaged: A shard is not what it was; it is quarantined. Call `find` again.
        """
        pairs = zip(self._stores, found.stores, strict=True)
        return np.concatenate([store.read(own, keys) for store, own in pairs], axis=1)

    def widths(self) -> tuple[int, ...]:
        """Return how many numbers of a row are each store's, none where there is one store.

        The last `find` must have found something in each.
        """
        shapes = [store.feature_shape() for store in self._stores]
        return tuple(shape[0] for shape in shapes if shape) if len(shapes) > 1 else ()

    def feature_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one feature, None while the last `find` saw no shard."""
        if len(self._stores) == 1:
            return self._stores[0].feature_shape()
        return (sum(self.widths()),)

    def add(self, features: Iterable[tuple[Keys, Features]], widths: Sequence[int] = ()) -> int:
        """Store features as they come, each store its own columns, in shards bounded in bytes, rows and time.

        When the stream fails or is interrupted, what came until then is stored.

        Args:
            features: Batches: uint8 `(b, 32)`; float `(b, d)`, of one store `(b, ...)`.
            widths: How many columns are each store's; of one store: nothing.

        Returns:
            How many rows were stored.

        Raises:
            StoreError: The disk is full or cannot be written; earlier shards stay valid.
        """
        ends = np.cumsum(widths, dtype=int)[:-1]
        writers = [store.writer() for store in self._stores]
        with ExitStack() as at_the_end:
            for writer in writers:
                at_the_end.callback(writer.flush)
            for keys, batch in features:
                for writer, own in zip(writers, np.split(batch, ends, axis=1), strict=True):
                    writer.append(keys, own)
        return writers[0].stored
