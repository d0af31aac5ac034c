"""How many damaged photos does the decoder refuse, and how many sound ones? Each kind of damage is tried.

    python benchmarks/damage.py ../shared/data/cats_vs_dogs_2000.zip ../shared/data/flower_photos_500.tgz

The photos of an archive, evenly chosen; also as progressive JPEGs with `--progressive`.
"""

import argparse
import io
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.archives import read_members
from pipeline.errors import ImageError
from pipeline.images import decode_grey
from pipeline.jpeg import START, find_frame, start_of_scan
from pipeline.signatures import is_image

SIDE = 32
BLOCK = 4096
Damage = Callable[[bytes, np.random.Generator], bytes]


def main() -> None:
    """Print a table: kinds of damage, and the photos as they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archives", type=Path, nargs="+", help=".zip, .tar, .tgz or folders")
    parser.add_argument("--photos", type=int, default=200, help="how many to damage")
    parser.add_argument("--progressive", action="store_true", help="make them progressive first")
    options = parser.parse_args()
    members = chain.from_iterable(read_members(archive) for archive in options.archives)
    sound = [member.data for member in members if is_image(*member)]
    photos = [data for data in sound if data.startswith(START)]
    photos = photos[:: max(1, len(photos) // options.photos)][: options.photos]
    if options.progressive:
        photos = [as_progressive(data) for data in photos]
    print("| damage | photos | refused |")
    print("| ------ | ------ | ------- |")
    print(f"| none | {len(sound)} | {sum(map(is_refused, sound))} |")
    for name, damage in DAMAGES.items():
        rng = np.random.default_rng(0)
        refused = sum(is_refused(damage(data, rng)) for data in photos)
        print(f"| {name} | {len(photos)} | {refused} |", flush=True)


def is_refused(data: bytes) -> bool:
    """Tell whether `split` would quarantine an image."""
    try:
        decode_grey(data, SIDE)
    except ImageError:
        return True
    return False


def as_progressive(data: bytes) -> bytes:
    """Return a JPEG with the same pixels, in several scans."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(stream, "JPEG", quality="keep", progressive=True)
    return stream.getvalue()


def overwrite(data: bytes, start: int, filling: bytes) -> bytes:
    """Return data with some bytes replaced, no longer than before."""
    return data[:start] + filling[: len(data) - start] + data[start + len(filling) :]


def zero_rest(data: bytes, _: np.random.Generator) -> bytes:
    """Zero all from the first tenth on."""
    return overwrite(data, len(data) // 10, bytes(len(data)))


def cut(data: bytes, _: np.random.Generator) -> bytes:
    """Keep a fifth, with an end marker."""
    return data[: len(data) // 5] + b"\xff\xd9"


def zero_block(data: bytes, rng: np.random.Generator) -> bytes:
    """Zero a block of a disk that holds pixels."""
    first = start_of_scan(data) // BLOCK + 1
    return overwrite(
        data, int(rng.integers(first, max(first + 1, len(data) // BLOCK))) * BLOCK, bytes(BLOCK)
    )


def claim_9000(data: bytes, _: np.random.Generator) -> bytes:
    """Let the header claim 9000 x 9000 pixels."""
    return overwrite(data, (find_frame(data) or 0) + 5, (9000).to_bytes(2, "big") * 2)


def noise(length: int) -> Damage:
    """Return what overwrites so many bytes in the middle half of the pixels by random ones."""

    def damage(data: bytes, rng: np.random.Generator) -> bytes:
        quarter = (len(data) - start_of_scan(data)) // 4
        start = int(rng.integers(start_of_scan(data) + quarter, len(data) - quarter))
        return overwrite(data, start, rng.bytes(length))

    return damage


DAMAGES: dict[str, Damage] = {
    "zeros from 10 % on": zero_rest,
    "cut at 20 %, end marker added": cut,
    "a block of 4 KiB zeroed": zero_block,
    "header says 9000 x 9000": claim_9000,
    "4 KiB of noise": noise(4096),
    "512 bytes of noise": noise(512),
    "64 bytes of noise": noise(64),
    "16 bytes of noise": noise(16),
}

if __name__ == "__main__":
    main()
