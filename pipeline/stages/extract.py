"""Stage `extract`: a frozen backbone's features for every image, each computed once."""

import logging
import time
from itertools import compress

from pipeline import paths
from pipeline.errors import DeviceMemoryFull, ManifestError
from pipeline.extraction.assembly import assemble, first_missing, refill
from pipeline.extraction.extractor import Extractor, ImageFile
from pipeline.extraction.joint import JointExtractor
from pipeline.extraction.plan import Plan, iterate_rows, make_plan
from pipeline.features import Header
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.store.shards import ShardDamaged
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import Store

log = logging.getLogger(__name__)


def run(dataset: str, backbone: str, params: Params, progress: Progress = no_progress) -> str:
    """Write the features file, running the backbone on what the store lacks; return one line of counts.

    Args:
        dataset: Name.
        backbone: Name.
        params: All settings.
        progress: Shows how far it is; gets batches of keys and features.
    """
    params.dataset(dataset)
    extractor = JointExtractor.of(backbone, params.backbone(backbone), params.extract)
    while True:
        try:
            return _extract(dataset, backbone, extractor, progress)
        except DeviceMemoryFull:
            if extractor.batch_size == 1:
                raise
        # Its features have a fingerprint of their own, so all begins anew.
        tried, extractor = extractor.batch_size, extractor.with_half_the_batch()
        log.warning(
            "the memory of the GPU is not enough for a batch of %d images: trying %d; set extract.batch_size "
            "to that (params.yaml), so that other commands find these features.",
            tried, extractor.batch_size,
        )  # fmt: skip


def _extract(dataset: str, backbone: str, extractor: JointExtractor, progress: Progress) -> str:
    """Do what `run` does, with one size of batches."""
    fingerprint, networks = extractor.fingerprint, extractor.networks
    stores = [
        [Store(paths.store_folder(), one) for one in network.fingerprint.of_each_layer()]
        for network in networks
    ]
    store = SideBySide([one for some in stores for one in some])
    plan = make_plan(iterate_rows(dataset))
    if not plan.splits:
        raise ManifestError(
            f"{paths.manifest_file(dataset)} has no image that is used: run the stage split again."
        )
    header = Header(
        dataset=dataset, classes=plan.classes, backbone=backbone,
        fingerprint=fingerprint.key, fingerprint_parts=fingerprint.to_json(),
    )  # fmt: skip
    path = paths.features_file(dataset, backbone)
    computed, seconds = 0, 0.0
    while True:
        found = store.find(plan.keys)
        if not found.missing.any():
            try:
                assemble(path, header, plan, store, found, extractor.dtype)
                break
            except ShardDamaged:
                continue  # it was quarantined: now its images are missing
        refill(store, path, fingerprint.key)
        for network, own in zip(networks, stores, strict=True):
            fresh, took = _compute_missing(dataset, plan, SideBySide(own), network, progress)
            computed, seconds = computed + fresh, seconds + took
    n, passes = len(plan.keys), len(plan.keys) * len(networks)
    rate = f", {computed / seconds:.1f} images/s" if computed else ""
    stored = max(0, passes - computed)  # what was lost on the way was computed twice
    of_each = f" of each of {len(networks)} networks" if len(networks) > 1 else ""
    return f"{dataset}/{backbone}: {n} features{of_each}, {computed} computed, {stored} from the store{rate}"


def _compute_missing(
    dataset: str, plan: Plan, store: SideBySide, extractor: Extractor, progress: Progress
) -> tuple[int, float]:
    """Run a network on the images that the store lacks; return how many they were, and the seconds.

    Of several layers, those that the store has of every image are not computed. Building the
    network is not counted.
    """
    found = store.find(plan.keys)
    wanted = first_missing(plan, found.missing)
    if not wanted.any():
        return 0, 0.0
    extractor, store = extractor.only(found.lacking), store.only(found.lacking)
    _ = extractor.engine
    began = time.monotonic()
    rows = compress(iterate_rows(dataset), wanted)
    features = extractor.extract(ImageFile(row.file, row.sha256) for row in rows)
    stored = store.add(progress(features, int(wanted.sum())), extractor.widths)
    return stored, time.monotonic() - began
