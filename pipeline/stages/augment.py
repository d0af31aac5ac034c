"""Stage `augment`: each training image gets its copies, offline."""

import hashlib
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from PIL import Image

from pipeline import paths
from pipeline.augmentation import Recipe, augment
from pipeline.errors import ManifestError
from pipeline.files import atomic_folder
from pipeline.images import decode_whole
from pipeline.manifest import CopyRow, ImageRow, read_used, write_copies
from pipeline.parallel import Progress, map_ordered, no_progress
from pipeline.params import AugmentParams, Params, RayParams
from pipeline.runners.pool import open_pool

JPEG_QUALITY = 92
WAITING, AHEAD = 64, 4  # images, at least, and for each worker


def run(dataset: str, params: Params, progress: Progress = no_progress) -> str:
    """Write all copies and their table; return one line with the count.

    Args:
        dataset: Name.
        params: All settings.
        progress: Shows how far it is; gets the list of each image's copies.
    """
    final = paths.augmented_folder(dataset)
    with atomic_folder(final) as folder:
        ray = params.extract.ray if params.runners.augment == "ray" else None
        rows = list(write_all_copies(dataset, folder, params.augment, progress, ray))
        write_copies(folder / paths.copies_file(dataset).name, rows)
    return f"{dataset}: {len(rows)} copies, {params.augment.copies} of each training image"


def write_all_copies(
    dataset: str,
    folder: Path,
    settings: AugmentParams,
    progress: Progress = no_progress,
    ray: RayParams | None = None,
) -> Iterator[CopyRow]:
    """Write the copies of every training image under a folder; yield each as it is there.

    Their order is that of the manifest, and their bytes are those of any other run. They are made by
    a cluster of Ray, or, where that is None, by processes of this machine.
    """
    if settings.copies == 0:
        return
    manifest = paths.manifest_file(dataset)
    train = (row for row in read_used(manifest) if row.split == "train")
    total = sum(row.split == "train" for row in read_used(manifest))
    work = partial(_write_copies, paths.split_folder(dataset), folder, settings)
    with open_pool(__name__, ray, folder) as (pool, workers):
        waiting = max(WAITING, AHEAD * workers)
        for copies in progress(map_ordered(pool, work, train, ahead=waiting), total):
            yield from copies


def _write_copies(
    source: Path, folder: Path, settings: AugmentParams, row: ImageRow
) -> list[CopyRow]:
    """Write all copies of one image; runs in a worker process."""
    pixels = decode_whole(_read(source / row.path, row.sha256)).pixels
    recipe = Recipe(
        rotate=settings.rotate, shift=settings.shift, zoom=settings.zoom, flip=settings.flip
    )
    rows = []
    for copy in range(1, settings.copies + 1):
        changed = augment(pixels, recipe, seed=settings.seed, sha256=row.sha256, copy=copy)
        stream = io.BytesIO()
        Image.fromarray(changed).save(stream, "JPEG", quality=JPEG_QUALITY)
        data = stream.getvalue()
        path = PurePosixPath(row.path)
        target = path.with_name(f"{path.stem}__copy{copy}.jpg")
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        rows.append(CopyRow(parent=row.sha256, copy=copy, sha256=digest, path=str(target)))
    return rows


def _read(path: Path, sha256: str) -> bytes:
    """Read an image that the manifest names, and make sure that it is the one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"cannot read {path}: {error.strerror}. Run the stage split again."
        ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ManifestError(
            f"{path} is not the file that the manifest names: run the stage split again."
        )
    return data
