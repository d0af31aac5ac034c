"""From images' files to features, and the fingerprint of all that decides them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain, islice

import numpy as np

from pipeline.backbones.backbone import Backbone
from pipeline.catalogue.backbones import activations_of
from pipeline.engines import Engine, open_engine
from pipeline.engines.choice import EngineConfig, choose
from pipeline.engines.hardware import find_hardware
from pipeline.engines.memory import told_when_full
from pipeline.errors import NonFiniteFeatures
from pipeline.extraction.code import digest_code
from pipeline.extraction.decoding import ImageFile, decode_beside, decode_here
from pipeline.images import decoder_versions
from pipeline.parallel import map_ordered
from pipeline.params import BackboneParams, ExtractParams
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shards import Features, Keys


class Extractor:
    """A backbone as settings and machine have it run; the only way to features.

    Args:
        name: The backbone's key in params.yaml.
        settings: Which network, where it is cut, and its weights.
        extract: Which engine runs it, and what is kept.

    Raises:
        BackboneError: There is no such backbone, or this machine cannot run it so.
    """

    def __init__(self, name: str, settings: BackboneParams, extract: ExtractParams) -> None:
        self.config = choose(
            extract,
            find_hardware(extract.engine),
            settings.input_size,
            activations=activations_of(settings.network or name),
            needs_openvino=settings.needs_openvino,
        )
        self.dtype = extract.dtype
        self._extract = extract
        self._backbone = Backbone(
            name, settings, self.config.network_precision, self.config.keras_backend
        )

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """All that decides the features; no network is built but where Keras alone knows its weights."""
        return fingerprint_of(self._backbone, self.config, self.dtype)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers of a feature are each layer's, in order; empty for one layer."""
        return self._backbone.widths if len(self._backbone.layers) > 1 else ()

    def only(self, places: Sequence[int]) -> "Extractor":
        """Return what computes some of the layers, this one where those are all."""
        layers = self._backbone.layers
        if len(places) == len(layers):
            return self
        some = tuple(layers[place] for place in places)
        layer = some if len(some) > 1 else some[0]
        settings = self._backbone.settings.model_copy(update={"layer": layer})
        return Extractor(self._backbone.name, settings, self._extract)

    def with_half_the_batch(self) -> "Extractor":
        """Return what takes half as many images at once; its features have another fingerprint."""
        half = self._extract.model_copy(update={"batch_size": self.config.batch_size // 2})
        return Extractor(self._backbone.name, self._backbone.settings, half)

    @cached_property
    def engine(self) -> Engine:
        """The backbone, built and compiled when this is first read, which takes seconds."""
        return open_engine(self.config, self._backbone)

    def extract(self, images: Iterable[ImageFile]) -> Iterator[tuple[Keys, Features]]:
        """Compute features on all cores, in full batches; see `compute`."""
        return compute(images, self.engine, self._backbone.input_size, self.dtype)


def fingerprint_of(backbone: Backbone, config: EngineConfig, dtype: str) -> Fingerprint:
    """Gather all that decides the values of a backbone's features."""
    described = backbone.describe()
    return Fingerprint(
        parts={
            **described,
            "decoder": decoder_versions(),
            "runs_on": config.describe(),
            "dtype": dtype,
            "code": digest_code(config.engine, described["builder"]),
        }
    )


def compute(
    images: Iterable[ImageFile], engine: Engine, input_size: int, dtype: str
) -> Iterator[tuple[Keys, Features]]:
    """Decode images and run the backbone over them, both at once.

    On a CPU each core does both with another image; beside a GPU all cores decode batches, of which
    as many are under way as the engine has streams.

    Args:
        images: Whose features are wanted; a stream of any length.
        engine: Runs the backbone.
        input_size: Height and width of its images, pixels.
        dtype: float16 or float32, of the result.

    Yields:
        The sha256 of the files' bytes, uint8 `(b, 32)`, and their features, `dtype` `(b, ...)`,
        in the images' order.

    Raises:
        ManifestError: A file is missing or does not have its sha256.
        ImageError: A file cannot be decoded.
        OSError: A file that needs no sha256 cannot be read.
        NonFiniteFeatures: Names the image.
        DeviceMemoryFull: A batch does not fit the device.
    """
    images = iter(images)
    first = list(islice(images, engine.batch_size))
    # A CPU takes images one by one; and for a few images processes would take longer to start.
    decoding = (
        decode_beside(engine.batch_size, input_size, engine.streams)
        if engine.batch_size > 1 and len(first) == engine.batch_size
        else decode_here(engine.batch_size, input_size)
    )
    with ThreadPoolExecutor(engine.streams) as pool, decoding as decode:

        def work(batch: Sequence[ImageFile]) -> tuple[Keys, Features]:
            with decode(batch) as (keys, pixels):
                with np.errstate(over="ignore"), told_when_full(engine.batch_size):
                    features = engine.run(pixels)[: len(batch)].astype(dtype)
                keys = keys[: len(batch)].copy()
            _check_finite(batch, features, dtype)
            return keys, features

        batches = _batches(chain(first, images), engine.batch_size)
        yield from map_ordered(pool, work, batches, ahead=4 * engine.streams)


def _check_finite(batch: Sequence[ImageFile], features: Features, dtype: str) -> None:
    bad = [
        str(image.path)
        for image, feature in zip(batch, features, strict=True)
        if not np.isfinite(feature).all()
    ]
    if bad:
        advice = (
            " or are too large for float16: set extract.dtype to float32 (params.yaml)"
            if dtype == "float16"
            else ""
        )
        raise NonFiniteFeatures(f"the features of {', '.join(bad)} are not finite numbers{advice}.")


def _batches(images: Iterable[ImageFile], size: int) -> Iterator[list[ImageFile]]:
    images = iter(images)
    while batch := list(islice(images, size)):
        yield batch
