"""How long near-duplicates take to find, and how many of them are found.

Without arguments: planted ones among random hashes, for a perceptual hash is nearly random for unrelated
images; the other rows are the worst that an archive may do. With archives of photos: how far apart their
hashes are, and how far those of changed copies are from their originals'. From the project's root:

    python benchmarks/duplicates.py
    python benchmarks/duplicates.py ../shared/data/cats_vs_dogs_2000.zip ../shared/data/flower_photos_500.tgz
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.archives import read_members
from pipeline.images import Pixels, decode_grey, decode_whole
from pipeline.signatures import is_image
from pipeline.splitting.duplicates import (
    HASHED_SIDE,
    MAX_DISTANCE,
    group_near_duplicates,
    perceptual_hashes,
)

Hashes = NDArray[np.uint64]
COPY_QUALITY = 85
MOST_SHOWN = 14  # bits; further on there are more and more pairs that have nothing in common


def main() -> None:
    """Measure random hashes, or photos."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "archives", type=Path, nargs="*", help="a .zip, .tar, .tgz or folder of photos"
    )
    parser.add_argument("--images", type=int, default=100_000, help="number of random hashes")
    options = parser.parse_args()
    if options.archives:
        measure_photos(options.archives)
    else:
        measure_random(options.images)


def measure_photos(archives: list[Path]) -> None:
    """Print how many pairs of photos are how far apart, and how far copies are from their originals."""
    photos = [
        member.data for path in archives for member in read_members(path) if is_image(*member)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = np.array(list(pool.map(hash_with_copies, photos)), np.uint64)
    originals, copies = hashes[:, 0], hashes[:, 1:]
    apart = np.zeros(65, np.int64)
    for number, own in enumerate(originals):
        apart += np.bincount(count_bits(originals[number + 1 :] ^ own), minlength=65)
    print(f"{len(photos):,} photos, {apart.sum():,} pairs\n")
    print("| bits apart     |" + "".join(f" {bits:3} |" for bits in range(0, MOST_SHOWN + 1, 2)))
    print("| -------------- |" + " --- |" * (MOST_SHOWN // 2 + 1))  # all hashes have 32 bits set
    print(
        "| pairs          |"
        + "".join(f" {apart[bits]:3} |" for bits in range(0, MOST_SHOWN + 1, 2))
    )
    print(f"\n| copy                    | found within {MAX_DISTANCE} bits | mean bits | most |")
    print("| ----------------------- | ------------------- | --------- | ---- |")
    for name, changed in zip(COPIES, copies.T, strict=True):
        bits = count_bits(originals ^ changed)
        found = np.mean(bits <= MAX_DISTANCE)
        print(f"| {name:23} | {found:19.2%} | {bits.mean():9.2f} | {bits.max():4} |")


def hash_with_copies(photo: bytes) -> list[int]:
    """Return the hash of a photo, and of each changed copy, encoded again."""
    pixels = decode_whole(photo).pixels
    changed = (np.ascontiguousarray(change(pixels)) for change in COPIES.values())
    files = [photo, *(simplejpeg.encode_jpeg(copy, COPY_QUALITY) for copy in changed)]
    greys = np.stack([decode_grey(file, HASHED_SIDE).pixels for file in files])
    return [int(number) for number in perceptual_hashes(greys)]


def count_bits(hashes: Hashes) -> NDArray[np.int64]:
    """Return how many bits of each are set."""
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    return np.asarray(bits.sum(axis=1), np.int64)


def resize(width: float, height: float | None = None) -> Callable[[Pixels], Pixels]:
    """Return a change of size: to a width and height, or by a factor."""
    size, factor = (None, width) if height is None else ((int(width), int(height)), 0)
    return lambda x: np.asarray(
        cv2.resize(x, size, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
    )


def brighten(pixels: Pixels) -> Pixels:
    """Return pixels 10 % brighter."""
    return np.asarray(np.clip(pixels * 1.1, 0, 255), np.uint8)


def add_grain(pixels: Pixels) -> Pixels:
    """Return pixels with noise of 8 levels."""
    noise = np.random.default_rng(1).normal(0, 8, pixels.shape)
    return np.asarray(np.clip(pixels + noise, 0, 255), np.uint8)


def write_caption(pixels: Pixels) -> Pixels:
    """Return pixels with white words at the bottom left."""
    height, width, _ = pixels.shape
    place, white = (width // 20, height - height // 20), (255, 255, 255)
    written = cv2.putText(
        pixels.copy(), "copyright 2013", place, cv2.FONT_HERSHEY_SIMPLEX, width / 500, white,
        max(1, width // 250),
    )  # fmt: skip
    return np.asarray(written, np.uint8)


def crop(share: float, *, corner: bool = False) -> Callable[[Pixels], Pixels]:
    """Return a change that cuts off a share of the height and width: half on each side, or all at one."""

    def cut(pixels: Pixels) -> Pixels:
        height, width, _ = pixels.shape
        rows, columns = round(height * share), round(width * share)
        if corner:
            return pixels[rows:, columns:]
        return pixels[rows // 2 : height - rows // 2, columns // 2 : width - columns // 2]

    return cut


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "only encoded again": lambda x: x,
    "half the size": resize(0.5),
    "a thumbnail": resize(128, 96),
    "squashed to a square": resize(224, 224),
    "10 % brighter": brighten,
    "grainy": add_grain,
    "captioned": write_caption,
    "2 % cropped all round": crop(0.02),
    "2 % cropped at a corner": crop(0.02, corner=True),
    "5 % cropped all round": crop(0.05),
    "5 % cropped at a corner": crop(0.05, corner=True),
}


def measure_random(count: int) -> None:
    """Print one row a kind of archive, and what a hash costs."""
    print(f"{'archive':44} {'images':>8} {'CPU s':>8} {'groups':>8} {'pairs found':>12}")
    for name, make in ARCHIVES.items():
        hashes = make(np.random.default_rng(7), count)
        names = [f"{number:064x}" for number in range(len(hashes))]
        start = time.process_time()  # another program on the machine does not count
        groups = group_near_duplicates(names, hashes)
        seconds = time.process_time() - start
        pairs = count_pairs(groups) if make is plant_pairs else ""
        print(f"{name:44} {len(hashes):8,} {seconds:8.2f} {len(set(groups)):8,} {pairs:>12}")
    print(f"\none hash: {time_hash() * 1e3:.3f} ms")


def draw_hashes(rng: np.random.Generator, count: int) -> Hashes:
    """Return hashes as photos have them: half of the bits set, else random."""
    bits = rng.permuted(np.tile(np.arange(64, dtype=np.uint8) < 32, (count, 1)), axis=1)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def flip_bits(rng: np.random.Generator, hashes: Hashes, changes: int) -> Hashes:
    """Return the hashes with exactly `changes` bits of each flipped."""
    bits = rng.permuted(np.tile(np.arange(64, dtype=np.uint8) < changes, (len(hashes), 1)), axis=1)
    return hashes ^ np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def plant_pairs(rng: np.random.Generator, count: int) -> Hashes:
    """Return random hashes, the second half of them at the largest distance from the first that counts."""
    originals = draw_hashes(rng, count // 2)
    return np.concatenate([originals, flip_bits(rng, originals, MAX_DISTANCE)])


def count_pairs(groups: list[str]) -> str:
    """Return how many planted pairs are in one group, of how many."""
    half = len(groups) // 2
    found = sum(one == other for one, other in zip(groups[:half], groups[half:], strict=True))
    return f"{found / half:.2%}"


def time_hash() -> float:
    """Return the seconds that one hash takes, the best of several tries."""
    greys = np.random.default_rng(7).integers(0, 256, (64, HASHED_SIDE, HASHED_SIDE), np.uint8)
    tries = []
    for _ in range(200):
        start = time.perf_counter()
        perceptual_hashes(greys)
        tries.append(time.perf_counter() - start)
    return min(tries) / len(greys)


def _crowd(changes: int) -> Callable[[np.random.Generator, int], Hashes]:
    """Return a maker of different hashes that all lie around one."""
    return lambda rng, count: flip_bits(rng, np.repeat(draw_hashes(rng, 1), count), changes)


ARCHIVES: dict[str, Callable[[np.random.Generator, int], Hashes]] = {
    "unrelated photos": draw_hashes,
    "each photo twice, 8 bits apart": plant_pairs,
    "each photo twelve times, 3 bits apart": lambda rng, count: flip_bits(
        rng, np.repeat(draw_hashes(rng, -(-count // 12)), 12)[:count], 3
    ),
    "one photo only": lambda rng, count: np.repeat(draw_hashes(rng, 1), count),
    "blank pages": lambda _, count: np.full(count, 1 << 63, np.uint64),
    "all within 4 bits of one": _crowd(4),
    "worst: all within 12 bits of one": _crowd(12),
    "worst: a third of the bits never changes": lambda rng, count: (
        draw_hashes(rng, count) >> np.uint64(20) | np.uint64(0x5555500000000000)
    ),
}

if __name__ == "__main__":
    main()
