"""DataChain, timed: delta updates, photos prefetched, and OpenVINO in this process on all cores."""

import os
from pathlib import Path
from typing import Any

import datachain as dc
import numpy as np
from turns import compile_openvino, serve, square

NETWORK = compile_openvino(os.environ["PEERS_OPENVINO"])
NAMES = ["features0"]


def look(file: dc.ImageFile) -> list[float]:
    """Return a photo's feature."""
    features: list[float] = NETWORK(square(file.read())[np.newaxis])[0][0].tolist()
    return features


def features(photos: Path, what: str) -> Any:
    """Bring the dataset up to date, and read it."""
    if what == "cold":
        NAMES.append(f"features{len(NAMES)}")
    chain = dc.read_storage(
        photos, type="image", update=True, delta=True, delta_on="file.path",
        delta_compare=["file.etag", "file.size"],
    )  # fmt: skip
    saved = chain.settings(prefetch=8, batch_size=100).map(feature=look).save(NAMES[-1])
    rows = sorted(saved.to_iter("file.path", "feature"))
    return np.array([feature for _, feature in rows], np.float32)


serve(("datachain", "openvino"), features)
