"""Features that are of other images, splits or labels than the manifest now are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.current_features import load_current_features
from pipeline.errors import FeaturesError
from pipeline.manifest import ImageRow, read_manifest, write_manifest
from tests.project import BACKBONE
from tests.trained_project import make_trained


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_trained(tmp_path / "project", monkeypatch)
    return paths.manifest_file("pets")


def change(manifest: Path, how: Callable[[list[ImageRow]], list[ImageRow]]) -> None:
    write_manifest(manifest, how(list(read_manifest(manifest))))


def moved(row: ImageRow, field: str, value: str) -> ImageRow:
    """Return an image with another split or label, at the path that tells so."""
    path = row.path.replace(getattr(row, field), value, 1)
    return row._replace(**{field: value, "path": path})


def test_features_of_the_images_as_they_are_are_given(manifest: Path) -> None:
    assert set(load_current_features("pets", BACKBONE).splits) == {"train", "val"}
    change(manifest, lambda rows: [row._replace(member=f"new/{row.member}") for row in rows])
    load_current_features("pets", BACKBONE)
    manifest.unlink()
    load_current_features("pets", BACKBONE)


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        (lambda rows: [moved(rows[0], "label", "bird"), *rows[1:]], "1 of 36"),
        (lambda rows: [*(moved(row, "split", "test") for row in rows[:2]), *rows[2:]], "2 of 36"),
        (lambda rows: rows[3:], "3 of 33"),
        (lambda rows: [*rows, rows[0]._replace(sha256="ab" * 32)], "1 of 37"),
    ],
)
def test_what_changed_since_is_counted(
    manifest: Path, how: Callable[[list[ImageRow]], list[ImageRow]], counts: str
) -> None:
    change(manifest, how)
    with pytest.raises(FeaturesError, match=rf"{counts} are new, gone.*dvc repro extract@pets-"):
        load_current_features("pets", BACKBONE)
