import csv
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.manifest import QUARANTINED, USED, ImageRow, write_manifest
from pipeline.studies.comparison import QUOTATIONS, Entry, gather, mark_front, merge_seeds, to_csv
from pipeline.studies.results import Result, split_now, write_results
from tests.project import BACKBONE, make_params
from tests.studies.test_study import task_for

SETTINGS = task_for("pets").settings


def result(recipe: str, accuracy: float, **others: object) -> Result:
    values = {"images_a_class": 5, "seed": 7, "n": 10, "log_loss": 0.5, "seconds": 2.0, **others}
    return Result(recipe=recipe, accuracy=accuracy, **values)  # type: ignore[arg-type]


def test_seeds_become_one_row_and_sizes_stay_apart() -> None:
    rows = list(
        merge_seeds(
            "s", "b",
            [
                result("a", 0.8), result("c", 1.0, seconds=None), result("a", 1.0, seed=8, seconds=4.0),
                result("a", 0.9, images_a_class=20),
            ],
        )
    )  # fmt: skip
    assert [(one.recipe, one.images_a_class, one.seeds) for one in rows] == [
        ("a", 5, 2), ("c", 5, 1), ("a", 20, 1),
    ]  # fmt: skip
    first = rows[0]
    assert (first.accuracy, first.seconds, rows[1].seconds) == (pytest.approx(0.9), 3.0, None)
    assert first.accuracy_low == pytest.approx(0.596, abs=1e-3), "Wilson's, of 9 in 10"
    assert first.accuracy_high == pytest.approx(0.982, abs=1e-3)


def test_what_is_there_is_read_and_what_is_not_is_named_as_the_command_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_results(paths.results_file("bottleneck", "pets", BACKBONE), [result("mlp", 0.9)])
    write_results(paths.results_file("zero_shot", "pets", BACKBONE), [])
    write_results(paths.results_file("bottleneck", "pets", "of_the_past"), [result("mlp", 0.1)])
    names = list(SETTINGS.frontier.candidates)
    for name, accuracy, seconds in ((names[0], 0.8, 1.0), (names[1], 0.7, 2.0)):
        write_results(
            paths.results_file("frontier", "pets", name), [result(name, accuracy, seconds=seconds)]
        )
    found = gather("pets", make_params(), SETTINGS)
    missing = found.missing
    assert [(one.study, one.recipe, one.is_on_front) for one in found.entries] == [
        ("bottleneck", "mlp", None), ("frontier", names[0], True), ("frontier", names[1], False),
    ]  # fmt: skip
    assert "scratch pets" in missing
    assert f"augmentation pets {BACKBONE}" in missing
    assert [f"frontier pets {name}" for name in names[2:]] == [
        one for one in missing if one.startswith("frontier")
    ]
    assert found.without_row == [f"zero_shot pets {BACKBONE}"], "a table of no row is not missing"
    assert not any("zero_shot" in one for one in missing)


def test_results_of_another_split_are_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = paths.manifest_file("pets")
    manifest.parent.mkdir(parents=True)
    row = ImageRow(
        sha256="ab" * 32,
        member="a.jpg",
        bytes=1,
        label="a",
        status=USED,
        split="val",
        path="val/a/a.jpg",
    )
    write_manifest(manifest, [row])
    for name, split in (("bottleneck", split_now("pets")), ("advice", "0" * 16), ("finetune", "")):
        write_results(paths.results_file(name, "pets", BACKBONE), [result("mlp", 0.9, split=split)])
    found = gather("pets", make_params(), SETTINGS)
    assert {one.study for one in found.entries} == {"bottleneck", "finetune"}
    assert found.of_other_split == [f"advice pets {BACKBONE}"]
    assert found.missing
    again = [
        row._replace(member="b.jpg"),
        row._replace(status=QUARANTINED, sha256="cd" * 32, split="", path=""),
    ]
    write_manifest(manifest, again)
    assert gather("pets", make_params(), SETTINGS) == found, "the same images are val"
    write_manifest(manifest, [row._replace(label="b", path="val/b/a.jpg")])
    assert f"bottleneck pets {BACKBONE}" in gather("pets", make_params(), SETTINGS).of_other_split


def test_the_table_has_every_figure_and_nothing_for_what_is_not_known() -> None:
    (entry,) = merge_seeds("s", "b", [result("a, b", 0.9)])
    quoted = QUOTATIONS["cats_vs_dogs"][1]
    first, second = csv.DictReader(to_csv([entry, quoted]).splitlines())
    assert (first["recipe"], first["accuracy"], first["is_on_front"]) == ("a, b", "0.9", "")
    assert first["source"] == "measured here"
    assert (second["accuracy"], second["accuracy_low"], second["source"]) == ("0.9", "", "quoted")


def test_the_front_of_nothing_is_nothing() -> None:
    nothing: list[Entry] = []
    assert mark_front(nothing) == []
