"""Labels corrected by hand, in `data/labels/<dataset>.csv`: read, checked against the images, applied.

They are applied to what has been split by the archive's own labels. So a correction changes the row
of its image alone: no other image moves to another split, and none gets another name (but where a
line brings in an image that was set aside, which is then as good as new).
"""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.errors import CorrectionsError, did_you_mean
from pipeline.manifest import CONFLICTING, QUARANTINED, SPLITS, USED, ImageRow
from pipeline.splitting.assignment import LabelledImage

HEADER = ["image", "label"]
QUARANTINE = "quarantine"  # which no class may be called
GONE = "; take out the line if the image is gone"
BY_HAND = "set aside by hand"
MOST_FAULTS = 20  # that a message lists


class Correction(NamedTuple):
    """A line: its number in the file, the image it names, and its label."""

    line: int
    image: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """The lines of a file; none where there is no file.

    Attributes:
        path: Of the file, for messages.
        lines: Those that can be read.
        faults: Numbers of the others, and what is wrong with them.
    """

    path: Path
    lines: tuple[Correction, ...] = ()
    faults: tuple[tuple[int, str], ...] = ()


def read_corrections(path: Path) -> Corrections:
    """Read a file of corrections; what its lines name is not looked at yet.

    Raises:
        CorrectionsError: It is no text, or does not begin with the header.
    """
    if not path.exists():
        return Corrections(path=path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.reader(stream, strict=True)
            if (header := [cell.strip() for cell in next(table, [])]) != HEADER:
                found = ",".join(header) or "nothing"
                hint = " Save it with commas between the columns." if ";" in found else ""
                raise CorrectionsError(
                    f"{path}, line 1: expected the names of the columns, image,label; found {found}.{hint}"
                )
            cells = [(table.line_num, [cell.strip() for cell in row]) for row in table if row]
    except UnicodeDecodeError as error:
        raise CorrectionsError(
            f"{path} is no text in UTF-8 ({error}): save it so, as spreadsheets offer."
        ) from None
    except csv.Error as error:
        raise CorrectionsError(f"{path} is no table of corrections ({error}).") from None
    is_good = [len(row) == len(HEADER) and all(row) for _, row in cells]
    return Corrections(
        path=path,
        lines=tuple(
            Correction(line, *row) for (line, row), good in zip(cells, is_good, strict=True) if good
        ),
        faults=tuple(
            (line, f"expected an image and a label, found {','.join(row) or 'nothing'}")
            for (line, row), good in zip(cells, is_good, strict=True)
            if not good
        ),
    )


def settle_labels(
    images: Sequence[LabelledImage], corrections: Corrections
) -> tuple[list[LabelledImage], set[str]]:
    """Give images that the archive labels twice, or not at all, the label that a line gives their sha256.

    All copies of such an image get it. Others keep the archive's label until they are split.

    Returns:
        All images, and the sha256 of those that were given a label.
    """
    named = {line.image for line in corrections.lines}
    labels: dict[str, set[str]] = defaultdict(set)
    for one in images:
        if one.image.sha256 in named:
            labels[one.image.sha256].add(one.label)
    doubtful = {key for key, found in labels.items() if len(found - {""}) != 1}
    classes = {one.label for one in images if one.label}
    settled = {
        line.image: line.label
        for line in corrections.lines
        if line.image in doubtful and line.label in classes
    }
    given = [
        one._replace(label=settled[one.image.sha256]) if one.image.sha256 in settled else one
        for one in images
    ]
    return given, set(settled)


def correct_rows(
    rows: Sequence[ImageRow], corrections: Corrections, settled: Collection[str] = ()
) -> tuple[list[ImageRow], dict[str, int]]:
    """Apply corrections to the rows of a manifest; identical files follow the one that is used.

    A relabelled image keeps its split and its group. A piece of its sha256 in its name keeps it apart
    from the images of its new class.

    Args:
        rows: As the archive's labels have them.
        corrections: What to change.
        settled: The sha256 of images that were given their label before, by `settle_labels`.

    Returns:
        The rows, and how many images are `relabelled`, `quarantined`, and `unneeded`: given the
        label that they have.

    Raises:
        CorrectionsError: Lists every fault of the file with its line; or a class has no image left
            in a split.
    """
    labels = _resolve(rows, corrections)
    corrected = [_correct(row, labels[row.sha256]) if row.sha256 in labels else row for row in rows]
    _check_left(rows, corrected, corrections.path)
    archive = {row.sha256: row.label for row in rows if row.status == USED}
    unneeded = sum(label == archive[key] and key not in settled for key, label in labels.items())
    quarantined = sum(label is None for label in labels.values())
    return corrected, {
        "relabelled": len(labels) - quarantined - unneeded,
        "quarantined": quarantined,
        "unneeded": unneeded,
    }


def describe_corrections(counts: Mapping[str, int]) -> str:
    """Say in a few words what `correct_rows` counted; nothing where there was no line."""
    words = {
        "relabelled": "relabelled",
        "quarantined": "set aside",
        "unneeded": "as the archive says",
    }
    said = [f"{counts[name]:,} {word}" for name, word in words.items() if counts[name]]
    return f"; corrected by hand: {', '.join(said)}" if said else ""


def _resolve(rows: Sequence[ImageRow], corrections: Corrections) -> dict[str, str | None]:
    """Return sha256 to the label of each image that a line names, None for those to set aside."""
    paths = {row.sha256: row.path for row in rows if row.status == USED}
    names = {_without_split(path): key for key, path in paths.items()} | {key: key for key in paths}
    classes = sorted({row.label for row in rows if row.status == USED})
    labels: dict[str, str | None] = {}
    first: dict[str, Correction] = {}
    faults = list(corrections.faults)
    unknown = []
    for line in corrections.lines:
        sha256 = names.get(_without_split(line.image))
        if sha256 is None:
            unknown.append(line)
        elif fault := _find_fault(line, classes, first.get(sha256)):
            faults.append((line.line, fault))
        else:
            first[sha256] = line
            labels[sha256] = None if line.label == QUARANTINE else line.label
            names |= {_without_split(_new_path(paths[sha256], sha256, line.label)): sha256}
    if unknown:
        faults += _describe_unknown(unknown, names, rows)
    if faults:
        raise CorrectionsError(_explain(faults, corrections.path))
    return labels


def _without_split(path: str) -> str:
    """Return `<class>/<file>`, so that a file of corrections outlives another seed of the split."""
    split, _, rest = path.partition("/")
    return rest if split in SPLITS and "/" in rest else path


def _describe_unknown(
    lines: Sequence[Correction], names: Collection[str], rows: Sequence[ImageRow]
) -> Iterator[tuple[int, str]]:
    """Say of lines that no image is called so, and which are called nearly so, here or in the archive."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        member = PurePosixPath(row.member).name
        if row.status == USED and member != PurePosixPath(row.path).name:
            by_file[member].append(_without_split(row.path))
        elif row.reason.startswith(CONFLICTING):  # only its sha256 names it before it has a label
            by_file[member].append(row.sha256)
    for name in sorted(names):
        file = PurePosixPath(name)
        for known in {file.name, file.stem}:
            by_file[known].append(name)
    conflicting = {row.sha256 for row in rows if row.reason.startswith(CONFLICTING)}
    for line in lines:
        if line.image in conflicting:
            yield (
                line.line,
                f"{line.image!r} stands under several labels, so that it is set aside already: give it "
                "a class, or take out the line",
            )
            continue
        found = by_file.get(PurePosixPath(line.image).name) or by_file.get(line.image.lower(), [])
        near = list(dict.fromkeys(found))
        hint = f". Did you mean {' or '.join(map(repr, near[:3]))}?" if near else GONE
        where = "its sha256, or its path as it was shown"
        yield line.line, f"no used image is called {line.image!r} ({where}){hint}"


def _find_fault(line: Correction, classes: Sequence[str], first: Correction | None) -> str:
    """Say what is wrong with a line, given an earlier line of its image."""
    if line.label not in (*classes, QUARANTINE):
        known = f"{', '.join(classes)}, {QUARANTINE}"
        return (
            f"no class is called {line.label!r}. Known: {known}.{did_you_mean(line.label, classes)}"
        )
    if first is None:
        return ""
    if first.label == line.label:
        return f"says of {line.image} what line {first.line} says"
    return f"says {line.label} of {line.image}, of which line {first.line} says {first.label}"


def _explain(faults: Sequence[tuple[int, str]], path: Path) -> str:
    """Return the message that lists faults in the order of their lines."""
    listed = [f"  line {line}: {fault}" for line, fault in sorted(faults)]
    more = [f"  and {len(listed) - MOST_FAULTS:,} more"] if len(listed) > MOST_FAULTS else []
    return "\n".join([f"{path}:", *listed[:MOST_FAULTS], *more])


def _correct(row: ImageRow, label: str | None) -> ImageRow:
    """Return the row of an image that is given a label, or is set aside (None)."""
    if row.status == QUARANTINED or label == row.label:
        return row
    if label is None:
        return row._replace(
            status=QUARANTINED, reason=BY_HAND, split="", path="", group="", split_rule=""
        )
    note = "; ".join(filter(None, [row.note, f"labelled {row.label} in the archive"]))
    path = _new_path(row.path, row.sha256, label) if row.path else ""
    return row._replace(label=label, note=note, path=path)


def _new_path(path: str, sha256: str, label: str) -> str:
    """Return where an image lies after it was given a label."""
    file = PurePosixPath(path)
    piece = f"-{sha256[:12]}"
    stem = file.stem if file.stem.endswith(piece) else f"{file.stem}{piece}"
    return f"{file.parts[0]}/{label}/{stem}{file.suffix}"


def _check_left(before: Sequence[ImageRow], after: Sequence[ImageRow], path: Path) -> None:
    """Demand that each class keeps an image in each split that had one."""
    places = [
        {(row.label, row.split) for row in rows if row.status == USED} for rows in (before, after)
    ]
    if gone := sorted(places[0] - places[1]):
        lacking = "; ".join(f"{label} has none left in {split}" for label, split in gone)
        raise CorrectionsError(
            f"{path}: after these corrections, {lacking}. Take some back, or add images to the archive."
        )
