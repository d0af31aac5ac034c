"""What the store lacks of one network: found, claimed, computed and stored."""

import time
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.extraction.assembly import first_missing
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import Plan, iterate_rows
from pipeline.parallel import Progress, closing
from pipeline.runners.runner import Runner
from pipeline.store.claims import Claims
from pipeline.store.side_by_side import FoundInAll, SideBySide
from pipeline.store.store import Store


class Missing:
    """What a run has to compute of one network.

    Args:
        extractor: The network as this machine has it.
        runner: Has it compute.

    Attributes:
        stores: That of each of its layers.
    """

    def __init__(self, extractor: Extractor, runner: Runner) -> None:
        self._extractor, self._runner = extractor, runner
        fingerprints = extractor.fingerprint.of_each_layer()
        self.stores = [Store(paths.store_folder(), one) for one in fingerprints]
        self._store = SideBySide(self.stores)
        self._claims = Claims(paths.store_folder(), [one.key for one in fingerprints])

    def compute(self, dataset: str, plan: Plan, progress: Progress) -> tuple[int, float]:
        """Run the network on the images that the store lacks; return how many they were, and the seconds.

        Of several layers, those that the store has of every image are not computed. Building the
        network is not counted. What another run computes now is left to it.
        """
        wanted = first_missing(plan, self._store.find(plan.keys).missing)
        if not wanted.any():
            return 0, 0.0
        with self._claims.claim(plan.keys[wanted]) as free:
            wanted[wanted] = free
            found = self._store.find(plan.keys)  # again: others may have ended since
            wanted &= found.missing
            return self._compute(dataset, wanted, found, progress) if wanted.any() else (0, 0.0)

    def wait_for_others(self) -> None:
        """Return when what was left to other runs is in the store, or they have ended without it."""
        self._claims.wait()

    def _compute(
        self, dataset: str, wanted: NDArray[np.bool_], found: FoundInAll, progress: Progress
    ) -> tuple[int, float]:
        rows, total = compress(iterate_rows(dataset), wanted), int(wanted.sum())
        images = (ImageFile(row.file, row.sha256) for row in rows)
        extractor, store = self._extractor.only(found.lacking), self._store.only(found.lacking)
        with closing(self._runner.compute(extractor, found.lacking, images, total)) as features:
            began = time.monotonic()
            stored = store.add(progress(features, total), extractor.widths)
            return stored, time.monotonic() - began
