"""Deal groups of images into train, val and test; pure."""

import hashlib
from collections.abc import Sequence


def deal(key: str, val_fraction: float, test_fraction: float, seed: int) -> str:
    """Return the side of a key."""
    u = int(hashlib.sha256(f"{seed} {key}".encode()).hexdigest()[:8], 16) / 2**32
    return "val" if u < val_fraction else "test" if u < val_fraction + test_fraction else "train"


def assign_splits(
    *,
    sha256: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> list[str]:
    """Deal."""
    return [deal(g, val_fraction, test_fraction, seed) for g in groups]
