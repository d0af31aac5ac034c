"""From a dataset's tables to its features file, computing only what the store does not have."""

import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine, EngineConfig
from pipeline.errors import FeaturesError, ImageError, ManifestError, NonFiniteFeatures
from pipeline.extraction.plan import Plan, Row
from pipeline.features import (
    Block,
    Header,
    create_features,
    read_header,
    read_keys,
    stream_features,
)
from pipeline.images import decode_square, decoder_versions
from pipeline.parallel import map_ordered
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shards import Features, Keys
from pipeline.store.store import Found, Store, keys_of, names_of

BLOCK_BYTES = 8 << 20  # of features read and written at once

log = logging.getLogger(__name__)


def fingerprint_of(network: Backbone, choice: EngineConfig, dtype: str) -> Fingerprint:
    """Gather all that decides the values of a backbone's features."""
    return Fingerprint(
        parts={
            **network.describe(),
            "decoder": decoder_versions(),
            "runs_on": choice.describe(),
            "dtype": dtype,
        }
    )


def compute(
    rows: Iterable[Row], engine: Engine, input_size: int, dtype: str
) -> Iterator[tuple[Keys, Features]]:
    """Decode images and run the backbone over them, both on all cores at once.

    Args:
        rows: Whose features are wanted.
        engine: Runs the backbone.
        input_size: Height and width of its images, pixels.
        dtype: float16 or float32, of the result.

    Yields:
        uint8 `(b, 32)` and `dtype` `(b, ...)`, in the rows' order.

    Raises:
        ManifestError: A file is missing or not the one that the manifest names.
        NonFiniteFeatures: Names the image.
    """
    with ThreadPoolExecutor(engine.streams) as pool, ThreadPoolExecutor() as decoders:

        def work(batch: Sequence[Row]) -> tuple[Keys, Features]:
            spread: Callable[..., Iterable[Any]] = map if len(batch) == 1 else decoders.map
            pixels = np.zeros((engine.batch_size, input_size, input_size, 3), np.uint8)
            for place, image in enumerate(spread(lambda row: _load(row, input_size), batch)):
                pixels[place] = image
            with np.errstate(over="ignore"):
                features = engine.run(pixels)[: len(batch)].astype(dtype)
            _check_finite(batch, features, dtype)
            return keys_of(row.sha256 for row in batch), features

        yield from map_ordered(
            pool, work, _batches(rows, engine.batch_size), ahead=4 * engine.streams
        )


def _load(row: Row, input_size: int) -> NDArray[np.uint8]:
    try:
        data = row.file.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"cannot read {row.file}: {error.strerror}. Run the stages split and augment again."
        ) from None
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise ManifestError(
            f"{row.file} is not the file that the manifest names: run the stages split and augment again."
        )
    try:
        return decode_square(data, input_size)
    except ImageError as error:
        raise ImageError(f"cannot decode {row.file}: {error}") from None


def _check_finite(batch: Sequence[Row], features: Features, dtype: str) -> None:
    finite = np.isfinite(features).reshape(len(batch), -1).all(axis=1)
    if not finite.all():
        bad = [str(row.file) for row, good in zip(batch, finite, strict=True) if not good]
        advice = (
            " or are too large for float16: set extract.dtype to float32 (params.yaml)"
            if dtype == "float16"
            else ""
        )
        raise NonFiniteFeatures(f"the features of {', '.join(bad)} are not finite numbers{advice}.")


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


def refill(store: Store, path: Path, fingerprint: str) -> int:
    """Put the rows of a features file into the store where it lacks them; return how many.

    So a features file that came by `dvc pull` saves its forward passes. One of another
    fingerprint is left alone; one that is damaged is reported and not used.
    """
    if not path.exists():
        return 0
    try:
        if read_header(path).fingerprint != fingerprint:
            return 0
        keys = read_keys(path)
        missing = store.find(keys).missing
        return store.add(_missing_features(path, keys, missing)) if missing.any() else 0
    except FeaturesError as error:
        log.warning("%s Its features are not used.", error)
        return 0


def _missing_features(
    path: Path, keys: Keys, missing: NDArray[np.bool_]
) -> Iterator[tuple[Keys, Features]]:
    start = 0
    for features in stream_features(path, BLOCK_BYTES):
        here = slice(start, start + len(features))
        wanted = missing[here]
        if wanted.any():
            yield keys[here][wanted], features[wanted]
        start += len(features)


def assemble(
    path: Path, header: Header, plan: Plan, store: Store, found: Found, dtype: str
) -> None:
    """Write the features file from the store, a block at a time.

    Raises:
        ShardDamaged: A shard is not what it was; nothing is written.
    """
    shape = store.feature_shape()
    assert shape is not None, "every feature was found"
    size = max(1, BLOCK_BYTES // (math.prod(shape) * np.dtype(dtype).itemsize))
    parents, first = plan.parents, 0
    with create_features(path, header) as writer:
        for split, rows in plan.splits.items():
            writer.add_split(split, rows, shape, dtype, plan.paths.itemsize)
            for start in range(first, first + rows, size):
                here = slice(start, min(start + size, first + rows))
                places = Found(shards=found.shards[here], rows=found.rows[here])
                block = Block(
                    features=store.read(places, plan.keys[here]),
                    labels=plan.labels[here],
                    sha256=names_of(plan.keys[here]),
                    parent=names_of(plan.keys[parents[here]]),
                    copy=plan.copies[here],
                    path=plan.paths[here],
                )
                writer.append(split, block)
            first += rows


def first_missing(plan: Plan, found: Found) -> NDArray[np.bool_]:
    """Mark the rows to compute, bool `(n,)`: those that the store lacks, each image once."""
    places = np.flatnonzero(found.missing)
    keys = np.ascontiguousarray(plan.keys[places]).view("V32").ravel()
    first = np.zeros(len(plan.keys), bool)
    first[places[np.unique(keys, return_index=True)[1]]] = True
    return first
