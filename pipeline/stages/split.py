"""Stage `split`: an archive's pictures become checked class folders and a manifest."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline import layout
from pipeline.archives import Member, list_members, read_members
from pipeline.datasets import CATALOGUE
from pipeline.files import replace_text, replacing_folder
from pipeline.health import count_rows
from pipeline.intake import Examined, examine, group_rows, place_rows, settle_duplicates
from pipeline.labels import label_members
from pipeline.manifest import USED, ImageRow, write_manifest
from pipeline.parallel import map_ordered
from pipeline.params import Params, SplitParams
from pipeline.splits import assign_splits

WAITING = 64  # pictures in memory at once


def run(dataset: str, params: Params) -> str:
    """Check, deal and write the pictures; return one line with the counts."""
    archive = layout.raw_archive(dataset)
    with replacing_folder(layout.split_folder(dataset)) as folder:
        rows = settle_duplicates(_keep_all(dataset, archive, folder))
        rows = _deal(group_rows(rows, near_duplicates=params.split.near_duplicates), params.split)
        for row in rows:
            if row.fate == USED:
                (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
                (folder / row.sha256).rename(folder / row.path)
        for left in folder.iterdir():
            if left.is_file():
                left.unlink()
    write_manifest(layout.manifest_file(dataset), rows)
    counts = count_rows(rows, params.split)
    replace_text(layout.data_metrics_file(dataset), json.dumps(counts, indent=2, sort_keys=True) + "\n")
    images, sizes = counts["images"], [f"{number} {name}" for name, number in counts["splits"].items()]
    return f"{dataset}: {images['found']} images, {', '.join(sizes)}, {images['quarantined']} quarantined"


def _keep_all(dataset: str, archive: Path, folder: Path) -> Iterator[ImageRow]:
    """Examine all labelled files, and keep those that can be used under their sha256."""
    known = CATALOGUE.get(dataset)
    labelled = label_members(list_members(archive), known.aliases if known else {})
    labels = {one.name: one.label for one in labelled if one is not None}

    def look(member: Member) -> Examined:
        return examine(member.name, labels[member.name], member.data)

    members = (member for member in read_members(archive) if member.name in labels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for examined in map_ordered(pool, look, members, ahead=WAITING):
            if examined.row.fate == USED:
                (folder / examined.row.sha256).write_bytes(examined.data)
            yield examined.row


def _deal(rows: list[ImageRow], settings: SplitParams) -> list[ImageRow]:
    used = [row for row in rows if row.fate == USED]
    keys = [row.sha256 for row in used]
    splits = assign_splits(
        sha256=keys,
        labels=[row.label for row in used],
        groups=[row.group for row in used],
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
    )
    return place_rows(rows, dict(zip(keys, splits, strict=True)))
