"""Stage `split`: an archive's pictures become checked class folders and a manifest."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline import intake, layout
from pipeline.archives import list_members, read_members
from pipeline.datasets import CATALOGUE
from pipeline.dealing import deal_rows, read_prior
from pipeline.errors import ManifestError, SourceError, SplitError
from pipeline.files import replace_text, replacing_folder
from pipeline.health import count_rows
from pipeline.intake import File, examine, group_rows, place_rows, settle_duplicates
from pipeline.labels import Labelled, label_members
from pipeline.manifest import QUARANTINED, SPLITS, USED, ImageRow, write_manifest
from pipeline.parallel import Track, map_ordered, open_processes, untracked
from pipeline.params import Params, SplitParams
from pipeline.shelf import Shelf

BATCH = 64  # files that a process examines at once
BATCHES_AHEAD = 8  # that wait for a process, for each there is


def run(dataset: str, params: Params, track: Track = untracked) -> str:
    """Check, deal and write the pictures; return one line with the counts.

    Args:
        dataset: Name.
        params: All settings.
        track: Shows how far it is; gets batches of examined files.
    """
    settings, archive = params.split, layout.raw_archive(dataset)
    with open_processes(intake.__name__) as pool, replacing_folder(layout.split_folder(dataset)) as folder:
        members = _label(dataset, archive)
        prior = read_prior(layout.manifest_file(dataset), settings)
        shelf = Shelf(folder / "shelf")
        rows = settle_duplicates(_examine_members(pool, archive, members, shelf, track))
        _check_unreadable(dataset, rows)
        _check_classes(rows)
        rows = group_rows(rows, near_duplicates=settings.near_duplicates)
        rows, sides = deal_rows(rows, settings, prior, _sides_of_folders(rows, members, settings))
        rows = place_rows(rows, sides)
        used = [row for row in rows if row.fate == USED]
        for place in {(folder / row.path).parent for row in used}:
            place.mkdir(parents=True)
        for row in used:
            shelf.place(row.sha256, f"{folder}/{row.path}")
        shelf.remove()
    write_manifest(layout.manifest_file(dataset), rows)
    counts = count_rows(rows, params.split)
    replace_text(layout.data_metrics_file(dataset), json.dumps(counts, indent=2, sort_keys=True) + "\n")
    images, sizes = counts["images"], [f"{number} {name}" for name, number in counts["splits"].items()]
    return f"{dataset}: {images['found']} images, {', '.join(sizes)}, {images['quarantined']} quarantined"


def _label(dataset: str, archive: Path) -> dict[str, Labelled]:
    """Return the members that have a class, by name."""
    known = CATALOGUE.get(dataset)
    labelled = label_members(list_members(archive), known.aliases if known else {})
    return {one.name: one for one in labelled if one is not None}


def _examine_members(
    pool: Executor, archive: Path, labelled: Mapping[str, Labelled], shelf: Shelf, track: Track
) -> Iterator[ImageRow]:
    """Put the labelled files on the shelf, and have them examined there while others follow."""
    files = (
        File(member.name, labelled[member.name].label, shelf.add(member.data))
        for member in read_members(archive)
        if member.name in labelled
    )
    batches = iter(lambda: list(islice(files, BATCH)), [])
    ahead = BATCHES_AHEAD * (os.cpu_count() or 1)
    examined = map_ordered(pool, partial(examine, shelf), batches, ahead=ahead)
    for batch in track(examined, len(labelled)):
        for row, instead in batch:
            if instead is not None:
                shelf.add(instead)
            yield row


def _sides_of_folders(
    rows: Iterable[ImageRow], labelled: Mapping[str, Labelled], settings: SplitParams
) -> dict[str, str]:
    """Return the sides that the archive's folders give, if they are to be kept.

    An archive with train and test alone has no validation images: its train is dealt.
    """
    if not settings.respect_folders:
        return {}
    found = {row.sha256: labelled[row.member].folder_split for row in rows if row.fate == USED}
    kept = set(SPLITS) if "val" in found.values() else {"test"}
    return {key: side for key, side in found.items() if side is not None and side in kept}


def _check_unreadable(dataset: str, rows: Iterable[ImageRow]) -> None:
    """Compare what cannot be read with what is known of the catalogue's archive.

    Raises:
        ManifestError: Another picture cannot be read, or one can that could not.
        SourceError: Where the archive came from is not known.
    """
    known = CATALOGUE.get(dataset)
    provenance = layout.provenance_file(dataset)
    try:
        sha256 = json.loads(provenance.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{provenance} is missing or damaged ({error}): run the stage fetch again."
        ) from None
    if known is None or known.mirror is None or known.mirror.sha256 != sha256:
        return
    found = {row.member for row in rows if row.fate == QUARANTINED and not row.format}
    new, gone = sorted(found - known.mirror.known_unreadable), sorted(known.mirror.known_unreadable - found)
    if new or gone:
        raise ManifestError(
            f"of the known archive of {dataset}, these cannot be read though they should: {new or 'none'}; "
            f"these can though they should not: {gone or 'none'}. The libraries that decode have changed: "
            "see known_unreadable in pipeline/datasets.py."
        )


def _check_classes(rows: Iterable[ImageRow]) -> None:
    """Refuse a class that would vanish because none of its pictures can be used."""
    rows = list(rows)
    unused = {row.label: row for row in sorted(rows, key=lambda row: row.member, reverse=True)}
    for row in rows:
        if row.fate == USED:
            unused.pop(row.label, None)
    if unused:
        found = "; ".join(f"{name} ({row.member}: {row.reason})" for name, row in sorted(unused.items()))
        raise SplitError(f"no picture of these classes can be used: {found}. Mend the archive.")
