"""The whole pipeline: equal bytes in any folder, and nothing runs twice without need."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.manifest import read_manifest
from tests.dag import hash_artefacts, light_stages, stage_calls
from tests.dvc_project import ROOT, Project
from tests.project import BACKBONE, draw_folders, draw_image, make_project

CHANGES = {
    "datasets.herbs": {"source": "archive", "archive": "herbs"},
    "head.kind": "mlp",
    "augment.copies": 2,
    "split.near_duplicates": True,
    "split.test_fraction": 0.2,
}


def run_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    params = make_project(root, monkeypatch, CHANGES)
    draw_folders(Path("pets"), {"cat": 14, "dog": 14})
    draw_folders(Path("herbs"), {"dill": 12, "mint": 12, "sage": 12}, seed=500)
    with light_stages():
        for _, call in stage_calls(params, params):
            call()
    return hash_artefacts()


@pytest.mark.slow
def test_every_artefact_has_the_same_bytes_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_all(tmp_path / "one", monkeypatch)
    for dataset, folders in (("pets", 28), ("herbs", 36)):
        images = [path for path in first if path.startswith(f"{paths.split_folder(dataset)}/")]
        assert len(images) == folders
        for path in (
            paths.raw_archive(dataset),
            paths.manifest_file(dataset),
            paths.copies_file(dataset),
            paths.features_file(dataset, BACKBONE),
            paths.inspection_file(dataset, BACKBONE),
            paths.predictions_file(dataset, BACKBONE),
            paths.data_metrics_file(dataset),
            paths.classes_file(dataset),
            paths.metrics_file(dataset, BACKBONE),
            paths.history_file(dataset, BACKBONE),
            paths.REPORT,
        ):
            assert str(path) in first
    second = run_all(tmp_path / "a longer name" / "two", monkeypatch)
    shards = {path for path in first if ".store" in path}
    assert shards
    assert {path: first[path] for path in first.keys() - shards} == {
        path: second[path] for path in second if ".store" not in path
    }


@pytest.mark.slow
def test_a_corrected_label_computes_no_feature_and_changes_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_all(tmp_path, monkeypatch)
    params = make_project(tmp_path, monkeypatch, CHANGES)
    wrong = next(row for row in read_manifest(paths.manifest_file("pets")) if row.split == "val")
    paths.corrections_file("pets").parent.mkdir()
    paths.corrections_file("pets").write_text(f"image,label\n{wrong.path},dog\n")
    with light_stages():
        lines = {name: call() for name, call in stage_calls(params, params)}
    assert "1 relabelled" in lines["split@pets"]
    assert " 0 computed" in lines[f"extract@pets-{BACKBONE}"]
    changed = {path for path, digest in hash_artefacts().items() if before.get(path) != digest}
    assert str(paths.metrics_file("pets", BACKBONE)) in changed
    assert {path for path in changed if "herbs" in path} == set()


@pytest.fixture
def quick(tmp_path: Path) -> Project:
    """A project with two datasets, in which each stage only writes a line to what it makes."""
    project = Project(tmp_path / "project")
    shutil.copyfile(ROOT / "tests" / "stand_in.py", project.folder / "pipeline" / "__main__.py")
    project.settings["datasets"]["herbs"] = {"source": "archive", "archive": "pets"}
    project.write_settings()
    project.run("dvc", "remote", "add", "--default", "local", str(tmp_path / "remote"))
    return project


def finish(project: Project) -> None:
    """Reproduce, and keep all of it in Git and in DVC's remote."""
    project.repro()
    project.commit()
    project.run("dvc", "push")


@pytest.mark.slow
@pytest.mark.long
def test_nothing_is_to_do_after_another_branch_or_a_clone_with_other_datasets(
    quick: Project, tmp_path: Path
) -> None:
    def check_out(branch: str) -> None:
        quick.run("git", "checkout", "--quiet", "--force", branch)
        quick.run("dvc", "checkout")

    def to_do() -> Any:
        return json.loads(quick.run("dvc", "status", "--json"))

    finish(quick)
    first = quick.run("git", "branch", "--show-current").strip()
    quick.run("git", "checkout", "--quiet", "-b", "other")
    quick.settings["datasets"]["moss"] = quick.settings["datasets"].pop("herbs")
    quick.write_settings()
    finish(quick)
    assert (quick.folder / "data" / "raw" / "herbs").exists(), "left over, but not of the page"
    assert to_do() == {}
    for branch in (first, "other"):
        check_out(branch)
        assert to_do() == {}
    quick = quick.clone(tmp_path / "clone")
    for branch in ("other", first):
        quick.run("git", "checkout", "--quiet", branch)
        quick.run("dvc", "pull")
        assert to_do() == {}


@pytest.mark.slow
@pytest.mark.parametrize("absolute", [False, True])
def test_a_weights_file_changed_in_place_is_noticed(
    quick: Project, absolute: bool, tmp_path: Path
) -> None:
    file = tmp_path / "mine.h5" if absolute else quick.folder / "weights" / "mine.h5"
    file.write_text("weights")
    quick.settings["backbones"][BACKBONE]["weights"] = str(file) if absolute else file.name
    quick.write_settings()
    quick.repro(f"weights@{BACKBONE}")
    assert quick.repro("--dry", f"weights@{BACKBONE}") == []
    file.write_text("others")
    assert quick.repro("--dry", f"weights@{BACKBONE}") == [f"weights@{BACKBONE}"]


STAGES = [
    "fetch@pets",
    "split@pets",
    "augment@pets",
    f"weights@{BACKBONE}",
    f"extract@pets-{BACKBONE}",
    f"inspect@pets-{BACKBONE}",
    f"train@pets-{BACKBONE}",
    f"evaluate@pets-{BACKBONE}",
    "report_dataset@pets",
    f"report_head@pets-{BACKBONE}",
    "report",
    "plots_page",
]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first `dvc repro`; tests put back what they change."""
    project = Project(tmp_path_factory.mktemp("repro") / "project")
    assert project.repro() == STAGES
    return project


@pytest.mark.slow
def test_a_second_repro_runs_nothing(reproduced: Project) -> None:
    lock = reproduced.lock()
    assert reproduced.repro() == []
    assert reproduced.lock() == lock


@pytest.mark.slow
def test_metrics_and_plots_are_shown_without_options(reproduced: Project) -> None:
    shown = json.loads(reproduced.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert set(shown) == {f"metrics/pets/{BACKBONE}.json"}, "of heads alone"
    assert "accuracy_low" in shown[f"metrics/pets/{BACKBONE}.json"]["data"]["val"]
    page = reproduced.run("dvc", "plots", "show", "--out", "dvc_plots")
    assert page.strip().endswith("index.html")
    html = (reproduced.folder / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert html.count("vegaEmbed('#") == 5
    assert "<script src" not in html, "Vega is in it, and no network is needed"


@pytest.mark.slow
def test_the_lock_has_the_same_bytes_in_another_folder(reproduced: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "in another folder")
    other.repro()
    assert other.lock() == reproduced.lock()


@pytest.mark.slow
def test_a_grown_workspace_and_a_fresh_clone_split_alike(tmp_path: Path) -> None:
    grown, fresh = Project(tmp_path / "grown"), Project(tmp_path / "fresh")
    assert grown.repro("split@pets") == STAGES[:2]
    before = grown.lock()
    for project in (grown, fresh):
        draw_folders(project.folder / "pets", {"cat": 30, "dog": 20})
        (project.folder / "pets" / "cat" / "cat.3.jpg").unlink()
        assert project.repro("split@pets") == STAGES[:2]
    manifest = paths.manifest_file("pets")
    assert (grown.folder / manifest).read_bytes() == (fresh.folder / manifest).read_bytes()
    assert grown.lock() == fresh.lock()
    shutil.rmtree(grown.folder / "pets")
    draw_folders(grown.folder / "pets", {"cat": 12, "dog": 12})
    assert grown.repro("split@pets") == [], "DVC's run-cache has both stages"
    assert grown.lock() == before


@pytest.mark.slow
@pytest.mark.parametrize("change", ["replaced", "added", "deleted"])
def test_an_image_changed_in_place_is_noticed(reproduced: Project, change: str) -> None:
    images = reproduced.folder / "pets" / "cat"
    old, extra = (images / "cat.0.jpg").read_bytes(), images / "cat.99.jpg"
    if change == "deleted":
        (images / "cat.0.jpg").unlink()
    else:
        (extra if change == "added" else images / "cat.0.jpg").write_bytes(draw_image(4242))
    try:
        assert reproduced.repro("--dry", "fetch@pets") == ["fetch@pets"]
    finally:
        (images / "cat.0.jpg").write_bytes(old)
        extra.unlink(missing_ok=True)
    assert reproduced.repro("--dry") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "name", "value", "added"),
    [
        (
            "backbones",
            "mobilenet",
            {"layer": None, "pooling": "avg", "input_size": 32, "weights": "random"},
            "mobilenet",
        ),
        ("datasets", "herbs", {"source": "archive", "archive": "pets"}, "@herbs"),
    ],
)
def test_another_backbone_or_dataset_runs_nothing_of_the_others(
    reproduced: Project, section: str, name: str, value: dict[str, Any], added: str
) -> None:
    reproduced.settings[section][name] = value
    reproduced.write_settings()
    try:
        wanted = json.loads(reproduced.run("dvc", "status", "--json"))
    finally:
        del reproduced.settings[section][name]
        reproduced.write_settings()
    assert {stage for stage in wanted if added not in stage} == {"report"}
    first = "fetch@herbs" if section == "datasets" else "weights@mobilenet"
    assert first in wanted


@pytest.mark.slow
def test_a_setting_runs_only_the_stages_that_read_it(reproduced: Project) -> None:
    wanted = {}
    for section, key, value in (
        ("head", "units", 99),
        ("extract", "batch_size", 9),
        ("augment", "rotate", 1.0),
        ("split", "seed", 8),
    ):
        old, reproduced.settings[section][key] = reproduced.settings[section][key], value
        reproduced.write_settings()
        wanted[section] = reproduced.repro("--dry")
        reproduced.settings[section][key] = old
        reproduced.write_settings()
    assert {section: stages[0] for section, stages in wanted.items()} == {
        "head": f"train@pets-{BACKBONE}",
        "extract": STAGES[4],
        "augment": STAGES[2],
        "split": STAGES[1],
    }


@pytest.mark.slow
@pytest.mark.long
def test_a_corrected_label_shows_in_the_diff_of_the_metrics(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.repro()
    project.commit()
    rows = read_manifest(project.folder / paths.manifest_file("pets"))
    wrong = next(row for row in rows if (row.split, row.label) == ("val", "cat"))
    corrections = project.folder / paths.corrections_file("pets")
    corrections.write_text(f"image,label\n{wrong.path},dog\n")
    printed = project.run("dvc", "repro")
    assert re.findall(r"Running stage '([^']+)'", printed) == [
        stage for stage in STAGES if not stage.startswith(("fetch", "weights", "plots_page"))
    ]
    assert "corrected by hand: 1 relabelled" in printed
    assert " 0 computed" in printed
    diff = json.loads(project.run("dvc", "metrics", "diff", "--json"))
    figures = diff[f"metrics/pets/{BACKBONE}.json"]
    assert figures["val.log_loss"]["diff"] != 0
    assert project.repro() == []
