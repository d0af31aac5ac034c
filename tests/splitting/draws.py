"""What the split draws, written a second time."""

import hashlib


def draw_split(sha256: str, val_fraction: float, test_fraction: float, seed: int) -> str:
    """Return the split of an image that has no near-duplicates, in a class that lacks none."""
    drawn = int(hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()[:12], 16) / 2**48
    if drawn < test_fraction:
        return "test"
    return "val" if drawn < test_fraction + val_fraction else "train"
