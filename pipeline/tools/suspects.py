"""What to look at before a head is blamed: labels that seem wrong, outliers, conflicts, extremes."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from pipeline import paths
from pipeline.errors import InspectionError
from pipeline.files import csv_line
from pipeline.inspections import Inspections, read_inspections
from pipeline.manifest import CONFLICTING, QUARANTINED, USED, ImageRow, read_manifest
from pipeline.tools.words import count_of

LABEL, OUTLIER, CONFLICT, TWINS = "label", "outlier", "conflict", "twins"
EXTREMES = ("darkest", "brightest", "smallest", "largest")
EXTREME_IMAGES = 3  # of each


class Finding(NamedTuple):
    """An image worth a look.

    Attributes:
        finding: Why: `label` (it seems wrong), `outlier`, `conflict` (the same bytes under several
            labels, so not used), `twins` (a near-duplicate has another label), or an extreme.
        marked: `*` where it stands out by more than its place in the list.
        image: Its path under the split folder; its name in the archive where it is not used.
        split: `train`, `val` or `test`; empty where it is not used.
        label: Its class.
        suggested: Of `label`: the class that a head which has not seen it finds likeliest. Of
            `twins` and `conflict`: the labels that there are.
        value: Of `label`: the quality of the label, 0..1. Of `outlier`: the distance from its class.
            Of extremes: brightness, 0..255, or pixels of the shorter side.
        sha256: Of its file.
    """

    finding: str
    marked: str
    image: str
    split: str
    label: str
    suggested: str
    value: str
    sha256: str


TITLES = {
    LABEL: "Labels that seem wrong, the worst first (*: doubted more than is usual in its class)",
    OUTLIER: "Images unlike the rest of their class, the furthest first (*: stands out)",
    CONFLICT: "Files with the same bytes under several labels: none is used",
    TWINS: "Near-duplicates with different labels",
    **{name: f"The {name} images" for name in EXTREMES},
}
COLUMNS = {
    LABEL: ("suggested", "quality"),
    OUTLIER: ("", "distance"),
    CONFLICT: ("labels", ""),
    TWINS: ("labels", ""),
    "darkest": ("", "brightness"),
    "brightest": ("", "brightness"),
    "smallest": ("", "pixels"),
    "largest": ("", "pixels"),
}


class Suspects(NamedTuple):
    """What is worth a look.

    Attributes:
        findings: Kind after kind.
        doubtful: How many labels are marked, listed or not.
    """

    findings: list[Finding]
    doubtful: int


def find_suspects(dataset: str, backbone: str, top: int) -> Suspects:
    """List what is worth a look, at most so many labels and outliers, kind after kind.

    Raises:
        InspectionError: The stage inspect has not run, or its table is damaged.
        ManifestError: The same of the stage split.
    """
    table = read_inspections(paths.inspection_file(dataset, backbone))
    rows = list(read_manifest(paths.manifest_file(dataset)))
    used = [row for row in rows if row.status == USED]
    _check_same_images(table, used)
    findings = [
        *_find_labels(table, top),
        *_find_outliers(table, top),
        *_find_conflicts(rows),
        *_find_twins(used),
        *_find_extremes(used),
    ]
    return Suspects(findings, int(table.suspect.sum()))


def _check_same_images(table: Inspections, used: Sequence[ImageRow]) -> None:
    """Raise where the table is of other images, labels or splits than the manifest."""
    inspected = set(zip(table.sha256, table.label, table.split, strict=True))
    if inspected != {(row.sha256, row.label, row.split) for row in used}:
        raise InspectionError(
            f"the table of inspections is of {len(table):,} images, the manifest has {len(used):,}, and "
            "images, labels or splits are not the same: run `dvc repro`."
        )


def _find_labels(table: Inspections, top: int) -> Iterator[Finding]:
    for row in np.argsort(table.quality, kind="stable")[:top].tolist():
        marked, value = table.suspect[row], table.quality[row]
        found = _of_table(table, row, LABEL, marked=marked, value=value)
        yield found._replace(suggested=table.suggested[row])


def _find_outliers(table: Inspections, top: int) -> Iterator[Finding]:
    for row in np.argsort(-table.outlier, kind="stable")[:top].tolist():
        marked, value = table.is_outlier[row], table.outlier[row]
        yield _of_table(table, row, OUTLIER, marked=marked, value=value)


def _of_table(table: Inspections, row: int, finding: str, *, marked: bool, value: float) -> Finding:
    return Finding(
        finding=finding,
        marked="*" if marked else "",
        image=table.path[row],
        split=table.split[row],
        label=table.label[row],
        suggested="",
        value=f"{value:.3f}",
        sha256=table.sha256[row],
    )


def _find_conflicts(rows: Iterable[ImageRow]) -> Iterator[Finding]:
    """Yield the images that the archive labels twice."""
    for row in rows:
        if row.status == QUARANTINED and row.reason.startswith(CONFLICTING):
            yield _of_row(row, CONFLICT, suggested=row.reason.removeprefix(CONFLICTING))


def _find_twins(used: Iterable[ImageRow]) -> Iterator[Finding]:
    """Yield the images whose near-duplicates have other labels, group by group."""
    groups: dict[str, list[ImageRow]] = defaultdict(list)
    for row in used:
        groups[row.group].append(row)
    for group in groups.values():
        if len(labels := sorted({row.label for row in group})) > 1:
            for row in group:
                yield _of_row(row, TWINS, suggested=", ".join(labels))


def _find_extremes(used: Sequence[ImageRow]) -> Iterator[Finding]:
    brightness = [row.brightness for row in used]
    side = [min(row.width, row.height) for row in used]
    for name, values, sign in zip(
        EXTREMES, (brightness, brightness, side, side), (1, -1, 1, -1), strict=True
    ):
        order = np.argsort(sign * np.array(values, np.int64), kind="stable")
        for place in order[:EXTREME_IMAGES].tolist():
            yield _of_row(used[place], name, value=str(values[place]))


def _of_row(row: ImageRow, finding: str, suggested: str = "", value: str = "") -> Finding:
    return Finding(
        finding=finding,
        marked="",
        image=row.path or row.member,
        split=row.split,
        label=row.label,
        suggested=suggested,
        value=value,
        sha256=row.sha256,
    )


def render_csv(findings: Iterable[Finding]) -> str:
    """Return a row a finding under the names of the fields."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(Finding._fields)
    writer.writerows(findings)
    return stream.getvalue().removesuffix("\n")


def render_text(suspects: Suspects, dataset: str) -> str:
    """Return a table a kind of finding, and how to correct a label."""
    parts = [
        "\n".join([TITLES[kind], *_lay_out(kind, list(group))])
        for kind, group in groupby(suspects.findings, lambda one: one.finding)
    ]
    return "\n\n".join([*parts, _explain(suspects, dataset)])


def _lay_out(kind: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a table, each column as wide as its widest cell, empty columns left out."""
    head = ("", "image", "split", "label", *COLUMNS[kind], "sha256")
    cells = [(*one[1:7], one.sha256 if kind == CONFLICT else "") for one in findings]
    columns = list(zip(head, *cells, strict=True))
    shown = [column for column in columns if any(column[1:])]
    widths = [max(map(len, column)) for column in shown]
    for row in zip(*shown, strict=True):
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {line.rstrip()}"


def _explain(suspects: Suspects, dataset: str) -> str:
    file = paths.corrections_file(dataset)
    labels = [one for one in suspects.findings if one.finding == LABEL]
    if not labels:
        return f"There is no image to correct in {dataset}."
    marked = [one for one in labels if one.marked]
    example = (marked or labels)[0]
    doubtful = suspects.doubtful
    listed = "" if len(marked) == doubtful else f", {len(marked)} of them listed (--top lists more)"
    return (
        f"Marked: {count_of(doubtful, 'label')}{listed}. Marked labels may be right, and others "
        "wrong: look at the images, only you can say.\n"
        f"To correct one, as this, put a line into {file} (the first line of a new file: image,label)\n"
        f"  {csv_line([example.image, example.suggested])}\n"
        f"  {csv_line([example.image, 'quarantine'])}\n"
        "the second to set it aside. "
        f"Then `git add {file}`, commit it, and `dvc repro`: no feature is computed again."
    )
