"""Suspects: the worst labels first, then outliers, conflicts, unlike twins and extremes."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import InspectionError
from pipeline.inspections import Inspections, write_inspections
from pipeline.manifest import DUPLICATE, QUARANTINED, ImageRow, write_manifest
from pipeline.tools.suspects import (
    Finding,
    Suspects,
    find_suspects,
    render_csv,
    render_text,
)
from tests.project import BACKBONE, make_project

LABELS = ["cat", "cat", "dog", "dog", "dog", "cat"]
BRIGHTNESS = [100, 10, 250, 120, 130, 140]
WIDTHS = [300, 300, 300, 40, 900, 310]


def key(number: int) -> str:
    return f"{number:064x}"


def image(number: int) -> ImageRow:
    label = LABELS[number]
    return ImageRow(
        split="train",
        label=label,
        path=f"train/{label}/{number}.jpg",
        sha256=key(number),
        member=f"{label}/{number}.jpg",
        width=WIDTHS[number],
        height=1000,
        brightness=BRIGHTNESS[number],
        group=key(0) if number in (0, 2) else key(number),
    )


ODD = [
    ImageRow(status=QUARANTINED, reason="conflicting labels: cat, dog", member="cat/x.jpg",
             label="cat", sha256=key(8)),
    ImageRow(status=QUARANTINED, reason="not an image", member="cat/y.jpg", sha256=key(9)),
    ImageRow(status=DUPLICATE, reason="same bytes as: a", member="cat/z.jpg", sha256=key(1)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six images: label 3 is the worst but not suspect, 1 and 5 are; 4 is the furthest."""
    make_project(tmp_path / "project", monkeypatch, {})
    rows = [image(number) for number in range(len(LABELS))]
    write_manifest(paths.manifest_file("pets"), [*rows, *ODD])
    table = Inspections(
        sha256=tuple(row.sha256 for row in rows),
        path=tuple(row.path for row in rows),
        split=tuple(row.split for row in rows),
        label=tuple(LABELS),
        suggested=("cat", "dog", "dog", "cat", "dog", "dog"),
        quality=np.array([0.9, 0.3, 0.8, 0.1, 0.7, 0.2]),
        suspect=np.array([0, 1, 0, 0, 0, 1], np.bool_),
        outlier=np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.5]),
        is_outlier=np.array([0, 0, 0, 0, 1, 0], np.bool_),
        x=np.zeros(6),
        y=np.zeros(6),
        neighbours=((),) * 6,
    )
    write_inspections(paths.inspection_file("pets", BACKBONE), table)


def found(kind: str, top: int = 3) -> list[Finding]:
    return [one for one in find_suspects("pets", BACKBONE, top).findings if one.finding == kind]


def numbers(findings: list[Finding]) -> list[int]:
    return [int(one.sha256, 16) for one in findings]


def test_the_worst_labels_come_first_those_probably_wrong_are_marked() -> None:
    labels = found("label")
    assert numbers(labels) == [3, 5, 1]
    assert [one.marked for one in labels] == ["", "*", "*"]
    assert (labels[1].label, labels[1].suggested, labels[1].value) == ("cat", "dog", "0.200")


def test_the_furthest_outliers_come_first_and_no_more_than_asked_for() -> None:
    assert numbers(found("outlier", top=2)) == [4, 5]
    assert [one.marked for one in found("outlier", top=2)] == ["*", ""]


def test_the_same_bytes_under_two_labels_are_told_with_both() -> None:
    (conflict,) = found("conflict")
    assert (conflict.image, conflict.suggested, conflict.split) == ("cat/x.jpg", "cat, dog", "")


def test_near_duplicates_with_different_labels_are_told() -> None:
    assert numbers(found("twins")) == [0, 2]
    assert {one.suggested for one in found("twins")} == {"cat, dog"}


@pytest.mark.parametrize(
    ("kind", "first", "value"),
    [("darkest", 1, "10"), ("brightest", 2, "250"), ("smallest", 3, "40"), ("largest", 4, "900")],
)
def test_extremes_of_brightness_and_size_are_told(kind: str, first: int, value: str) -> None:
    findings = found(kind)
    assert len(findings) == 3
    assert (numbers(findings)[0], findings[0].value) == (first, value)


def text_of(top: int) -> str:
    return render_text(find_suspects("pets", BACKBONE, top), "pets")


def test_all_labels_that_are_probably_wrong_are_counted_listed_or_not() -> None:
    assert "Marked: 2 labels. Marked labels may be right" in text_of(3)
    assert (
        "Marked: 2 labels, 1 of them listed (--top lists more). Marked labels may be right"
        in text_of(2)
    )
    assert (
        "Marked: 2 labels, 0 of them listed (--top lists more). Marked labels may be right"
        in text_of(1)
    )


def test_the_text_ends_with_the_line_that_corrects_the_first_label_marked() -> None:
    text = text_of(3)
    assert f"a line into {paths.corrections_file('pets')} (" in text
    assert "  train/cat/5.jpg,dog\n" in text
    assert f"  cat/x.jpg  cat    cat, dog  {key(8)}" in text


def test_a_line_to_paste_is_csv_whatever_the_class_is_called() -> None:
    finding = Finding("label", "", "train/a, b/1.jpg", "train", "a, b", "c", "0.1", key(1))
    text = render_text(Suspects([finding], 0), "pets")
    assert '  "train/a, b/1.jpg",c\n  "train/a, b/1.jpg",quarantine\n' in text


def test_the_table_has_a_row_a_finding() -> None:
    findings = find_suspects("pets", BACKBONE, 3).findings
    rows = list(csv.DictReader(io.StringIO(render_csv(findings))))
    assert len(rows) == len(findings)
    assert rows[0] == findings[0]._asdict()


def test_before_the_stage_has_run_the_message_says_so() -> None:
    paths.inspection_file("pets", BACKBONE).unlink()
    with pytest.raises(InspectionError, match=r"no inspections at data/inspections.*dvc repro"):
        find_suspects("pets", BACKBONE, 3)


@pytest.mark.parametrize("change", ["fewer", "label"])
def test_a_table_of_other_images_than_the_manifests_is_refused(change: str) -> None:
    rows = [image(number) for number in range(len(LABELS))]
    if change == "label":
        rows[0] = rows[0]._replace(label="dog", path="train/dog/0.jpg")
    write_manifest(paths.manifest_file("pets"), [*rows[change == "fewer" :], *ODD])
    with pytest.raises(InspectionError, match=r"of 6 images, the manifest has [56], .*dvc repro"):
        find_suspects("pets", BACKBONE, 3)
