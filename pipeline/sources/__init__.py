"""Where archives come from: each source turns a dataset into one verified archive file."""

import shutil
import tempfile
from pathlib import Path

from pipeline.archives import read_members
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ArchiveError
from pipeline.files import sha256_of
from pipeline.labels import label_members
from pipeline.parallel import Progress, no_progress
from pipeline.provenance import Provenance
from pipeline.signatures import is_image

_WORKING = ".obtaining-"


def obtain(
    dataset: str,
    source: str,
    archive: str | None,
    folder: Path,
    progress: Progress = no_progress,
) -> Provenance:
    """Put the dataset's one archive file into a folder, every byte of it read and checked once.

    The file appears under its name only when it is whole and good; then whatever else was in
    the folder goes. After an error the folder is as it was.

    Args:
        dataset: The dataset's name; a new one is fine if `source` is `archive`.
        source: `drawn`, `kaggle`, `mirror` or `archive`.
        archive: Path or URL, for `archive`.
        folder: Made if it is not there.
        progress: Shows how far the drawing is, for `drawn`.

    Raises:
        SourceError: The archive cannot be had.
        ArchiveError: It is damaged, unsafe or not laid out as labelled images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(f"{_WORKING}*"):  # of a run that was killed
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix=_WORKING, dir=folder) as working:
        file, origin = _fetch(dataset, source, archive, Path(working), progress)
        files = _verify(file, dataset, source)
        provenance = Provenance(
            source=source, file=file.name, bytes=file.stat().st_size, sha256=sha256_of(file), origin=origin,
            files=files,
        )  # fmt: skip
        target = folder / file.name
        if target.is_dir():
            _remove(target)
        file.replace(target)
        for old in folder.iterdir():
            if old.name not in (target.name, Path(working).name):  # absolute from Python 3.12 on
                _remove(old)
    return provenance


def _fetch(
    dataset: str, source: str, archive: str | None, working: Path, progress: Progress
) -> tuple[Path, str | None]:
    """Have the source put its file into the working folder; return it and its origin."""
    if source == "archive":
        from pipeline.sources.archive import fetch_archive

        assert archive is not None, "params.py demands it"
        return fetch_archive(dataset, archive, working)
    if source == "mirror":
        from pipeline.sources.mirror import fetch_mirror

        return fetch_mirror(dataset, working)
    if source == "kaggle":
        from pipeline.sources.kaggle import fetch_kaggle

        return fetch_kaggle(dataset, working)
    from pipeline.sources.drawn import write_archive

    write_archive(dataset, working / f"{dataset}.zip", progress=progress)
    return working / f"{dataset}.zip", None


def _verify(file: Path, dataset: str, source: str) -> int:
    """Read the archive to its end and label its members, for the errors; return how many they are."""
    known = CATALOGUE.get(dataset)
    key = f"datasets.{dataset}.{'archive' if source == 'archive' else 'source'}"
    try:
        names, images = [], set()
        for member in read_members(file):
            names.append(member.name)
            if is_image(*member):
                images.add(member.name)
        label_members(names, images, known.aliases if known else {})
    except ArchiveError as error:
        reason = str(error).replace(str(file), file.name)
        raise ArchiveError(f"the archive of {dataset}, {reason} (params.yaml, {key})") from error
    return len(names)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
