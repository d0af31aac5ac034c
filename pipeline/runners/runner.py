"""Where a network computes: in this process, or by workers of Ray, as `extract.runner` says."""

import os
from collections.abc import Iterable, Iterator, Sequence

from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.params import BackboneParams, ExtractParams
from pipeline.runners.recipe import Recipe
from pipeline.store.shards import Features, Keys


class Runner:
    """Has one network compute; what it computes is the same wherever that is.

    Args:
        name: The backbone's key in params.yaml.
        settings: Which network, where it is cut, and its weights.
        extract: Which engine runs it, what is kept, and who computes.
    """

    def __init__(self, name: str, settings: BackboneParams, extract: ExtractParams) -> None:
        self._name, self._settings, self._extract = name, settings, extract
        if extract.runner == "ray":
            # JAX would take most of a GPU's memory here, where nothing is computed, from a worker.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    def compute(
        self, extractor: Extractor, places: Sequence[int], images: Iterable[ImageFile], total: int
    ) -> Iterator[tuple[Keys, Features]]:
        """Begin to compute features; see `Extractor.extract` and `extract_on_ray`.

        Args:
            extractor: The network as this machine has it.
            places: Those of its layers that are computed.
            images: Whose features are wanted; a stream.
            total: How many they are.
        """
        if self._extract.runner == "local":
            _ = extractor.engine  # built now, not when the first image is asked for
            return extractor.extract(images)
        from pipeline.runners.ray_workers import extract_on_ray

        on_gpu = extractor.config.device == "gpu"
        ray = self._extract.ray
        return extract_on_ray(
            images, total, self._recipe(extractor, places), ray,
            batch_size=extractor.config.batch_size,
            gpus=int(on_gpu) if ray.gpus is None else ray.gpus,
        )  # fmt: skip

    def _recipe(self, extractor: Extractor, places: Sequence[int]) -> Recipe:
        """Return what it takes to open in another process what `extractor` is here."""
        # The size of batches may have been lowered since, for the memory of the GPU.
        same = self._extract.model_copy(update={"batch_size": extractor.config.batch_size})
        return Recipe(
            name=self._name, settings=self._settings, extract=same, places=tuple(places),
            fingerprint=extractor.fingerprint.to_json(), cores=self._extract.ray.cpus,
        )  # fmt: skip
