"""The layout: artefacts lie where the contract says, and apart from one another."""

from itertools import combinations
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import SourceError


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (paths.PARAMS, "params.yaml"),
        (paths.REPORT, "report/index.html"),
        (paths.PLOTS_PAGE, "report/plots_page.html"),
        (paths.raw_folder("d"), "data/raw/d"),
        (paths.provenance_file("d"), "data/raw/d/provenance.json"),
        (paths.split_folder("d"), "data/split/d"),
        (paths.manifest_file("d"), "data/manifests/d.csv"),
        (paths.augmented_folder("d"), "data/augmented/d"),
        (paths.copies_file("d"), "data/augmented/d/copies.csv"),
        (paths.features_file("d", "b"), "features/d/b.h5"),
        (paths.model_folder("d", "b"), "models/d/b"),
        (paths.predictions_file("d", "b"), "models/d/b/predictions.csv"),
        (paths.data_metrics_file("d"), "metrics/d/data.json"),
        (paths.classes_file("d"), "plots/d/classes.csv"),
        (paths.metrics_file("d", "b"), "metrics/d/b.json"),
        (paths.plots_folder("d", "b"), "plots/d/b"),
        (paths.history_file("d", "b"), "plots/d/b/history.csv"),
        (paths.SWEEP, "studies/sweep.yaml"),
        (paths.sweep_file("d", "b"), "studies/sweep/d/b.csv"),
        (paths.sweep_picture("d", "b"), "studies/sweep/d/b.svg"),
    ],
)
def test_artefacts_lie_where_the_contract_says(found: Path, expected: str) -> None:
    assert found == Path(expected)


def test_no_two_datasets_or_backbones_share_a_path() -> None:
    of_both = (paths.features_file, paths.model_folder, paths.metrics_file, paths.plots_folder)
    found = [make(*names) for make in of_both for names in (("a", "x"), ("a", "y"), ("b", "x"))]
    of_one = (paths.raw_folder, paths.split_folder, paths.manifest_file, paths.augmented_folder,
              paths.data_metrics_file, paths.classes_file)  # fmt: skip
    found += [make(name) for make in of_one for name in ("a", "b")]
    for one, other in combinations(found, 2):
        assert not one.is_relative_to(other)
        assert not other.is_relative_to(one)


def test_the_store_is_shared_with_experiments_in_temporary_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert paths.store_folder() == Path("features/.store")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert paths.store_folder() == tmp_path / "features/.store"


def test_the_raw_archive_is_the_one_file_beside_its_provenance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SourceError, match=r"data/raw/d holds 0 archives, one is expected: run the stage fetch"
    ):
        paths.raw_archive("d")
    paths.raw_folder("d").mkdir(parents=True)
    paths.provenance_file("d").write_text("{}")
    archive = paths.raw_folder("d") / "[odd] name.zip"
    archive.touch()
    assert paths.raw_archive("d") == archive
    (paths.raw_folder("d") / "another.zip").touch()
    with pytest.raises(SourceError, match="holds 2 archives, one is expected"):
        paths.raw_archive("d")


def test_another_folder_is_the_project_only_as_long_as_asked(tmp_path: Path) -> None:
    with paths.project_at(tmp_path):
        assert paths.features_file("d", "b") == tmp_path / "features/d/b.h5"
        assert paths.weights_file("/weights.h5") == Path("/weights.h5")
    assert paths.features_file("d", "b") == Path("features/d/b.h5")
