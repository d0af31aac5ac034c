"""Stage inspect: a row an original image, in the manifest's order, the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import FeaturesError, ParamsError
from pipeline.inspections import read_inspections
from pipeline.manifest import read_used
from pipeline.params import Params
from pipeline.stages import extract, inspect
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, make_project, place
from tests.trained_project import make_trained, tinted_image


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """A project with features of 36 images, two thirds of them train, each of these with a copy."""
    root = tmp_path_factory.mktemp("inspect") / "project"
    with pytest.MonkeyPatch.context() as patch:
        return root, make_trained(root, patch)


@pytest.fixture(autouse=True)
def there(trained: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained[0])


def test_each_used_original_has_a_row_in_the_manifests_order(trained: tuple[Path, Params]) -> None:
    line = inspect.run("pets", BACKBONE, trained[1])
    assert line.startswith(f"pets/{BACKBONE}: 36 images, ")
    found = read_inspections(paths.inspection_file("pets", BACKBONE))
    rows = list(read_used(paths.manifest_file("pets")))
    assert list(found.split) == [row.split for row in rows]
    assert list(found.label) == [row.label for row in rows]
    assert list(found.path) == [row.path for row in rows]
    assert list(found.sha256) == [row.sha256 for row in rows]
    assert np.isfinite(found.x).all()


def test_neighbours_are_other_training_images(trained: tuple[Path, Params]) -> None:
    inspect.run("pets", BACKBONE, trained[1])
    found = read_inspections(paths.inspection_file("pets", BACKBONE))
    train = {key for key, split in zip(found.sha256, found.split, strict=True) if split == "train"}
    for own, near in zip(found.sha256, found.neighbours, strict=True):
        assert len(near) == 3
        assert set(near) <= train - {own}


def test_of_many_training_images_some_may_be_neighbours(
    trained: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "MOST_KNOWN", 5)
    inspect.run("pets", BACKBONE, trained[1])
    found = read_inspections(paths.inspection_file("pets", BACKBONE))
    split = dict(zip(found.sha256, found.split, strict=True))
    near = {sha256 for row in found.neighbours for sha256 in row}
    assert len(near) == 5
    assert {split[sha256] for sha256 in near} == {"train"}


def test_the_same_features_give_the_same_bytes_whatever_head_is_asked_for(
    trained: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = paths.inspection_file("pets", BACKBONE)
    inspect.run("pets", BACKBONE, trained[1])
    first = path.read_bytes()
    head = trained[1].head.model_copy(update={"seed": 99, "units": 3})
    inspect.run("pets", BACKBONE, trained[1].model_copy(update={"head": head}))
    assert path.read_bytes() == first


def test_unknown_names_and_missing_features_are_said(trained: tuple[Path, Params]) -> None:
    with pytest.raises(ParamsError, match="has no dataset 'pest'"):
        inspect.run("pest", BACKBONE, trained[1])
    features = paths.features_file("pets", BACKBONE)
    hidden = features.rename(features.with_name("hidden"))
    try:
        with pytest.raises(FeaturesError, match="run the stage extract first"):
            inspect.run("pets", BACKBONE, trained[1])
    finally:
        hidden.rename(features)


def test_a_dataset_of_one_image_a_class_and_split_works_and_says_what_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path / "tiny", monkeypatch)
    use_mean_colour(monkeypatch)
    images = {"train/cat/a.jpg": tinted_image(0, 1), "train/dog/a.jpg": tinted_image(1, 2),
              "val/cat/b.jpg": tinted_image(0, 3)}  # fmt: skip
    place("pets", images)
    extract.run("pets", BACKBONE, params)
    line = inspect.run("pets", BACKBONE, params)
    assert "; 3 labels not judged: too few other images of their class" in line
    found = read_inspections(paths.inspection_file("pets", BACKBONE))
    assert len(found) == 3
    assert not found.suspect.any()
