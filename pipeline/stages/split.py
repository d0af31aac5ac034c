"""Stage `split`: an archive's images become checked class folders and a manifest."""

import json
import os
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline import paths
from pipeline.archives import read_members
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ManifestError, SourceError, SplitError
from pipeline.files import atomic_folder, atomic_write_text
from pipeline.manifest import QUARANTINED, SPLITS, USED, ImageRow, write_manifest
from pipeline.parallel import Progress, map_ordered, no_progress, open_processes
from pipeline.params import Params, SplitParams
from pipeline.splitting import screening
from pipeline.splitting.assignment import assign_rows
from pipeline.splitting.screening import (
    File,
    examine,
    group_rows,
    label_rows,
    place_rows,
    settle_duplicates,
)  # fmt: skip
from pipeline.splitting.staging import StagingFolder
from pipeline.splitting.summary import count_rows, describe_counts

BATCH = 64  # files that a process examines at once
BATCHES_AHEAD = 8  # that wait for a process, for each there is


def run(dataset: str, params: Params, progress: Progress = no_progress) -> str:
    """Check, deal and write the images; return one line with the counts.

    Args:
        dataset: Name.
        params: All settings.
        progress: Shows how far it is; gets batches of examined files.
    """
    settings, archive = params.split, paths.raw_archive(dataset)
    sha256, files = _read_provenance(dataset)
    with atomic_folder(paths.split_folder(dataset)) as folder:
        shelf = StagingFolder(folder / "shelf")
        known = CATALOGUE.get(dataset)
        rows, folder_splits = label_rows(
            _examine_all(archive, shelf, progress, files), known.aliases if known else {}
        )
        rows = settle_duplicates(rows)
        _check_unreadable(dataset, sha256, rows)
        _check_classes(rows)
        rows = group_rows(rows, near_duplicates=settings.near_duplicates)
        rows, splits = assign_rows(
            rows, settings, _splits_of_folders(rows, folder_splits, settings)
        )
        rows = place_rows(rows, splits)
        used = [row for row in rows if row.status == USED]
        for place in {(folder / row.path).parent for row in used}:
            place.mkdir(parents=True)
        for row in used:
            shelf.place(row.sha256, f"{folder}/{row.path}")
        shelf.remove()
    write_manifest(paths.manifest_file(dataset), rows)
    counts = count_rows(rows, settings, folder_splits)
    atomic_write_text(
        paths.data_metrics_file(dataset), json.dumps(counts, indent=2, sort_keys=True) + "\n"
    )
    return f"{dataset}: {describe_counts(counts, settings)}"


def _read_provenance(dataset: str) -> tuple[str, int]:
    """Return the archive's sha256 and how many files it holds, as the stage fetch wrote them down.

    Raises:
        SourceError: It is missing or damaged.
    """
    path = paths.provenance_file(dataset)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["sha256"]), int(found["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path} is missing or damaged ({error}): run the stage fetch again."
        ) from None


def _examine_all(
    archive: Path, shelf: StagingFolder, progress: Progress, total: int
) -> list[ImageRow]:
    """Put an archive's files on the shelf, and have them examined there while others follow."""
    files = (File(member.name, shelf.add(member.data)) for member in read_members(archive))
    batches = iter(lambda: list(islice(files, BATCH)), [])
    ahead = BATCHES_AHEAD * (os.cpu_count() or 1)
    rows = []
    with open_processes(screening.__name__) as pool:
        for batch in progress(
            map_ordered(pool, partial(examine, shelf), batches, ahead=ahead), total
        ):
            for row, instead in batch:
                rows.append(row)
                if instead is not None:
                    shelf.add(instead)
    return rows


def _splits_of_folders(
    rows: Iterable[ImageRow], folder_splits: Mapping[str, str], settings: SplitParams
) -> dict[str, str]:
    """Return the splits that the archive's folders give, if they are to be kept.

    An archive with train and test alone has no validation images: its train is drawn.
    """
    if not settings.respect_folders:
        return {}
    found = {
        row.sha256: folder_splits[row.member]
        for row in rows
        if row.status == USED and row.member in folder_splits
    }
    kept = set(SPLITS) if "val" in found.values() else {"test"}
    return {key: split for key, split in found.items() if split in kept}


def _check_unreadable(dataset: str, sha256: str, rows: Iterable[ImageRow]) -> None:
    """Compare what cannot be read with what is known of the catalogue's archive.

    Raises:
        ManifestError: Another image cannot be read, or one can that could not.
    """
    known = CATALOGUE.get(dataset)
    if known is None or known.mirror is None or known.mirror.sha256 != sha256:
        return
    found = {
        row.member for row in rows if row.status == QUARANTINED and row.label and not row.width
    }
    new, gone = (
        sorted(found - known.mirror.known_unreadable),
        sorted(known.mirror.known_unreadable - found),
    )
    if new or gone:
        raise ManifestError(
            f"of the known archive of {dataset}, these cannot be read though they should: {new or 'none'}; "
            f"these can though they should not: {gone or 'none'}. The libraries that decode have changed: "
            "see known_unreadable in pipeline/catalogue/datasets.py."
        )


def _check_classes(rows: Iterable[ImageRow]) -> None:
    """Refuse a class that would vanish because none of its images can be used."""
    rows = list(rows)
    last_to_first = sorted(rows, key=lambda row: row.member, reverse=True)
    unused = {row.label: row for row in last_to_first if row.label}
    for row in rows:
        if row.status == USED:
            unused.pop(row.label, None)
    if unused:
        found = "; ".join(
            f"{name} ({row.member}: {row.reason})" for name, row in sorted(unused.items())
        )
        raise SplitError(f"no image of these classes can be used: {found}. Mend the archive.")
