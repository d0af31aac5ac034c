"""The networks of a backbone as one extractor: what they make of an image stands side by side."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import tee

import numpy as np

from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor
from pipeline.parallel import closing
from pipeline.params import AnyBackbone, ExtractParams
from pipeline.store.fingerprint import Fingerprint, join_fingerprints
from pipeline.store.shards import Features, Keys


class JointExtractor:
    """What computes the features of a backbone of one network or several.

    A network computes what it does alone, under the fingerprint that it has alone: the store shares
    its features with every backbone that has the network.

    Args:
        networks: An extractor of each network, in the order of their features.
    """

    def __init__(self, networks: Sequence[Extractor]) -> None:
        self.networks = tuple(networks)
        self.dtype = networks[0].dtype
        self.streams = networks[0].config.streams

    @classmethod
    def of(cls, name: str, settings: AnyBackbone, extract: ExtractParams) -> "JointExtractor":
        """Return what computes a backbone's features.

        Args:
            name: Its key in params.yaml.
            settings: Which networks, where they are cut, and their weights.
            extract: Which engine runs them, and what is kept.

        Raises:
            BackboneError: There is no such network, or this machine cannot run it so.
        """
        return cls([Extractor(name, one, extract) for one in settings.networks])

    @property
    def batch_size(self) -> int:
        """How many images a network takes at once, the largest number of all."""
        return max(one.config.batch_size for one in self.networks)

    def with_half_the_batch(self) -> "JointExtractor":
        """Return what takes half as many images at once, where it takes most."""
        largest = self.batch_size
        return JointExtractor(
            [
                one.with_half_the_batch() if one.config.batch_size == largest else one
                for one in self.networks
            ]
        )

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """All that decides the features; see `Extractor.fingerprint`."""
        return join_fingerprints([one.fingerprint for one in self.networks])

    def extract(self, images: Iterable[ImageFile]) -> Iterator[tuple[Keys, Features]]:
        """Compute features, as `Extractor.extract`; those of several networks come image by image."""
        if len(self.networks) == 1:
            yield from self.networks[0].extract(images)
            return
        streams = tee(images, len(self.networks))
        with ExitStack() as stack:  # where one fails, the others end here, too
            batches = [
                stack.enter_context(closing(one.extract(own)))
                for one, own in zip(self.networks, streams, strict=True)
            ]
            for rows in zip(*map(_rows, batches), strict=True):
                keys, features = zip(*rows, strict=True)
                yield keys[0], np.concatenate(features, axis=1)


def _rows(batches: Iterable[tuple[Keys, Features]]) -> Iterator[tuple[Keys, Features]]:
    """Yield batches of one image: those of networks with other input sizes have other lengths."""
    for keys, features in batches:
        for row in range(len(keys)):
            yield keys[row : row + 1], features[row : row + 1]
