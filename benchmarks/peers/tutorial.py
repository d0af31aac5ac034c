"""The script of DVC's cats-and-dogs tutorial, in outline: bottleneck features, then a head on them.

    python tutorial.py both | features | head

Its network is the one that counts, and Pillow reads the photos. The split is drawn in the first part,
as the tutorial's folders `train` and `validation` are.
"""

import sys
from hashlib import sha256

import numpy as np
from network import PHOTOS, SEED, CountedNetwork
from PIL import Image


def save_features(seed: int) -> None:
    """Compute the features of all photos, and write them by split."""
    network = CountedNetwork()
    paths = sorted(PHOTOS.glob("*/*"))
    features = [network.look(Image.open(path)) for path in paths]
    names = [str(path.relative_to(PHOTOS)) for path in paths]
    is_val = [sha256(f"{seed} {name}".encode()).digest()[0] < 51 for name in names]
    np.savez("features.npz", names=names, features=features, is_val=is_val)


def train_head() -> None:
    """Stand in for the head: the mean of each class."""
    found = np.load("features.npz")
    classes = np.array([name.split("/")[0] for name in found["names"]])
    means = {name: found["features"][classes == name].mean(axis=0) for name in sorted(set(classes))}
    np.savez("head.npz", **means)


if sys.argv[1] in ("both", "features"):
    save_features(SEED)
if sys.argv[1] in ("both", "head"):
    train_head()
