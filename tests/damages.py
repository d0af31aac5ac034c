"""What can happen to a file or to a disk, for tests of what must stand it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

KINDS = ("truncate", "empty", "flip a bit", "flip bits", "noise", "zeros", "ones")


def damage(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Return damaged bytes, never equal to `data`."""
    while (damaged := _damage_once(data, kind, rng)) == data:
        pass
    return damaged


def _damage_once(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(data)))
    piece = len(data[start : start + int(rng.integers(1, 600))])
    if kind == "empty":
        return b""
    if kind == "truncate":
        return data[:start]
    if kind in ("flip a bit", "flip bits"):
        changed = bytearray(data)
        for place in rng.integers(
            len(data), size=1 if kind == "flip a bit" else int(rng.integers(2, 20))
        ):
            changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    filling = {"noise": rng.bytes(piece), "zeros": b"\0" * piece, "ones": b"\xff" * piece}[kind]
    return data[:start] + filling + data[start + piece :]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: a write over it fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
