"""Stage `extract`: a frozen backbone's features for every image, each computed once."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import DeviceMemoryFull, ManifestError, StoreError
from pipeline.extraction.assembly import assemble, first_missing, refill
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.joint import JointExtractor
from pipeline.extraction.plan import Plan, iterate_rows, make_plan
from pipeline.features import Header
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.runners.runner import Runner
from pipeline.store.claims import Claims
from pipeline.store.shards import ShardDamaged
from pipeline.store.shared import SharedStore
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
    shared = SharedStore(params.features.store)
    settings = params.backbone(backbone)
    runners = [Runner(backbone, one, params.extract) for one in settings.networks]
    extractor = JointExtractor.of(backbone, settings, params.extract)
    while True:
        try:
            return _extract(dataset, backbone, extractor, runners, shared, progress)
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


def _extract(
    dataset: str,
    backbone: str,
    extractor: JointExtractor,
    runners: Sequence[Runner],
    shared: SharedStore,
    progress: Progress,
) -> str:
    """Do what `run` does, with one size of batches."""
    fingerprint, networks = extractor.fingerprint, extractor.networks
    stores = [
        [Store(paths.store_folder(), one) for one in network.fingerprint.of_each_layer()]
        for network in networks
    ]
    all_stores = [one for some in stores for one in some]
    claims = [
        Claims(paths.store_folder(), [one.key for one in network.fingerprint.of_each_layer()])
        for network in networks
    ]
    store = SideBySide(all_stores)
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
        _go_on_without(lambda: shared.fetch(all_stores, plan.keys))
        refill(store, path, fingerprint.key)
        for network, runner, own, claimed in zip(networks, runners, stores, claims, strict=True):
            fresh, took = _compute_missing(
                dataset, plan, SideBySide(own), network, runner, claimed, progress
            )
            computed, seconds = computed + fresh, seconds + took
        for claimed in claims:
            claimed.wait()
    _go_on_without(lambda: shared.add(one.folder for one in all_stores))
    n, passes = len(plan.keys), len(plan.keys) * len(networks)
    rate = f", {computed / seconds:.1f} images/s" if computed else ""
    stored = max(0, passes - computed)  # what was lost on the way was computed twice
    of_each = f" of each of {len(networks)} networks" if len(networks) > 1 else ""
    sharing = f"; {shared}" if shared.url else ""
    counts = f"{n} features{of_each}, {computed} computed, {stored} from the store"
    return f"{dataset}/{backbone}: {counts}{rate}{sharing}"


def _go_on_without(share: Callable[[], None]) -> None:
    """Fetch or add shards; where the shared store fails, say so: nothing but time is lost."""
    try:
        share()
    except StoreError as error:
        log.warning(
            "%s The run goes on without it: what is missing is computed here, and `bottleneck store push` "
            "adds it later.", error,
        )  # fmt: skip


def _compute_missing(
    dataset: str,
    plan: Plan,
    store: SideBySide,
    extractor: Extractor,
    runner: Runner,
    claims: Claims,
    progress: Progress,
) -> tuple[int, float]:
    """Run a network on the images that the store lacks; return how many they were, and the seconds.

    Of several layers, those that the store has of every image are not computed. Building the
    network is not counted. What another run computes now is left to it.
    """
    wanted = first_missing(plan, store.find(plan.keys).missing)
    with claims.claim(plan.keys[wanted]) as free:
        wanted[wanted] = free
        found = store.find(plan.keys)  # again: others may have ended since
        wanted &= found.missing
        if not wanted.any():
            return 0, 0.0
        return _compute(
            dataset, wanted, store.only(found.lacking), extractor.only(found.lacking), runner,
            found.lacking, progress,
        )  # fmt: skip


def _compute(
    dataset: str,
    wanted: NDArray[np.bool_],
    store: SideBySide,
    extractor: Extractor,
    runner: Runner,
    places: Sequence[int],
    progress: Progress,
) -> tuple[int, float]:
    """Do what `_compute_missing` does, for the rows that are wanted and some layers of the network."""
    rows, total = compress(iterate_rows(dataset), wanted), int(wanted.sum())
    images = (ImageFile(row.file, row.sha256) for row in rows)
    features = runner.compute(extractor, places, images, total)
    began = time.monotonic()
    stored = store.add(progress(features, total), extractor.widths)
    return stored, time.monotonic() - began
