"""Looking after the store: what it holds, whether it is sound, and making room."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.errors import FeaturesError, StoreError
from pipeline.features import read_header, read_keys
from pipeline.store.shards import (
    SUFFIX,
    Keys,
    Shard,
    ShardDamaged,
    open_shard,
    read_rows,
    write_shard,
)
from pipeline.store.store import DESCRIPTION, set_aside

FEATURES = "features/"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSummary:
    """What the store holds of one fingerprint.

    Attributes:
        fingerprint: Its key.
        fingerprint_parts: What the fingerprint is made of; empty if the note was lost.
        shards: Number of shards that can be read.
        features: Number of features in them.
        bytes: Size of everything in the folder.
        damaged: Names of the shards that were found damaged and set aside now.
    """

    fingerprint: str
    fingerprint_parts: dict[str, Any]
    shards: int
    features: int
    bytes: int
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GcResult:
    """What `collect_garbage` dropped, or would drop, of one fingerprint; `bytes` within a few headers."""

    fingerprint: str
    features: int
    kept: int
    bytes: int


def inspect_store(root: Path, *, check_rows: bool = False) -> Iterator[StoreSummary]:
    """Describe each fingerprint's folder, checking the table of every shard.

    Args:
        root: The folder of all fingerprints.
        check_rows: Read and check every feature too. What is damaged is set aside.
    """
    for folder in _folders(root):
        files = _shard_files(folder)
        shards = [shard for path in files if (shard := _sound(path, check_rows)) is not None]
        sound = {shard.path for shard in shards}
        try:
            fingerprint_parts = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            fingerprint_parts = {}
        yield StoreSummary(
            fingerprint=folder.name,
            fingerprint_parts=fingerprint_parts,
            shards=len(shards),
            features=sum(len(shard.keys) for shard in shards),
            bytes=sum(path.stat().st_size for path in folder.iterdir()),
            damaged=tuple(path.name for path in files if path not in sound),
        )


def features_in_use(experiments: int) -> dict[str, set[bytes]]:
    """Gather the images whose features the workspace, HEAD and the last experiments use.

    Args:
        experiments: How many of the newest DVC experiments count.

    Returns:
        Fingerprint's key to the sha256 (32 bytes each) of its images.

    Raises:
        StoreError: A features file that is in use cannot be read, so nobody knows what it uses.
    """
    used: dict[str, set[bytes]] = {}
    cached = {path for revision in _revisions(experiments) for path in _cached_features(revision)}
    for path in sorted([*Path(FEATURES).glob("*/*.h5"), *cached]):
        try:
            keys = used.setdefault(read_header(path).fingerprint, set())
            keys.update(key.tobytes() for key in read_keys(path))
        except FeaturesError as error:
            raise StoreError(
                f"nothing was dropped, since it is not known what is in use: {error}"
            ) from None
    return used


def collect_garbage(
    root: Path, used: dict[str, set[bytes]], *, dry_run: bool
) -> Iterator[GcResult]:
    """Drop what is not in use: whole fingerprints, shards, and rows of shards.

    A shard with some rows in use is written anew without the others before it goes, so a
    process that reads meanwhile finds every feature in the one or in the other.
    """
    for folder in _folders(root):
        wanted = used.get(folder.name, set())
        shards = [
            shard for path in _shard_files(folder) if (shard := _sound(path, False)) is not None
        ]
        masks = [_rows_in_use(shard.keys, wanted) for shard in shards]
        kept = int(sum(mask.sum() for mask in masks))
        dropped = sum(len(mask) for mask in masks) - kept
        saved = sum(
            int(shard.path.stat().st_size * (1 - mask.mean()))
            for shard, mask in zip(shards, masks, strict=True)
        )
        if not dry_run:
            _drop(folder, shards, masks)
        yield GcResult(fingerprint=folder.name, features=dropped, kept=kept, bytes=saved)


def _drop(folder: Path, shards: Iterable[Shard], masks: Iterable[Any]) -> None:
    for shard, mask in zip(shards, masks, strict=True):
        if mask.all():
            continue
        if mask.any():
            rows = np.flatnonzero(mask)
            write_shard(folder, folder.name, shard.keys[rows], read_rows(shard, rows))
        shard.path.unlink(missing_ok=True)
    if not any(_shard_files(folder)):
        shutil.rmtree(folder)
    else:
        for path in folder.glob("*.damaged"):
            path.unlink()


def _rows_in_use(keys: Keys, wanted: set[bytes]) -> Any:
    return np.array([key.tobytes() in wanted for key in keys], bool)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if path.is_dir())


def _shard_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


def _sound(path: Path, check_rows: bool) -> Shard | None:
    """Return a shard, None (and set it aside) if it cannot be trusted."""
    try:
        shard = open_shard(path, path.parent.name)
        if check_rows:
            for start in range(0, len(shard.keys), 1024):
                read_rows(shard, np.arange(start, min(start + 1024, len(shard.keys))))
    except FileNotFoundError:
        return None
    except ShardDamaged as damage:
        set_aside(damage)
        return None
    return shard


def _revisions(experiments: int) -> list[str]:
    """Return HEAD and the newest experiments' commits; none outside a git repository."""
    found = _output(
        "git",
        "for-each-ref",
        "refs/exps",
        "--sort=-creatordate",
        "--format=%(refname) %(objectname)",
    )
    commits = [
        line.split()[1]
        for line in found.splitlines()
        if not line.startswith(("refs/exps/exec", "refs/exps/apply"))
    ]
    return ["HEAD", *commits[:experiments]]


def _cached_features(revision: str) -> Iterator[Path]:
    """Yield the features files that a revision's dvc.lock names, where DVC's cache has them."""
    lock = yaml.safe_load(_output("git", "show", f"{revision}:dvc.lock") or "{}")
    cache = Path(_output("dvc", "cache", "dir").strip() or ".dvc/cache")
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            if out["path"].startswith(FEATURES):
                path = cache / "files" / "md5" / out["md5"][:2] / out["md5"][2:]
                if path.is_file():
                    yield path


def _output(*command: str) -> str:
    """Return what a command prints, nothing if it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 (fixed commands)
