"""Features of any rows, through the store that the pipeline has, for studies of other images or networks."""

import math
from collections.abc import Sequence
from itertools import compress

from pipeline import paths
from pipeline.extraction.assembly import BLOCK_BYTES, first_missing
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import Plan, Row, make_plan
from pipeline.heads.rows import Rows
from pipeline.parallel import closing
from pipeline.store.shards import Features, ShardDamaged
from pipeline.store.side_by_side import FoundInAll, SideBySide
from pipeline.store.store import Store, names_of
from pipeline.studies.room import make_room


def look_up(rows: Sequence[Row], extractor: Extractor) -> dict[str, Rows]:
    """Return the rows of each split with their features; those that the store lacks are computed and kept.

    Args:
        rows: Split by split, as a features file has them.
        extractor: What computes them.

    Raises:
        ManifestError: A file is missing or does not have its sha256.
        ImageError: A file cannot be decoded.
    """
    plan = make_plan(rows)
    features = read_features(rows, extractor)
    groups = names_of(plan.groups)
    found, start = {}, 0
    for split, count in plan.splits.items():
        here = slice(start, start + count)
        found[split] = Rows(
            features=features[here].reshape(count, -1),
            labels=plan.labels[here],
            groups=groups[here],
            original=plan.copies[here] == 0,
            classes=len(plan.classes),
        )
        start += count
    return found


def read_features(rows: Sequence[Row], extractor: Extractor) -> Features:
    """Return features `(n, ...)`, row for row; those that the store lacks are computed and kept.

    See `make_room` for where they lie.
    """
    plan = make_plan(rows)
    fingerprints = extractor.fingerprint.of_each_layer()
    store = SideBySide([Store(paths.store_folder(), one) for one in fingerprints])
    while True:
        found = store.find(plan.keys)
        if not found.missing.any():
            try:
                return _read(store, found, plan, extractor.dtype)
            except ShardDamaged:
                continue  # it was quarantined: now its images are missing
        wanted = first_missing(plan, found.missing)
        lacking = extractor.only(found.lacking)
        files = (ImageFile(row.file, row.sha256) for row in compress(rows, wanted))
        with closing(lacking.extract(files)) as fresh:
            store.only(found.lacking).add(fresh, lacking.widths)


def _read(store: SideBySide, found: FoundInAll, plan: Plan, dtype: str) -> Features:
    shape = store.feature_shape()
    assert shape is not None, "every feature was found"
    features: Features = make_room((len(plan.keys), *shape), dtype)
    step = max(1, BLOCK_BYTES // (math.prod(shape) * features.itemsize))
    for start in range(0, len(features), step):
        here = slice(start, start + step)
        features[here] = store.read(found[here], plan.keys[here])
    return features
