"""Stage `inspect`: what a backbone's features say of every image and its label, for people to look at."""

import numpy as np

from pipeline import paths
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.loading import load_features
from pipeline.inspection.layout import place_images
from pipeline.inspection.neighbours import MOST_KNOWN, NONE, find_nearest
from pipeline.inspection.originals import Originals
from pipeline.inspection.outliers import mark_outliers, measure_outliers
from pipeline.inspection.sampling import draw_evenly
from pipeline.inspection.suspects import judge_labels
from pipeline.inspections import Inspections, write_inspections
from pipeline.params import Params

NEIGHBOURS = 3


def run(dataset: str, backbone: str, params: Params) -> str:
    """Write the table of inspections; return a line that counts what stands out.

    All splits are looked at, with their labels. The table is for people: no head is fitted to it,
    chosen by it or measured with it, so that val and test stay unseen.

    Raises:
        FeaturesError: The features file is missing, damaged, or of another dataset or backbone.
    """
    params.dataset(dataset), params.backbone(backbone)
    originals = Originals.of(load_features(dataset, backbone))
    with one_blas_thread():
        table, judged = _inspect(originals)
    write_inspections(paths.inspection_file(dataset, backbone), table)
    line = (
        f"{dataset}/{backbone}: {len(table):,} images, {table.suspect.sum():,} suspect labels, "
        f"{table.is_outlier.sum():,} outliers, {np.isfinite(table.x).sum():,} on the map"
    )
    if judged < len(table):
        line += f"; {len(table) - judged:,} labels not judged: too few other images of their class"
    return line


def _inspect(originals: Originals) -> tuple[Inspections, int]:
    """Return the table, and how many labels could be judged."""
    rows = originals.rows
    verdicts = judge_labels(rows)
    distances = measure_outliers(rows)
    positions = place_images(rows)
    table = Inspections(
        sha256=originals.sha256,
        path=originals.path,
        split=originals.split,
        label=tuple(originals.classes[label] for label in rows.labels),
        suggested=tuple(originals.classes[label] for label in verdicts.suggested),
        quality=verdicts.quality,
        suspect=verdicts.suspect,
        outlier=distances,
        is_outlier=mark_outliers(distances, rows.labels),
        x=positions[:, 0],
        y=positions[:, 1],
        neighbours=_find_neighbours(originals),
    )
    return table, int(verdicts.judged.sum())


def _find_neighbours(originals: Originals) -> tuple[tuple[str, ...], ...]:
    """Return the sha256 of the training images nearest to each image: of 50,000, where there are more."""
    train = np.flatnonzero([split == "train" for split in originals.split])
    train = train[draw_evenly(originals.rows.labels[train], MOST_KNOWN)]
    found, _ = find_nearest(originals.rows, originals.rows.take(train), NEIGHBOURS)
    return tuple(
        tuple(originals.sha256[train[place]] for place in places if place != NONE)
        for places in found
    )
