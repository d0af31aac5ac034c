"""How long near-duplicates take to find, and how many of them are found: planted ones among random hashes.

A perceptual hash is nearly random for unrelated pictures, so random hashes stand for photos. The other rows
are the worst that an archive may do. Run from the project's root:

    python benchmarks/duplicates.py
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.duplicates import MAX_DISTANCE, group_near_duplicates, perceptual_hash

Hashes = NDArray[np.uint64]


def main() -> None:
    """Print one row a kind of archive, and what a hash costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    count = parser.parse_args().images
    print(f"{'archive':44} {'images':>8} {'CPU s':>8} {'groups':>8} {'pairs found':>12}")
    for name, make in ARCHIVES.items():
        hashes = make(np.random.default_rng(7), count)
        names = [f"{number:064x}" for number in range(len(hashes))]
        start = time.process_time()  # another program on the machine does not count
        groups = group_near_duplicates(names, hashes)
        seconds = time.process_time() - start
        pairs = count_pairs(groups) if make is plant_pairs else ""
        print(f"{name:44} {len(hashes):8,} {seconds:8.2f} {len(set(groups)):8,} {pairs:>12}")
    print(f"\none hash of a picture of 500 x 375 pixels: {time_hash() * 1e3:.2f} ms")


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
    pixels = np.random.default_rng(7).integers(0, 256, (375, 500, 3), np.uint8)
    tries = []
    for _ in range(200):
        start = time.perf_counter()
        perceptual_hash(pixels)
        tries.append(time.perf_counter() - start)
    return min(tries)


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
