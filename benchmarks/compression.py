"""Would it pay to compress features that are maps? Bytes and processor time with HDF5's own filters.

    python benchmarks/compression.py ../shared/data/flower_photos_500.tgz

EfficientNet-Lite0's last layer, whose ReLU leaves mostly zeros, and one in the middle without a ReLU.
"""

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from photos import labelled_photos

from pipeline.extraction.extractor import Extractor
from pipeline.images import decode_square
from pipeline.params import BackboneParams, ExtractParams

LAYERS = (None, "block10_project")
ROWS = 8  # of a chunk
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip 1": {"compression": "gzip", "compression_opts": 1},
    "shuffle, gzip 1": {"shuffle": True, "compression": "gzip", "compression_opts": 1},
    "shuffle, gzip 4": {"shuffle": True, "compression": "gzip", "compression_opts": 4},
    "shuffle, lzf": {"shuffle": True, "compression": "lzf"},
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help=".zip, .tar, .tgz or folder of photos")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    photos = islice(labelled_photos(options.archive), options.images)
    images = [member.data for _, member in photos]
    print("| layer | zeros | filters | share of the bytes | times the time to write | to read |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for layer in LAYERS:
        maps = compute_maps(images, layer)
        plain = store_and_read(maps, {})
        for name, filters in FILTERS.items():
            found = store_and_read(maps, filters)
            share, write, read = (one / other for one, other in zip(found, plain, strict=True))
            zeros = f"{np.mean(maps == 0):.2f}"
            print(
                f"| {layer or 'last'} | {zeros} | {name} | {share:.3f} | {write:.1f} | {read:.1f} |"
            )


def compute_maps(images: list[bytes], layer: str | None) -> NDArray[np.float16]:
    """Return a layer's outputs, float16 `(n, h, w, c)`."""
    settings = ExtractParams(engine="auto", precision="float32", batch_size=None, dtype="float16")
    backbone = BackboneParams(layer=layer, pooling=None)
    extractor = Extractor("efficientnet_lite0", backbone, settings)
    rows = [extractor.engine.run(decode_square(data, backbone.input_size)[None]) for data in images]
    return np.concatenate(rows).astype(np.float16)


def store_and_read(
    maps: NDArray[np.float16], filters: dict[str, Any]
) -> tuple[float, float, float]:
    """Return the bytes of a file of maps, and the seconds of a processor to write and to read it."""
    with tempfile.TemporaryDirectory() as folder:
        path, chunks = Path(folder, "maps.h5"), (min(ROWS, len(maps)), *maps.shape[1:])
        began = time.process_time()
        with h5py.File(path, "w") as file:
            file.create_dataset("maps", data=maps, chunks=chunks, fletcher32=True, **filters)
        written = time.process_time()
        with h5py.File(path) as file:
            assert (file["maps"][:] == maps).all()
        return path.stat().st_size, written - began, time.process_time() - written


if __name__ == "__main__":
    main()
