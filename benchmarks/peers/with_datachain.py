"""Features with DataChain.

`default` is its guides' first way: `read_storage` (that lists anew), `setup`, `map`, `save`. `tuned` adds
what they have for changing folders and for failures: delta updates, and rows written a hundred at a time.
"""

import datachain as dc
from network import PHOTOS, WAY, CountedNetwork, tell


def look(file: dc.ImageFile, network: CountedNetwork) -> list[float]:
    """Return a photo's feature."""
    return network.look(file.read())


if WAY == "tuned":
    photos = dc.read_storage(
        PHOTOS,
        type="image",
        update=True,
        delta=True,
        delta_on="file.path",
        delta_compare=["file.etag", "file.size"],
    ).settings(batch_size=100)
else:
    photos = dc.read_storage(PHOTOS, type="image", update=True)
features = photos.setup(network=CountedNetwork).map(feature=look).save("features")
tell(dict(features.to_iter("file.path", "feature")), "datachain")
