"""Which images look the same: perceptual hashes, and the groups that near ones form."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

# Of 2,500 photos (3.1 million pairs) one pair is nearer than 12 bits: the same image. Copies that
# are encoded again, resized, brighter or grainy are all found; of those cropped by 1 % on each side
# 99.96 %, by 2 % at a corner 97 %; captioned 99.6 %; cropped by 2.5 % on each side 94 %, by 5 % at a
# corner 31 % (benchmarks/duplicates.py).
MAX_DISTANCE = 8  # bits of 64
MIN_BITS_SET = 24  # the hash of an image with detail has 32

HASHED_SIDE = 32  # pixels; of these 32 x 32 pHash keeps the lowest 8 x 8 frequencies
_COSINES = 2 * np.cos(
    np.pi / HASHED_SIDE * np.outer(np.arange(8), np.arange(HASHED_SIDE) + 0.5)
)  # DCT-II
_AT_ONCE = 16  # enough to be fast, few enough for the memory where all hashes are neighbours
_CROWD = 64  # hashes in a place of a table; of random ones there are 64 from 100 million on


def perceptual_hashes(greys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash what images look like: near images have hashes that differ in few bits.

    A bit says whether one of the 64 lowest frequencies of the brightness is stronger than their
    median. Another size, another quality, a little more light or a narrow crop changes few bits.
    Colour does not count; a mirrored or turned copy looks like another image.

    Args:
        greys: uint8 `(n, HASHED_SIDE, HASHED_SIDE)`, the brightness of each image, squashed to a
            square.

    Returns:
        uint64 `(n,)`; an image's hash does not depend on the others.

    Reference:
        Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions" (pHash).
    """
    # What imagehash.phash does, bit for bit (a test compares them), in a fraction of its time.
    low = np.round(_COSINES @ greys @ _COSINES.T, 6).reshape(-1, 64)  # what should be 0 must be
    medians = np.sort(low, axis=1)[:, 31:33].sum(axis=1, keepdims=True) / 2
    return np.packbits(low > medians, axis=1).view(">u8").ravel().astype(np.uint64)


def group_near_duplicates(
    sha256: Sequence[str], hashes: NDArray[np.uint64], *, max_distance: int = MAX_DISTANCE
) -> list[str]:
    """Name the group of near-duplicates that each image belongs to.

    Images whose hashes are within `max_distance` are in one group, and so are those that a chain
    of such images links. Hence another image can make a group larger or join two, but never takes
    one apart: what `assign_splits` relies on, so that growth moves nothing out of train. Groups
    of a bounded diameter would be cut anew by a new image. The order in which the images are given
    changes nothing.

    The hash of a flat or evenly graded image says nothing of it: most frequencies are exactly 0,
    few bits are set. Below `MIN_BITS_SET` an image is a group of its own.

    Time grows little faster than the number of images.

    Args:
        sha256: Of each image; equal ones are one image.
        hashes: uint64 `(n,)`, of each image, by `perceptual_hashes`.
        max_distance: Bits, 0..64; from 12 on unrelated photos meet.

    Returns:
        For each image the smallest sha256 of its group; its own if it has no near-duplicate.

    Raises:
        ValueError: `sha256` and `hashes` differ in length.
    """
    if len(sha256) != len(hashes):
        raise ValueError(f"{len(sha256)} images have {len(hashes)} hashes")
    order = np.argsort(np.array(sha256, dtype="S64"), kind="stable")
    order = order[np.bitwise_count(hashes[order]) >= MIN_BITS_SET]
    values, first, number = np.unique(hashes[order], return_index=True, return_inverse=True)
    components = _label_components(values, max_distance)
    smallest = np.full(len(values), len(order), np.intp)
    np.minimum.at(smallest, components, first)
    groups = list(sha256)
    leaders = order[smallest[components[number]]]
    for row, leader in zip(order.tolist(), leaders.tolist(), strict=True):
        groups[row] = sha256[leader]
    return groups


def _label_components(values: NDArray[np.uint64], max_distance: int) -> NDArray[np.intp]:
    """Give each of the different hashes the number of one that a chain of near ones leads to."""
    tables = _Neighbours(values, max_distance)
    labels = np.where(tables.screen(), -1, np.arange(len(values)))  # most look like no other
    rows = np.flatnonzero(labels < 0)
    for start in range(0, len(rows), _AT_ONCE):
        waiting = rows[start : start + _AT_ONCE]
        waiting = waiting[labels[waiting] < 0]
        asking, found = tables.find(waiting)
        alone = waiting[~np.isin(waiting, asking)]
        labels[alone] = alone
        for seed in np.unique(asking):
            if labels[seed] < 0:
                labels[seed] = seed
                _flood(labels, tables, seed, found[asking == seed])
    return labels


def _flood(
    labels: NDArray[np.intp], tables: "_Neighbours", seed: np.intp, found: NDArray[np.intp]
) -> None:
    """Give all hashes that chains link with a seed its number; `found` are those next to it."""
    frontier = found[:0]
    while True:
        reached = np.unique(found[labels[found] < 0])
        labels[reached] = seed
        tables.drop(reached)
        frontier = np.concatenate([frontier, reached])
        if not len(frontier):
            return
        batch, frontier = frontier[:_AT_ONCE], frontier[_AT_ONCE:]
        _, found = tables.find(batch)


class _Neighbours:
    """Finds the hashes near one of them without looking at all.

    From the 64 bits, `bands` sets are chosen that share no bit. Where two hashes differ in at most
    `radius` bits, they differ in at most `radius // bands` bits of one of these sets (pigeonhole).
    So for each set there is a table from its value to the hashes that have it, and it is asked for
    all values with so few bits flipped.

    Reference:
        Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index Hashing"
        (arXiv:1307.2982).
    """

    def __init__(self, hashes: NDArray[np.uint64], radius: int) -> None:
        self._hashes, self._radius = hashes, radius
        self._bands = max(3, radius // 3 + 1)
        self._wanted = np.ones(len(hashes), bool)
        self._fill(np.arange(len(hashes)))

    def screen(self) -> NDArray[np.bool_]:
        """Say of each hash whether another may be within the radius, looking at all at once.

        None that has a neighbour is missed. Those of a table are asked in its order, so that what
        they look at lies side by side: several times as fast as to find the pairs of one by one.
        """
        suspected = np.zeros(len(self._hashes), bool)
        for band, rows in enumerate(self._rows.reshape(self._bands, -1)):
            rows = rows[~suspected[rows]]
            hashes = self._hashes[rows]
            slots = self._slots(hashes)[:, band]
            for flips in self._flips:
                starts = self._starts[slots ^ flips]
                counts = self._starts[(slots ^ flips) + 1] - starts
                suspected[rows[counts > _CROWD]] = True
                for place in range(min(_CROWD, counts.max(initial=0))):
                    asking = np.flatnonzero(counts > place)
                    found = self._filed[starts[asking] + place]
                    distances = np.bitwise_count(hashes[asking] ^ found)
                    near = (distances > 0) & (distances <= self._radius)  # at 0 it found itself
                    suspected[rows[asking[near]]] = True
        return suspected

    def find(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return all pairs of one of `rows` and another hash within the radius; some repeat."""
        slots = self._slots(self._hashes[rows])[:, :, None] ^ self._flips
        starts = self._starts[slots]
        counts = self._starts[slots + 1] - starts
        asking = np.repeat(rows, counts.sum(axis=(1, 2)))
        starts, counts = starts.ravel(), counts.ravel()
        places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(len(asking))
        distances = np.bitwise_count(self._hashes[asking] ^ self._filed[places])
        near = np.flatnonzero(distances <= self._radius)
        asking, found = asking[near], self._rows[places[near]]
        return asking[asking != found], found[asking != found]

    def drop(self, rows: NDArray[np.intp]) -> None:
        """Stop finding these, as soon as enough are dropped to be worth filling the tables anew.

        Where thousands look alike, all would find all; so each is found about once.
        """
        self._wanted[rows] = False
        self._dropped += len(rows)
        if 4 * self._dropped > self._filled:
            self._fill(np.flatnonzero(self._wanted))

    def _fill(self, rows: NDArray[np.intp]) -> None:
        """Make the tables of some of the hashes."""
        self._filled, self._dropped = len(rows), 0
        width = min(64 // self._bands, len(rows).bit_length() + 3)  # more would leave them empty
        bits = _unpack_bits(self._hashes[rows])
        balance = np.abs(2 * bits.sum(axis=0, dtype=np.int64) - len(bits))
        self._chosen = np.argsort(balance, kind="stable")[: width * self._bands]
        self._flips = _numbers_with_few_bits(width, self._radius // self._bands)
        slots = self._slots(self._hashes[rows])
        self._rows = rows[np.argsort(slots, axis=None, kind="stable") // self._bands]
        self._filed = self._hashes[self._rows]  # to look at one after the other
        counts = np.bincount(slots.ravel(), minlength=self._bands << width)
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def _slots(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return where in the tables hashes lie: one place in each band."""
        width = len(self._chosen) // self._bands
        chosen = _unpack_bits(hashes)[:, self._chosen].reshape(-1, width, self._bands)
        slots: NDArray[np.int64] = np.einsum("nwb,w->nb", chosen, 1 << np.arange(width))
        return slots + (np.arange(self._bands) << width)


def _unpack_bits(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the 64 bits of each hash, uint8 `(n, 64)`."""
    return np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)


def _numbers_with_few_bits(width: int, most: int) -> NDArray[np.int64]:
    """Return all numbers of `width` bits of which at most `most` are set."""
    numbers = [0]
    for count in range(1, min(most, width) + 1):
        numbers += [
            sum(1 << place for place in places) for places in combinations(range(width), count)
        ]
    return np.array(numbers, np.int64)
