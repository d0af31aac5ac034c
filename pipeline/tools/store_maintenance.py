"""Looking after the store: what it holds, whether it is sound, and making room."""

import hashlib
import json
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import FeaturesError, PipelineError, StoreError
from pipeline.extraction.extractor import Extractor
from pipeline.features import Header, read_header, read_keys
from pipeline.manifest import read_copies, read_used
from pipeline.params import Params, load_params
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.shards import (
    SUFFIX,
    Keys,
    Shard,
    ShardDamaged,
    check_shard,
    open_shard,
    read_rows,
    write_shard,
)
from pipeline.store.shared import SharedStore
from pipeline.store.store import DAMAGED_SUFFIX, quarantine_shard, read_description
from pipeline.tools.words import count_of
from pipeline.yaml_reader import NotYaml, read_yaml

FEATURES = "features/"
# Of an experiment; other references there are DVC's own, as of its queue.
EXPERIMENT = re.compile("refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/")
DVC = (sys.executable, "-m", "dvc")  # that of this environment, whatever the PATH

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSummary:
    """What the store holds of one fingerprint.

    Attributes:
        fingerprint: Its key.
        fingerprint_parts: What the fingerprint is made of; empty if the note was lost.
        shards: Number of shards that can be read.
        features: Number of features in them.
        bytes: Size of everything in the folder.
        damaged: Names of the shards that were found damaged and quarantined now.
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
        check_rows: Read and check every feature too. What is damaged is quarantined.
    """
    for folder in _folders(root):
        shards, damages = _open_shards(_shard_files(folder), check_rows)
        damaged = tuple(damage.path.name for damage in damages if quarantine_shard(damage))
        yield StoreSummary(
            fingerprint=folder.name,
            fingerprint_parts=read_description(folder),
            shards=len(shards),
            features=sum(len(shard.keys) for shard in shards),
            bytes=sum(map(_size, folder.iterdir())),
            damaged=damaged,
        )


def features_in_use(experiments: int) -> dict[str, set[bytes]]:
    """Gather the images whose features the workspace, HEAD and the last experiments use.

    The workspace also uses what its settings would compute of its images: a run that was stopped goes on.

    Args:
        experiments: How many of the newest DVC experiments count.

    Returns:
        Fingerprint's key to the sha256 (32 bytes each) of its images.

    Raises:
        StoreError: git, DVC, params.yaml, or a features file that is in use cannot be read, or that of
            the workspace or HEAD is missing, so that nobody knows what is in use. One that only an
            experiment uses may be missing; that is said.
    """
    used: dict[str, set[bytes]] = {}
    try:
        for fingerprint, wanted in _wanted_here(load_params()):
            used.setdefault(fingerprint, set()).update(wanted)
    except PipelineError as error:
        raise _unknown(str(error)) from None
    cache = Path(_output(*DVC, "cache", "dir").strip())
    head, *newest = _revisions(experiments)
    needed = {*_named_features(None), *_named_features(head)}
    tried = {named for commit in newest for named in _named_features(commit)} - needed
    found = {one: path for one in needed | tried if (path := _find_features(one, cache))}
    if (lost := needed - found.keys()) and _folders(paths.store_folder()):
        raise _unknown(
            f"{count_of(len(lost), 'features file')} that dvc.lock of the workspace or HEAD names cannot be "
            f"found in the workspace or in DVC's cache; the first: {min(lost)[0]}. After `dvc repro`, commit "
            "dvc.lock: then HEAD names what is here. Or `dvc fetch --all-branches` has back what was pushed."
        )
    if lost := tried - found.keys():
        log.warning(
            "features files of the last experiments that are not in DVC's cache: %d. What these alone use "
            "is not known, and not kept.", len(lost)
        )  # fmt: skip
    for path in sorted({*Path(FEATURES).glob("*/*.h5"), *found.values()}):
        try:
            keys = {key.tobytes() for key in read_keys(path)}
            for fingerprint in _kept_under(read_header(path)):
                used.setdefault(fingerprint, set()).update(keys)
        except FeaturesError as error:
            raise _unknown(str(error)) from None
    return used


def _wanted_here(params: Params) -> Iterator[tuple[str, set[bytes]]]:
    """Yield the images that the workspace's settings want, by the fingerprints that the store may know."""
    stored = {read_description(folder).get("backbone") for folder in _folders(paths.store_folder())}
    unsaid = None in stored  # a description was lost: its folder may be that of any network
    images = {key for dataset in params.datasets for key in _images_of(dataset)}
    for name, settings in params.backbones.items():
        for one in settings.networks:
            # To know the fingerprint of a network may build it.
            if unsaid or (one.network or name) in stored:
                extractor = Extractor(name, one, params.extract)
                yield from ((layer.key, images) for layer in extractor.fingerprint.of_each_layer())


def _images_of(dataset: str) -> Iterator[bytes]:
    """Yield the sha256 (32 bytes) of a dataset's images and copies, as far as it is prepared."""
    if paths.manifest_file(dataset).exists():
        yield from (bytes.fromhex(row.sha256) for row in read_used(paths.manifest_file(dataset)))
    if paths.copies_file(dataset).exists():
        yield from (bytes.fromhex(row.sha256) for row in read_copies(paths.copies_file(dataset)))


def share(root: Path, url: str | None) -> str:
    """Add to the shared store what it lacks of all fingerprints; return a line that counts it.

    Raises:
        StoreError: There is no shared store, or it cannot be used.
    """
    if url is None:
        raise StoreError(
            "there is no shared store: expected its folder or URL in params.yaml, features.store "
            "(docs/sharing.md)."
        )
    shared = SharedStore(url)
    shared.add(_folders(root))
    return str(shared)


def _kept_under(header: Header) -> set[str]:
    """Return the fingerprints under which the store keeps what a features file holds."""
    whole = Fingerprint(parts=json.loads(header.fingerprint_parts))
    return {header.fingerprint, *(one.key for one in whole.of_each_layer())}


def list_shards(root: Path) -> dict[Path, list[Path]]:
    """Return the folders of the fingerprints, and which shards each has now.

    Args:
        root: The folder of all fingerprints.
    """
    return {folder: _shard_files(folder) for folder in _folders(root)}


def collect_garbage(
    shards: Mapping[Path, Sequence[Path]], used: Mapping[str, set[bytes]], *, dry_run: bool
) -> Iterator[GcResult]:
    """Drop what is not in use: whole fingerprints, shards, and rows of shards.

    A shard with some rows in use is written anew without the others before it goes, so a
    process that reads meanwhile finds every feature in the one or in the other. The folder of a
    fingerprint stays: another process may be about to write to it. The shared store is left alone.

    Args:
        shards: Of `list_shards`, before `used` was gathered: what was computed since may be for images
            that nobody knew of then.
        used: Of `features_in_use`.
        dry_run: Only say what would go.
    """
    plans = [
        _plan(folder, files, used.get(folder.name, set()), dry_run)
        for folder, files in shards.items()
    ]
    for plan in plans if not dry_run else ():
        _drop_unused(plan)  # of all first: on a full disk what is written anew needs the room
    for plan in plans:
        if not dry_run:
            _drop_rows(plan)
        yield plan.result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """What is to become of the shards of a fingerprint.

    Attributes:
        folder: Where they lie.
        masks: By shard, bool `(n,)`: the rows that are in use.
        result: What comes of it.
    """

    folder: Path
    masks: dict[Path, NDArray[np.bool_]]
    result: GcResult


def _plan(folder: Path, files: Sequence[Path], wanted: set[bytes], dry_run: bool) -> _Plan:
    shards, damages = _open_shards(files, False)
    if not dry_run:
        _remove_damaged(folder)  # whose names those may take that are damaged now
    for damage in damages:
        if dry_run:
            log.warning("shard %s; it would be dropped", damage)
        else:
            quarantine_shard(damage)
    masks = {shard.path: _rows_in_use(shard.keys, wanted) for shard in shards}
    kept = int(sum(mask.sum() for mask in masks.values()))
    result = GcResult(
        fingerprint=folder.name,
        features=sum(map(len, masks.values())) - kept,
        kept=kept,
        bytes=sum(int(_size(path) * (1 - mask.mean())) for path, mask in masks.items()),
    )
    return _Plan(folder=folder, masks=masks, result=result)


def _drop_unused(plan: _Plan) -> None:
    """Drop the shards of which nothing is in use, and those that are damaged."""
    for path, mask in plan.masks.items():
        if not mask.any():
            path.unlink(missing_ok=True)
    _remove_damaged(plan.folder)


def _drop_rows(plan: _Plan) -> None:
    """Write the shards anew of which something is in use, without the rest."""
    for path, mask in plan.masks.items():
        if mask.any() and not mask.all():
            with suppress(FileNotFoundError):  # another process set it aside
                _write_anew(path, np.flatnonzero(mask))
    _remove_damaged(plan.folder)


def _write_anew(path: Path, rows: NDArray[np.int64]) -> None:
    try:
        shard = open_shard(path, path.parent.name)
        write_shard(path.parent, path.parent.name, shard.keys[rows], read_rows(shard, rows))
    except ShardDamaged as damage:
        quarantine_shard(damage)
    path.unlink(missing_ok=True)


def _remove_damaged(folder: Path) -> None:
    for path in folder.glob(f"*{DAMAGED_SUFFIX}"):
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a file, or a folder that had the name of a shard; another process may be first."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # a writer's temporary file, or another process was first


def _rows_in_use(keys: Keys, wanted: set[bytes]) -> NDArray[np.bool_]:
    return np.array([key.tobytes() in wanted for key in keys], bool)


def _folders(root: Path) -> list[Path]:
    """Return the folders of the fingerprints; those that were emptied are of no interest."""
    found = (path for path in root.glob("*") if path.is_dir())
    return sorted(path for path in found if any(path.glob(f"[!.]*{SUFFIX}*")))


def _shard_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


def _open_shards(files: Iterable[Path], check_rows: bool) -> tuple[list[Shard], list[ShardDamaged]]:
    """Return the shards that can be trusted, and what is wrong with others; what is gone is left out."""
    sound, damages = [], []
    for path in files:
        try:
            sound.append((check_shard if check_rows else open_shard)(path, path.parent.name))
        except FileNotFoundError:
            continue
        except ShardDamaged as damage:
            damages.append(damage)
    return sound, damages


def _revisions(experiments: int) -> list[str]:
    """Return the commits of HEAD and of the newest experiments."""
    head = _output("git", "rev-parse", "--verify", "HEAD").strip()
    order, form = "--sort=-creatordate", "--format=%(refname) %(objectname)"
    found = _output("git", "for-each-ref", "refs/exps", order, form)
    commits = [line.split()[1] for line in found.splitlines() if EXPERIMENT.match(line)]
    return [head, *commits[:experiments]]


def _named_features(revision: str | None) -> Iterator[tuple[str, str]]:
    """Yield the features files that a revision's dvc.lock names, and their md5.

    Those of datasets and backbones that its params.yaml does not name are of no use to it: DVC leaves
    in dvc.lock what once was run.

    Args:
        revision: A commit; None: the workspace.
    """
    lock = _read(revision, "dvc.lock")
    try:
        outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
        hashes = {out["path"]: out["md5"] for out in outs if out["path"].startswith(FEATURES)}
    except (AttributeError, KeyError, TypeError) as error:
        raise _unreadable("dvc.lock", revision, error) from None
    if not hashes:
        return
    params = _read(revision, "params.yaml")
    try:
        pairs = product(params["datasets"].keys(), params["backbones"].keys())
    except (AttributeError, KeyError, TypeError) as error:
        raise _unreadable("params.yaml", revision, error) from None
    names = {f"{FEATURES}{dataset}/{backbone}.h5" for dataset, backbone in pairs}
    yield from ((name, hashes[name]) for name in names & hashes.keys())


def _find_features(named: tuple[str, str], cache: Path) -> Path | None:
    """Return where the features file of a name and md5 lies: in DVC's cache, or in the workspace."""
    name, md5 = named
    cached = cache / "files" / "md5" / md5[:2] / md5[2:]
    if cached.is_file():
        return cached
    return Path(name) if _has_md5(Path(name), md5) else None


def _has_md5(path: Path, md5: str) -> bool:
    """Tell whether a file is there and has the content that DVC calls so."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, _md5).hexdigest() == md5


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _read(revision: str | None, name: str) -> Any:
    """Return what a YAML file holds at a revision; nothing where it is not there."""
    try:
        if revision is not None:
            there = _output("git", "ls-tree", revision, name)
            text = _output("git", "show", f"{revision}:./{name}") if there else ""
        else:
            text = Path(name).read_text(encoding="utf-8") if Path(name).exists() else ""
        return read_yaml(text) or {}
    except (NotYaml, OSError, UnicodeDecodeError) as error:
        raise _unreadable(name, revision, error) from None


def _output(*command: str) -> str:
    """Return what a command prints.

    Raises:
        StoreError: It cannot be started, or fails.
    """
    expected = "Expected a git repository with a commit, in which DVC works (`bottleneck doctor`)."
    words = " ".join(command[1:] if command[0] == sys.executable else command[:3])
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed commands)
    except OSError as error:
        raise _unknown(f"{command[0]} cannot be started ({error.strerror}). {expected}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise _unknown(f"`{words}` fails: {said[0].rstrip('.')}. {expected}")
    return done.stdout


def _unreadable(name: str, revision: str | None, error: Exception) -> StoreError:
    if revision is None:
        return _unknown(
            f"{name} cannot be read ({error!r}): `git checkout -- {name}` has the last one back."
        )
    return _unknown(
        f"{name} of commit {revision[:7]} cannot be read ({error!r}): commit one that can be, or remove "
        "the experiment (`dvc exp remove`)."
    )


def _unknown(reason: str) -> StoreError:
    return StoreError(f"nothing was dropped, since it is not known what is in use: {reason}")
