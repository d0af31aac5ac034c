"""The layout: artefacts lie where the contract says, and apart from one another."""

from itertools import combinations
from pathlib import Path

import pytest

from pipeline import layout
from pipeline.errors import SourceError


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (layout.PARAMS, "params.yaml"),
        (layout.REPORT, "report/index.html"),
        (layout.raw_folder("d"), "data/raw/d"),
        (layout.provenance_file("d"), "data/raw/d/provenance.json"),
        (layout.split_folder("d"), "data/split/d"),
        (layout.manifest_file("d"), "data/manifests/d.csv"),
        (layout.augmented_folder("d"), "data/augmented/d"),
        (layout.copies_file("d"), "data/augmented/d/copies.csv"),
        (layout.features_file("d", "b"), "features/d/b.h5"),
        (layout.model_folder("d", "b"), "models/d/b"),
        (layout.predictions_file("d", "b"), "models/d/b/predictions.csv"),
        (layout.data_metrics_file("d"), "metrics/d/data.json"),
        (layout.metrics_file("d", "b"), "metrics/d/b.json"),
        (layout.plots_folder("d", "b"), "plots/d/b"),
        (layout.history_file("d", "b"), "plots/d/b/history.csv"),
    ],
)
def test_artefacts_lie_where_the_contract_says(found: Path, expected: str) -> None:
    assert found == Path(expected)


def test_no_two_datasets_or_backbones_share_a_path() -> None:
    of_both = (layout.features_file, layout.model_folder, layout.metrics_file, layout.plots_folder)
    paths = [make(*names) for make in of_both for names in (("a", "x"), ("a", "y"), ("b", "x"))]
    of_one = (layout.raw_folder, layout.split_folder, layout.manifest_file, layout.augmented_folder,
              layout.data_metrics_file)  # fmt: skip
    paths += [make(name) for make in of_one for name in ("a", "b")]
    for one, other in combinations(paths, 2):
        assert not one.is_relative_to(other)
        assert not other.is_relative_to(one)


def test_the_store_is_shared_with_experiments_in_temporary_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert layout.store_folder() == Path("features/.store")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert layout.store_folder() == tmp_path / "features/.store"


def test_the_raw_archive_is_the_one_file_beside_its_provenance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SourceError, match=r"data/raw/d holds 0 archives, one is expected: run the stage fetch"
    ):
        layout.raw_archive("d")
    layout.raw_folder("d").mkdir(parents=True)
    layout.provenance_file("d").write_text("{}")
    archive = layout.raw_folder("d") / "[odd] name.zip"
    archive.touch()
    assert layout.raw_archive("d") == archive
    (layout.raw_folder("d") / "another.zip").touch()
    with pytest.raises(SourceError, match="holds 2 archives, one is expected"):
        layout.raw_archive("d")
