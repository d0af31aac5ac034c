"""How many bytes the stages will still write: an estimate, for judging the disk before they run."""

from pathlib import Path

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import PipelineError
from pipeline.params import DatasetParams, Params

DRAWN_BYTES = 8_000_000  # of an archive that the project draws
PHOTO_BYTES = 40_000  # of one photo, as in the archives of the catalogue
FEATURE_VALUES = 2048  # of one image, a generous bound for a pooled backbone
MAP_CELLS = 49  # 7 x 7, where a backbone is not pooled
COPY_SIZE = 1.1  # of an augmented copy, beside its original


def bytes_to_come(params: Params) -> dict[str, int | None]:
    """Estimate the bytes that each dataset will still write, with DVC's copy of everything."""
    return {
        name: None if (size := archive_bytes(name, settings)) is None else _left(name, size, params)
        for name, settings in params.datasets.items()
    }


def archive_bytes(dataset: str, settings: DatasetParams) -> int | None:
    """Return the size of a dataset's archive: as fetched, as known, or as it lies there; else None."""
    try:
        return paths.raw_archive(dataset).stat().st_size
    except (PipelineError, OSError):
        pass
    known = CATALOGUE.get(dataset)
    if settings.source == "drawn":
        return DRAWN_BYTES
    if settings.source == "mirror" and known is not None and known.mirror is not None:
        return known.mirror.bytes
    if settings.source == "kaggle" and known is not None and known.kaggle is not None:
        return known.kaggle.bytes
    path = Path(settings.archive or "").expanduser()
    if settings.archive is None or not path.exists():
        return None
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def estimate_bytes(archive: int, params: Params) -> dict[str, int]:
    """Estimate what the stages make of an archive: `raw`, `split`, `augmented`, `features`.

    Images do not shrink in an archive, so the split is as large as that. Features are counted
    twice, for the store; DVC's cache is not counted.
    """
    train = 1 - params.split.val_fraction - params.split.test_fraction
    copies = params.augment.copies * train
    rows = archive / PHOTO_BYTES * (1 + copies)
    width = {"float16": 2, "float32": 4}[params.extract.dtype] * FEATURE_VALUES
    cells = sum(
        len(one.networks) if one.pooling else MAP_CELLS for one in params.backbones.values()
    )
    return {
        "raw": archive,
        "split": archive,
        "augmented": round(archive * copies * COPY_SIZE),
        "features": round(2 * rows * width * cells),
    }


def _left(dataset: str, archive: int, params: Params) -> int:
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
