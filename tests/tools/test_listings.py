"""What there is to choose from: datasets with what was found in them, and layers with their shapes."""

import re
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.errors import BackboneError, ManifestError
from pipeline.files import atomic_write_csv, atomic_write_json
from pipeline.manifest import ImageRow
from pipeline.params import Params
from pipeline.splitting.summary import count_classes, count_rows
from pipeline.tools import listings
from pipeline.tools.listings import describe_datasets, describe_layers, describe_networks
from tests.project import BACKBONE, make_params, make_project


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    drawn = {"source": "drawn", "archive": None}
    return make_project(tmp_path / "project", monkeypatch, {"datasets.flowers": drawn})


def leave_counts(dataset: str, params: Params, *rows: ImageRow) -> None:
    atomic_write_json(paths.data_metrics_file(dataset), count_rows(rows, params.split))
    atomic_write_csv(paths.classes_file(dataset), count_classes(rows))


def test_a_dataset_is_listed_with_its_source_and_how_far_it_is(params: Params) -> None:
    assert list(describe_datasets(params.datasets)) == [
        "pets     archive pets  not fetched yet",
        "flowers  drawn         not fetched yet",
    ]
    for dataset in ("pets", "flowers"):
        paths.raw_folder(dataset).mkdir(parents=True)
        (paths.raw_folder(dataset) / "archive.zip").touch()
    images = [
        ImageRow(split=split, label=label, path=f"{split}/{label}/{number}.jpg", sha256=f"{number}")
        for number, (split, label) in enumerate(
            [("train", "cat")] * 1200 + [("val", "cat"), ("val", "dog")]
        )
    ]
    leave_counts("pets", params, *images)
    leave_counts(
        "flowers",
        params,
        ImageRow(split="train", label="rose", path="train/rose/a.jpg", sha256="a"),
        ImageRow(status="duplicate"),
        *[ImageRow(status="quarantined", reason="not an image")] * 2,
    )
    assert list(describe_datasets(params.datasets)) == [
        "pets     archive pets  2 classes, 1,202 images (1,200 train, 2 val)",
        "flowers  drawn         1 class, 1 image (1 train), 1 duplicate, 2 quarantined",
    ]
    paths.data_metrics_file("flowers").unlink()
    assert list(describe_datasets(params.datasets))[1].endswith("  fetched, not split yet")


@pytest.mark.usefixtures("params")
def test_nothing_secret_of_a_url_is_listed() -> None:
    url = "https://example.com/pets.zip?width=32"
    params = make_params({"datasets.pets.archive": url})
    assert list(describe_datasets(params.datasets)) == [
        "pets  archive https://example.com/pets.zip  not fetched yet"
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"images": {}}'])
def test_counts_that_are_damaged_are_named(text: str, params: Params) -> None:
    leave_counts("pets", params, ImageRow(split="train", label="cat"))
    paths.data_metrics_file("pets").write_text(text)
    with pytest.raises(ManifestError, match=r"metrics/pets/data\.json is damaged .*stage split"):
        list(describe_datasets(params.datasets))


def test_networks_are_listed_with_their_figures_and_where_these_are_from() -> None:
    head, *networks, sources = describe_networks()
    assert head.split() == ["network", "parameters", "input_size", "width", "ImageNet"]
    assert [line.split()[0] for line in networks] == list(CATALOGUE)
    (vgg16,) = (line for line in networks if line.startswith("vgg16 "))
    assert re.match(r"vgg16 +14\.7M +224 +512 +71\.3 %  VGG16 \(Simonyan", vgg16)
    assert len({line.index(" %  ") for line in networks}) == 1, "the columns stand under each other"
    assert "keras.io/api/applications" in sources


@pytest.mark.slow
def test_layers_are_listed_with_their_shapes_at_the_input_size_of_params(params: Params) -> None:
    *layers, total = describe_layers(BACKBONE, params)
    assert total.startswith(f"{len(layers)} layers at input_size 32; layer: null is the last one")
    assert re.fullmatch("head_activation +ReLU +1 x 1 x 1280", layers[-1])
    assert re.fullmatch(r"\w+ +InputLayer +32 x 32 x 3", layers[0])
    assert len({line.split()[0] for line in layers}) == len(layers)
    own = make_params({"backbones.mine": {"network": "mobilenet", "input_size": 64}})
    for name, settings, size, shape in (
        ("mobilenet", None, 224, "7 x 7 x 1024"),
        ("mine", own, 64, "2 x 2 x 1024"),
    ):
        last, total = list(describe_layers(name, settings))[-2:]
        assert f"at input_size {size}" in total
        assert last.endswith(f"  {shape}")


def test_of_several_networks_the_layers_of_each_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        listings, "_describe_network", lambda name, one: [f"{name}, {one.input_size}"]
    )
    two = {"network": ["vgg16", "vgg19"], "input_size": [32, 64]}
    lines = list(describe_layers("two", make_params({"backbones.two": two})))
    assert lines == ["vgg16:", "two, 32", "vgg19:", "two, 64"]


def test_a_backbone_that_nobody_knows_is_named(params: Params) -> None:
    with pytest.raises(BackboneError, match=r"'vgg17'.*Did you mean 'vgg19'"):
        list(describe_layers("vgg17", params))
