"""Features with Hugging Face datasets: an image folder and `map`, whose results are kept by fingerprint.

`default` maps the whole at once; `tuned` maps twenty shards, so that each is kept as soon as it is done.
"""

from typing import Any

from datasets import Image, concatenate_datasets, load_dataset
from network import PHOTOS, WAY, CountedNetwork, tell

SHARDS = 20
NETWORK = CountedNetwork()


def look(row: dict[str, Any]) -> dict[str, Any]:
    """Return a photo's feature."""
    return {"feature": NETWORK.look(row["image"])}


photos = load_dataset("imagefolder", data_dir=str(PHOTOS), split="train")
if WAY == "tuned":
    parts = [photos.shard(SHARDS, number, contiguous=True) for number in range(SHARDS)]
    features = concatenate_datasets([part.map(look) for part in parts])
else:
    features = photos.map(look)
paths = [row["path"] for row in features.cast_column("image", Image(decode=False))["image"]]
names = [path.removeprefix(f"{PHOTOS}/") for path in paths]
tell(dict(zip(names, features["feature"], strict=True)), "datasets")
