"""What is still to be written is estimated by what is asked for and by what is there."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.params import DatasetParams
from pipeline.tools.disk_space import (
    COPY_SIZE,
    DRAWN_BYTES,
    archive_bytes,
    bytes_to_come,
    estimate_bytes,
)
from tests.project import BACKBONE, make_params, make_project


def test_the_estimate_grows_with_what_is_asked_for() -> None:
    plain = estimate_bytes(10**9, make_params({"augment.copies": 0}))
    assert (plain["raw"], plain["split"], plain["augmented"]) == (10**9, 10**9, 0)
    copies = estimate_bytes(10**9, make_params({"augment.copies": 2, "split.val_fraction": 0.25}))
    assert copies["augmented"] == round(10**9 * 1.5 * COPY_SIZE)
    assert copies["features"] == pytest.approx(plain["features"] * 2.5, rel=1e-6)
    half = estimate_bytes(10**9, make_params({"augment.copies": 0, "extract.dtype": "float16"}))
    assert half["features"] == pytest.approx(plain["features"] / 2, rel=1e-6)
    two = {"augment.copies": 0, f"backbones.{BACKBONE}.network": ["vgg16", "vgg19"]}
    assert estimate_bytes(10**9, make_params(two))["features"] == plain["features"] * 2


@pytest.mark.parametrize(
    ("dataset", "settings", "size"),
    [
        ("flowers", {"source": "drawn"}, DRAWN_BYTES),
        ("flowers", {"source": "mirror"}, CATALOGUE["flowers"].mirror.bytes),  # type: ignore[union-attr]
        ("flowers", {"source": "kaggle"}, CATALOGUE["flowers"].kaggle.bytes),  # type: ignore[union-attr]
        ("own", {"source": "archive", "archive": "pets"}, 7),
        ("own", {"source": "archive", "archive": "pets/cat/1.jpg"}, 3),
        ("own", {"source": "archive", "archive": "nowhere"}, None),
        ("own", {"source": "archive", "archive": "https://example.org/a.zip"}, None),
    ],
)
def test_an_archives_size_is_known_before_it_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    settings: dict[str, Any],
    size: int | None,
) -> None:
    make_project(tmp_path, monkeypatch)
    for file, data in {"pets/cat/1.jpg": b"abc", "pets/dog/1.jpg": b"defg"}.items():
        Path(file).parent.mkdir(parents=True)
        Path(file).write_bytes(data)
    assert archive_bytes(dataset, DatasetParams(**settings)) == size


def test_what_is_on_disk_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path, monkeypatch, {"datasets.pets.archive": "pets.zip"})
    assert bytes_to_come(params) == {"pets": None}
    Path("pets.zip").write_bytes(b"x" * 100_000)
    whole = bytes_to_come(params)["pets"]
    assert whole == 2 * sum(estimate_bytes(100_000, params).values())
    paths.raw_folder("pets").mkdir(parents=True)
    (paths.raw_folder("pets") / "pets.zip").write_bytes(b"x" * 100_000)
    assert bytes_to_come(params)["pets"] == whole - 200_000
