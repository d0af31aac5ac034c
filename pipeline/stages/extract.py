"""Stage `extract`: a frozen backbone's features for every image, each computed once."""

import logging
from collections.abc import Callable, Sequence

from pipeline import paths
from pipeline.errors import DeviceMemoryFull, ManifestError, StoreError
from pipeline.extraction.assembly import assemble, refill
from pipeline.extraction.joint import JointExtractor
from pipeline.extraction.plan import iterate_rows, make_plan
from pipeline.features import Header
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.runners.missing import Missing
from pipeline.runners.runner import Runner
from pipeline.store.shards import ShardDamaged
from pipeline.store.shared import SharedStore
from pipeline.store.side_by_side import SideBySide

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
    fingerprint = extractor.fingerprint
    parts = [
        Missing(network, runner)
        for network, runner in zip(extractor.networks, runners, strict=True)
    ]
    all_stores = [store for part in parts for store in part.stores]
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
        for part in parts:
            fresh, took = part.compute(dataset, plan, progress)
            computed, seconds = computed + fresh, seconds + took
        for part in parts:
            part.wait_for_others()
    _go_on_without(lambda: shared.add(one.folder for one in all_stores))
    counts = _describe(len(plan.keys), len(parts), computed, seconds)
    return f"{dataset}/{backbone}: {counts}{f'; {shared}' if shared.url else ''}"


def _describe(images: int, networks: int, computed: int, seconds: float) -> str:
    """Return the counts of a run in words."""
    of_each = f" of each of {networks} networks" if networks > 1 else ""
    stored = max(0, images * networks - computed)  # what was lost on the way was computed twice
    rate = f", {computed / seconds:.1f} images/s" if computed else ""
    return f"{images} features{of_each}, {computed} computed, {stored} from the store{rate}"


def _go_on_without(share: Callable[[], None]) -> None:
    """Fetch or add shards; where the shared store fails, say so: nothing but time is lost."""
    try:
        share()
    except StoreError as error:
        log.warning(
            "%s The run goes on without it: what is missing is computed here, and `bottleneck store push` "
            "adds it later.", error,
        )  # fmt: skip
