"""Stage `split`: an archive's images become checked class folders and a manifest."""

import json

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import SourceError
from pipeline.files import atomic_folder, atomic_write_csv, atomic_write_text
from pipeline.manifest import USED, write_manifest
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.splitting.assignment import assign_images, label_images
from pipeline.splitting.screening import check_known, screen_archive
from pipeline.splitting.staging import StagingFolder
from pipeline.splitting.summary import count_classes, count_rows, describe_counts


def run(dataset: str, params: Params, progress: Progress = no_progress) -> str:
    """Check, split and write the images; return one line with the counts.

    Args:
        dataset: Name.
        params: All settings.
        progress: Shows how far it is; gets batches of screened files.
    """
    known, archive = CATALOGUE.get(dataset), paths.raw_archive(dataset)
    sha256, files = _read_provenance(dataset)
    with atomic_folder(paths.split_folder(dataset)) as folder:
        staging = StagingFolder(folder / "staging")
        screened = screen_archive(archive, staging, files, progress)
        images = label_images(screened, known.aliases if known else {})
        if known and known.mirror and known.mirror.sha256 == sha256:
            labelled = (one.image for one in images if one.label)
            check_known(dataset, labelled, known.mirror.known_unreadable)
        rows = assign_images(images, params.split)
        staging.place_all({row.sha256: row.path for row in rows if row.status == USED})
    write_manifest(paths.manifest_file(dataset), rows)
    own_splits = {one.image.member: one.folder_split for one in images if one.folder_split}
    counts = count_rows(rows, params.split, own_splits)
    text = json.dumps(counts, indent=2, sort_keys=True)
    atomic_write_text(paths.data_metrics_file(dataset), text + "\n")
    atomic_write_csv(paths.classes_file(dataset), count_classes(rows))
    return f"{dataset}: {describe_counts(counts, params.split)}"


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
