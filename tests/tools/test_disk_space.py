"""What is still to be written is estimated by what is asked for and by what is there."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.params import DatasetParams
from pipeline.tools.disk_space import (
    COPY_SIZE,
    DRAWN_BYTES,
    PHOTO_BYTES,
    Archive,
    bytes_to_come,
    estimate_bytes,
    measure_archive,
)
from tests.project import BACKBONE, make_params, make_project

MIRRORED = CATALOGUE["flowers"].mirror.bytes  # type: ignore[union-attr]
KAGGLES = CATALOGUE["flowers"].kaggle.bytes  # type: ignore[union-attr]
ZIPPED = 301  # bytes of the zip below
LARGE = Archive(10**9, 10**9 / PHOTO_BYTES)


def test_the_estimate_grows_with_what_is_asked_for() -> None:
    plain = estimate_bytes(LARGE, make_params({"augment.copies": 0}))
    assert (plain["raw"], plain["split"], plain["augmented"]) == (10**9, 10**9, 0)
    copies = estimate_bytes(LARGE, make_params({"augment.copies": 2, "split.val_fraction": 0.25}))
    assert copies["augmented"] == round(10**9 * 1.5 * COPY_SIZE)
    assert copies["features"] == pytest.approx(plain["features"] * 2.5, rel=1e-6)
    half = estimate_bytes(LARGE, make_params({"augment.copies": 0, "extract.dtype": "float16"}))
    assert half["features"] == pytest.approx(plain["features"] / 2, rel=1e-6)
    two = {"augment.copies": 0, f"backbones.{BACKBONE}.network": ["vgg16", "vgg19"]}
    assert estimate_bytes(LARGE, make_params(two))["features"] == plain["features"] * 2
    icons = estimate_bytes(Archive(10**9, 10**6), make_params({"augment.copies": 0}))
    assert icons["features"] == plain["features"] * 40, "a feature is as large as a photo's"


@pytest.mark.parametrize(
    ("dataset", "settings", "size", "images"),
    [
        ("flowers", {"source": "drawn"}, DRAWN_BYTES, DRAWN_BYTES / PHOTO_BYTES),
        ("flowers", {"source": "mirror"}, MIRRORED, MIRRORED / PHOTO_BYTES),
        ("flowers", {"source": "kaggle"}, KAGGLES, KAGGLES / PHOTO_BYTES),
        ("own", {"source": "archive", "archive": "pets"}, 7, 2),
        ("own", {"source": "archive", "archive": "pets.zip"}, ZIPPED, 2),
        ("own", {"source": "archive", "archive": "bad.zip"}, ZIPPED, ZIPPED / PHOTO_BYTES),
        ("own", {"source": "archive", "archive": "pets/cat/1.jpg"}, 3, 3 / PHOTO_BYTES),
        ("own", {"source": "archive", "archive": "nowhere"}, None, None),
        ("own", {"source": "archive", "archive": "https://example.org/a.zip"}, None, None),
    ],
)
def test_an_archives_size_is_known_before_it_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    settings: dict[str, Any],
    size: int | None,
    images: float | None,
) -> None:
    make_project(tmp_path, monkeypatch)
    for file, data in {"pets/cat/1.jpg": b"abc", "pets/dog/1.jpg": b"defg"}.items():
        Path(file).parent.mkdir(parents=True)
        Path(file).write_bytes(data)
    with zipfile.ZipFile("pets.zip", "w") as archive:
        archive.mkdir("cat")
        archive.writestr("cat/1.jpg", b"abc")
        archive.writestr("dog/1.jpg", b"defg")
    damaged = Path("pets.zip").read_bytes().replace(b"PK\x01\x02", bytes(4), 1)
    Path("bad.zip").write_bytes(damaged)
    found = measure_archive(dataset, DatasetParams(**settings))
    assert found == (None if size is None else (size, images))


def test_what_is_on_disk_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path, monkeypatch, {"datasets.pets.archive": "pets.zip"})
    assert bytes_to_come(params) == {"pets": None}
    Path("pets.zip").write_bytes(b"x" * 100_000)
    whole = bytes_to_come(params)["pets"]
    assert whole == 2 * sum(estimate_bytes(Archive(100_000, 2.5), params).values())
    paths.raw_folder("pets").mkdir(parents=True)
    (paths.raw_folder("pets") / "pets.zip").write_bytes(b"x" * 100_000)
    assert bytes_to_come(params)["pets"] == whole - 200_000


def test_an_archive_that_may_not_be_read_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    make_project(tmp_path, monkeypatch)
    Path("pets.zip").write_bytes(b"abc")
    monkeypatch.setattr(zipfile, "ZipFile", refuse)  # root may read every file
    settings = DatasetParams(source="archive", archive="pets.zip")
    assert measure_archive("own", settings) == (3, 3 / PHOTO_BYTES)
