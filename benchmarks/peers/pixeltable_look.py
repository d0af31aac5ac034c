"""The function behind Pixeltable's computed column, which must lie in a module of its own."""

import pixeltable as pxt
from network import CountedNetwork
from PIL.Image import Image

NETWORK = CountedNetwork()


@pxt.udf
def look(image: Image) -> pxt.Json:
    """Return a photo's feature."""
    return NETWORK.look(image)
