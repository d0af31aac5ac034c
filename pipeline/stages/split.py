"""Stage `split`: an archive's images become checked class folders and a manifest."""

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.files import atomic_folder, atomic_write_csv, atomic_write_json
from pipeline.manifest import USED, write_manifest
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.provenance import read_provenance
from pipeline.splitting.assignment import assign_images, label_images
from pipeline.splitting.corrections import (
    correct_rows,
    describe_corrections,
    read_corrections,
    settle_labels,
)
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
    corrections = read_corrections(paths.corrections_file(dataset))
    provenance = read_provenance(paths.provenance_file(dataset))
    with atomic_folder(paths.split_folder(dataset)) as folder:
        staging = StagingFolder(folder / "staging")
        ray = params.extract.ray if params.runners.split == "ray" else None
        screened = screen_archive(archive, staging, provenance.files, progress, ray)
        images = label_images(screened, known.aliases if known else {})
        images, settled = settle_labels(images, corrections)
        if known and known.mirror and known.mirror.sha256 == provenance.sha256:
            labelled = (one.image for one in images if one.label)
            check_known(dataset, labelled, known.mirror.known_unreadable)
        rows = assign_images(images, params.split)
        rows, corrected = correct_rows(rows, corrections, settled)
        staging.place_all({row.sha256: row.path for row in rows if row.status == USED})
    write_manifest(paths.manifest_file(dataset), rows)
    own_splits = {one.image.member: one.folder_split for one in images if one.folder_split}
    counts = count_rows(rows, params.split, own_splits) | {"corrections": corrected}
    atomic_write_json(paths.data_metrics_file(dataset), counts)
    atomic_write_csv(paths.classes_file(dataset), count_classes(rows))
    line = describe_counts(counts, params.split) + describe_corrections(corrected)
    return f"{dataset}: {line}"
