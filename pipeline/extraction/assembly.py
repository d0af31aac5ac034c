"""Features between the store and a dataset's features file; none is computed here."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FeaturesError
from pipeline.extraction.plan import Plan
from pipeline.features import (
    Block,
    Header,
    create_features,
    read_header,
    read_keys,
    stream_features,
)
from pipeline.store.shards import Features, Keys
from pipeline.store.side_by_side import FoundInAll, SideBySide
from pipeline.store.store import names_of

BLOCK_BYTES = 8 << 20  # of features read and written at once

log = logging.getLogger(__name__)


def refill(store: SideBySide, path: Path, fingerprint: str) -> int:
    """Put the rows of a features file into the store where it lacks them; return how many.

    So a features file that came by `dvc pull` saves its forward passes. One of another
    fingerprint is left alone; one that is damaged is reported and not used.
    """
    if not path.exists():
        return 0
    try:
        header = read_header(path)
        if header.fingerprint != fingerprint:
            return 0
        # Keys first: where the store has all of them, the large column is not read.
        keys = read_keys(path)
        missing = store.find(keys).missing
        if not missing.any():
            return 0
        return store.add(_missing_features(path, keys, missing), header.widths)
    except FeaturesError as error:
        log.warning("%s Its features are not used.", error)
        return 0


def _missing_features(
    path: Path, keys: Keys, missing: NDArray[np.bool_]
) -> Iterator[tuple[Keys, Features]]:
    start = 0  # the stream gives features alone, in the order of the keys
    for features in stream_features(path, BLOCK_BYTES):
        here = slice(start, start + len(features))
        wanted = missing[here]
        if wanted.any():
            yield keys[here][wanted], features[wanted]
        start += len(features)


def assemble(
    path: Path, header: Header, plan: Plan, store: SideBySide, found: FoundInAll, dtype: str
) -> None:
    """Write the features file from the store, a block at a time.

    Raises:
        ShardDamaged: A shard is not what it was; nothing is written.
    """
    shape = store.feature_shape()
    assert shape is not None, "every feature was found"
    size = max(1, BLOCK_BYTES // (math.prod(shape) * np.dtype(dtype).itemsize))
    parents, first = plan.parents, 0
    # A damaged shard ends this block by its error, and with it the file that was begun.
    with create_features(path, replace(header, widths=store.widths())) as writer:
        for split, rows in plan.splits.items():
            writer.add_split(split, rows, shape, dtype, plan.paths.itemsize)
            for start in range(first, first + rows, size):
                here = slice(start, min(start + size, first + rows))
                # From the store once more, block by block: a million features do not fit memory.
                block = Block(
                    features=store.read(found[here], plan.keys[here]),
                    labels=plan.labels[here],
                    sha256=names_of(plan.keys[here]),
                    parent=names_of(plan.keys[parents[here]]),
                    group=names_of(plan.groups[here]),
                    copy=plan.copies[here],
                    path=plan.paths[here],
                )
                writer.append(split, block)
            first += rows


def first_missing(plan: Plan, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the rows to compute, bool `(n,)`: those that the store lacks, each image once."""
    places = np.flatnonzero(missing)
    # As one value of 32 bytes each; `np.unique` gives the first row where there are equals.
    keys = np.ascontiguousarray(plan.keys[places]).view("V32").ravel()
    first = np.zeros(len(plan.keys), bool)
    first[places[np.unique(keys, return_index=True)[1]]] = True
    return first
