"""How many bytes the stages will still write: an estimate, for judging the disk before they run."""

import zipfile
from pathlib import Path
from typing import NamedTuple

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import PipelineError
from pipeline.params import DatasetParams, Params

DRAWN_BYTES = 8_000_000  # of an archive that the project draws
PHOTO_BYTES = 40_000  # of one photo, as in the archives of the catalogue, where nobody has counted
FEATURE_VALUES = 2048  # of one image, a generous bound for a pooled backbone
MAP_CELLS = 49  # 7 x 7, where a backbone is not pooled
COPY_SIZE = 1.1  # of an augmented copy, beside its original


def bytes_to_come(params: Params) -> dict[str, int | None]:
    """Estimate the bytes that each dataset will still write, with DVC's copy of everything."""
    return {
        name: None
        if (found := measure_archive(name, settings)) is None
        else _left(name, found, params)
        for name, settings in params.datasets.items()
    }


class Archive(NamedTuple):
    """How large an archive is.

    Attributes:
        bytes: As a file.
        images: In it.
    """

    bytes: int
    images: float


def measure_archive(dataset: str, settings: DatasetParams) -> Archive | None:
    """Measure a dataset's archive: as fetched, as known, or as it lies there; else None."""
    try:
        return _measure(paths.raw_archive(dataset))
    except (PipelineError, OSError):
        pass
    size = _known_bytes(dataset, settings)
    if size is not None:
        return Archive(size, size / PHOTO_BYTES)
    path = Path(settings.archive or "").expanduser()
    return _measure(path) if settings.archive is not None and path.exists() else None


def _known_bytes(dataset: str, settings: DatasetParams) -> int | None:
    known = CATALOGUE.get(dataset)
    if settings.source == "drawn":
        return DRAWN_BYTES
    if settings.source == "mirror" and known is not None and known.mirror is not None:
        return known.mirror.bytes
    if settings.source == "kaggle" and known is not None and known.kaggle is not None:
        return known.kaggle.bytes
    return None


def _measure(path: Path) -> Archive:
    """Measure a folder or a file; a .tar takes too long to count, and to judge a file is for `fetch`."""
    if path.is_dir():
        sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
        return Archive(sum(sizes), len(sizes))
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            return Archive(size, sum(not one.is_dir() for one in archive.infolist()))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return Archive(size, size / PHOTO_BYTES)


def estimate_bytes(archive: Archive, params: Params) -> dict[str, int]:
    """Estimate what the stages make of an archive: `raw`, `split`, `augmented`, `features`.

    Images do not shrink in an archive, so the split is as large as that. Features are counted
    twice, for the store; DVC's cache is not counted.
    """
    train = 1 - params.split.val_fraction - params.split.test_fraction
    copies = params.augment.copies * train
    rows = archive.images * (1 + copies)
    width = {"float16": 2, "float32": 4}[params.extract.dtype] * FEATURE_VALUES
    cells = sum(
        len(one.networks) if one.pooling else MAP_CELLS for one in params.backbones.values()
    )
    return {
        "raw": archive.bytes,
        "split": archive.bytes,
        "augmented": round(archive.bytes * copies * COPY_SIZE),
        "features": round(2 * rows * width * cells),
    }


def _left(dataset: str, archive: Archive, params: Params) -> int:
    """Return what is still to be written of a dataset; a folder that is there is taken for done."""
    places = {
        "raw": paths.raw_folder(dataset),
        "split": paths.split_folder(dataset),
        "augmented": paths.augmented_folder(dataset),
        "features": paths.features_file(dataset, next(iter(params.backbones))).parent,
    }
    return sum(
        2 * size
        for part, size in estimate_bytes(archive, params).items()
        if not places[part].exists()
    )
