"""Stage extract: only new images cost a forward pass, nothing is lost, equal inputs give equal bytes."""

import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine, open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.engines.hardware import Gpu, Hardware
from pipeline.errors import DeviceMemoryFull, FeaturesError, ManifestError, StoreError
from pipeline.extraction import extractor
from pipeline.features import read_features
from pipeline.files import sha256_of
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.runners.missing import Missing
from pipeline.stages import extract
from pipeline.store import store as store_module
from tests.damages import KINDS, damage, largest_file
from tests.fakes import MeanColour, use_mean_colour
from tests.project import BACKBONE, draw_folders, draw_image, make_params, make_project, place

ROOT = Path(__file__).parents[2]
OPENVINO = pytest.param(
    "openvino",
    marks=pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed"),
)
FEATURES = paths.features_file("pets", BACKBONE)
SHARD_ROWS = 10

Images = dict[str, bytes]
Copies = dict[str, dict[str, bytes]]


@pytest.fixture(autouse=True)
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.setattr(store_module, "SHARD_ROWS", SHARD_ROWS)
    return make_project(tmp_path / "project", monkeypatch)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MeanColour:
    return use_mean_colour(monkeypatch)


def _images(count: int, first: int = 0, val_every: int = 4) -> Images:
    numbers = range(first, first + count)
    sides = ("val" if number % val_every == 0 else "train" for number in numbers)
    return {
        f"{side}/{'cat' if number % 2 else 'dog'}/{number}.jpg": draw_image(number)
        for side, number in zip(sides, numbers, strict=True)
    }


def _copies_of(images: Images) -> Copies:
    """Return one copy of each training image, a function of its bytes alone."""
    parents = [path for path in images if path.startswith("train/")]
    return {
        path: {
            path.replace(".jpg", "__copy1.jpg"): draw_image(int.from_bytes(images[path][-300:-290]))
        }
        for path in parents
    }


def _place(images: Images, dataset: str = "pets", copies: bool = True) -> None:
    for folder in (paths.split_folder(dataset), paths.augmented_folder(dataset)):
        shutil.rmtree(folder, ignore_errors=True)
    place(dataset, images, _copies_of(images) if copies else {})


def _extract(dataset: str = "pets", changes: dict[str, Any] | None = None) -> tuple[int, int]:
    """Run the stage; return how many features the file has and how many were computed, by its own line."""
    changes = {f"datasets.{dataset}": {"source": "archive", "archive": dataset}, **(changes or {})}
    line = extract.run(dataset, BACKBONE, make_params(changes))
    found = re.fullmatch(
        rf"{dataset}/{BACKBONE}: (\d+) features, (\d+) computed, (\d+) from the store(, [\d.]+ images/s)?",
        line,
    )
    assert found, line
    total, computed, stored = (int(number) for number in found.groups()[:3])
    assert total == computed + stored
    assert bool(found[4]) == (computed > 0)
    return total, computed


def _moved(images: Images, change: Callable[[str], str]) -> Images:
    return {change(path): data for path, data in images.items()}


# Only new images are computed.


def test_features_are_those_of_the_images_in_manifest_order(engine: MeanColour) -> None:
    images = _images(30)
    _place(images)
    assert _extract() == (30 + 22, 52)
    assert engine.computed == 52
    features = read_features(FEATURES)
    assert (features.header.dataset, features.header.classes, features.header.backbone) == (
        "pets", ("cat", "dog"), BACKBONE,
    )  # fmt: skip
    for split, block in features.splits.items():
        originals = block.copy == 0
        paths = [path.decode() for path in block.path[originals]]
        assert paths == sorted(path for path in images if path.startswith(split))
        for path, row, label in zip(
            paths, block.features[originals], block.labels[originals], strict=True
        ):
            np.testing.assert_array_equal(
                row, MeanColour.features_of(decode_square(images[path], 32)[None])[0]
            )
            assert features.header.classes[label] == path.split("/")[1]
    train = features.splits["train"]
    assert train.copy.tolist() == [0, 1] * 22
    assert (train.parent == np.repeat(train.sha256[::2], 2)).all()


def test_a_second_run_computes_nothing_and_gives_the_same_bytes(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    before = sha256_of(FEATURES)
    assert _extract() == (52, 0)
    assert (engine.computed, sha256_of(FEATURES)) == (52, before)


def _rename(path: str) -> str:
    return path.replace(".jpg", " renamed ü.jpeg")


def _relabel(path: str) -> str:
    return path.replace("cat", "Katze").replace("dog", "cat")


def _to_train(path: str) -> str:
    return path.replace("val/", "train/") if path.endswith("4.jpg") else path


@pytest.mark.parametrize("change", [_rename, _relabel], ids=["renamed", "relabelled"])
def test_names_and_labels_cost_nothing(engine: MeanColour, change: Callable[[str], str]) -> None:
    images = _images(30)
    _place(images)
    _extract()
    _place(_moved(images, change))
    assert _extract() == (52, 0)
    assert engine.computed == 52


def test_another_split_costs_only_the_copies_of_new_training_images(engine: MeanColour) -> None:
    images = _images(30)
    _place(images)
    _extract()
    changed = _moved(images, _to_train)
    newly_train = len([path for path in changed if path.startswith("train/")]) - 22
    assert newly_train == 2
    _place(changed)
    assert _extract() == (54, newly_train)
    _place(changed, copies=False)
    assert _extract() == (30, 0)
    assert engine.computed == 54


def test_an_original_moved_to_val_costs_nothing(engine: MeanColour) -> None:
    images = _images(30)
    _place(images)
    _extract()
    _place(_moved(images, lambda path: path.replace("train/", "val/") if "7.jpg" in path else path))
    assert _extract()[1] == 0


def test_added_images_and_their_copies_are_computed_alone(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    added = _images(37, first=100)
    _place(_images(30) | added)
    new = len(added) + len(_copies_of(added))
    assert _extract() == (52 + new, new)
    assert engine.computed == 52 + new


def test_without_its_features_file_nothing_is_computed(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    before = sha256_of(FEATURES)
    FEATURES.unlink()
    assert _extract() == (52, 0)
    assert sha256_of(FEATURES) == before


def test_an_image_of_two_datasets_is_computed_once(engine: MeanColour) -> None:
    _place(_images(30))
    _place(_images(30) | _images(5, first=50), dataset="others")
    _extract()
    new = 5 + len(_copies_of(_images(5, first=50)))
    assert _extract("others")[1] == new
    assert engine.computed == 52 + new


def test_two_keys_of_one_network_share_their_features(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    same = {"network": BACKBONE, "input_size": 32}
    keys = {"backbones.same": same, "backbones.larger": {**same, "input_size": 64}}
    for key, computed in (("same", 0), ("larger", 52)):
        line = extract.run("pets", key, make_params(keys))
        assert line.startswith(f"pets/{key}: 52 features, {computed} computed")
    assert engine.computed == 2 * 52
    shared, original = (
        read_features(paths.features_file("pets", key)) for key in ("same", BACKBONE)
    )
    assert (shared.header.backbone, original.header.backbone) == ("same", BACKBONE)
    assert shared.header.fingerprint == original.header.fingerprint


class OfLayers(MeanColour):
    """Gives each layer three features: the mean colour plus a number of its own."""

    def __init__(self, layers: tuple[str | None, ...]) -> None:
        super().__init__()
        self._own = [0.0 if layer is None else float(len(layer)) for layer in layers]

    def run(self, pixels: Any) -> Any:
        colour = super().run(pixels)
        return np.concatenate([colour + own for own in self._own], axis=1)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str | None, ...], OfLayers]]:
    """Give the engines that were opened, each with its layers."""
    opened: list[tuple[tuple[str | None, ...], OfLayers]] = []

    def open_layers(_: EngineConfig, backbone: Backbone) -> OfLayers:
        opened.append((backbone.layers, OfLayers(backbone.layers)))
        return opened[-1][1]

    monkeypatch.setattr(extractor, "open_engine", open_layers)
    monkeypatch.setattr(Backbone, "widths", property(lambda self: (3,) * len(self.layers)))
    return opened


def _layers(*layers: str | None) -> dict[str, Any]:
    return {f"backbones.{BACKBONE}.layer": list(layers)}


def test_a_layer_more_costs_a_pass_of_its_own_and_one_less_none(
    passes: list[tuple[tuple[str | None, ...], OfLayers]],
) -> None:
    _place(_images(30))
    assert _extract() == (52, 52)
    last = read_features(FEATURES).splits["val"].features
    assert _extract(changes=_layers("early", None)) == (52, 52)
    features = read_features(FEATURES)
    assert features.header.widths == (3, 3)
    np.testing.assert_array_equal(features.splits["val"].features, np.hstack([last + 5, last]))
    assert _extract(changes=_layers(None, "early")) == (52, 0)
    features = read_features(FEATURES)
    np.testing.assert_array_equal(features.splits["val"].features, np.hstack([last, last + 5]))
    assert _extract(changes=_layers("early")) == (52, 0)
    assert _extract() == (52, 0)
    assert read_features(FEATURES).header.widths == ()
    assert [layers for layers, _ in passes] == [(None,), ("early",)]


def test_layers_that_are_new_together_take_one_pass_and_refill_from_the_file(
    passes: list[tuple[tuple[str | None, ...], OfLayers]],
) -> None:
    _place(_images(30))
    changes = _layers("early", None)
    assert _extract(changes=changes) == (52, 52)
    ((layers, engine),) = passes
    assert (layers, engine.computed) == (("early", None), 52)
    before = sha256_of(FEATURES)
    shutil.rmtree(paths.store_folder())
    assert _extract(changes=changes) == (52, 0)
    assert sha256_of(FEATURES) == before
    _place(_images(30) | _images(4, first=101, val_every=1))
    assert _extract(changes=changes) == (56, 4)
    _place(_images(30))
    assert _extract(changes=changes) == (52, 0)
    assert sha256_of(FEATURES) == before
    assert _extract() == (52, 0), "each layer is in the store by itself"


class OfNetwork(OfLayers):
    """Gives features of its own for each network and each of its layers."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(tuple(f"{backbone.network[-1]}{layer}" for layer in backbone.layers))
        self._own = [own * (1 + int(backbone.network[-1])) for own in self._own]
        self.size = backbone.input_size

    def run(self, pixels: Any) -> Any:
        assert pixels.shape[1:3] == (self.size, self.size)
        return super().run(pixels)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Give the networks that were opened, each with its input size."""
    names: list[tuple[str, int]] = []

    def open_network(_: EngineConfig, backbone: Backbone) -> OfNetwork:
        names.append((backbone.network, backbone.input_size))
        return OfNetwork(backbone)

    monkeypatch.setattr(extractor, "open_engine", open_network)
    monkeypatch.setattr(Backbone, "widths", property(lambda self: (3,) * len(self.layers)))
    return names


LITE2 = "efficientnet_lite2"


def _extract_networks(*networks: str, size: list[int], layer: object = None) -> tuple[str, Any]:
    """Run the stage for networks side by side; return its line without the rate, and val's features."""
    own = {"network": list(networks), "input_size": size, "layer": layer, "weights": "imagenet"}
    line = extract.run("pets", BACKBONE, make_params({f"backbones.{BACKBONE}": own}))
    counts = line.removeprefix(f"pets/{BACKBONE}: ").split(" from the store")[0]
    return counts, read_features(FEATURES).splits["val"].features


def test_networks_side_by_side_share_with_each_alone_what_was_computed(
    opened: list[tuple[str, int]],
) -> None:
    _place(_images(30))
    _, lite0 = _extract_networks(BACKBONE, size=[32])
    line, both = _extract_networks(BACKBONE, LITE2, size=[32, 40])
    assert line == "52 features of each of 2 networks, 52 computed, 52"
    assert opened == [(BACKBONE, 32), (LITE2, 40)], "the first one's half was there"
    line, lite2 = _extract_networks(LITE2, size=[40])
    assert line == "52 features, 0 computed, 52"
    np.testing.assert_array_equal(both, np.hstack([lite0, lite2]))
    line, turned = _extract_networks(LITE2, BACKBONE, size=[40, 32])
    assert line == "52 features of each of 2 networks, 0 computed, 104"
    np.testing.assert_array_equal(turned, np.hstack([lite2, lite0]))
    assert read_features(FEATURES).header.widths == (3, 3)
    assert len(opened) == 2


def test_networks_with_layers_in_an_empty_store_take_one_pass_each_and_refill_from_the_file(
    opened: list[tuple[str, int]],
) -> None:
    _place(_images(30))
    line, found = _extract_networks(BACKBONE, LITE2, size=[32, 32], layer=["early", None])
    assert line == "52 features of each of 2 networks, 104 computed, 0"
    assert read_features(FEATURES).header.widths == (3, 3, 3, 3)
    before = sha256_of(FEATURES)
    shutil.rmtree(paths.store_folder())
    line, _ = _extract_networks(BACKBONE, LITE2, size=[32, 32], layer=["early", None])
    assert line == "52 features of each of 2 networks, 0 computed, 104"
    assert sha256_of(FEATURES) == before
    _, early = _extract_networks(LITE2, size=[32], layer="early")
    np.testing.assert_array_equal(early, found[:, 6:9])
    assert opened == [(BACKBONE, 32), (LITE2, 32)]


@pytest.mark.usefixtures("engine")
def test_a_manifest_that_uses_an_image_twice_is_refused() -> None:
    one = draw_image(1)
    _place(
        {"train/cat/a.jpg": one, "train/dog/b.jpg": one, "val/cat/c.jpg": draw_image(2)},
        copies=False,
    )
    with pytest.raises(ManifestError, match="is used twice in the manifest: run the stage split"):
        _extract()
    assert not FEATURES.exists()


@pytest.mark.usefixtures("engine")
def test_a_manifest_whose_split_and_path_differ_is_refused() -> None:
    _place(_images(30))
    manifest = paths.manifest_file("pets")
    text = manifest.read_text()
    manifest.write_text(text.replace("\nval,", "\ntrain,", 1))
    with pytest.raises(
        ManifestError, match=r"is no path of an image of .* in .train.*the stage split"
    ):
        _extract()


def test_another_fingerprint_computes_all(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    assert _extract(changes={"extract.dtype": "float16"}) == (52, 52)
    assert read_features(FEATURES).splits["val"].features.dtype == np.float16
    assert _extract() == (52, 0)


class Full(MeanColour):
    """An engine on a GPU whose memory holds 9 images."""

    def run(self, pixels: Any) -> Any:
        if len(pixels) > 9:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 byte")
        return super().run(pixels)


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that TensorFlow sees a GPU."""
    found = Hardware(cores=2, engines=("tensorflow",), gpus={"tensorflow": Gpu(bytes=8 << 30)})
    monkeypatch.setattr(extractor, "find_hardware", lambda _: found)
    monkeypatch.setattr(
        extractor, "open_engine", lambda config, _: Full(batch_size=config.batch_size)
    )


@pytest.mark.usefixtures("_gpu")
def test_where_memory_is_full_the_batch_is_halved_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _place(_images(30))
    assert _extract(changes={"extract.batch_size": 32}) == (52, 52)
    said = [record.getMessage() for record in caplog.records]
    assert [re.findall(r"of (\d+) images: trying (\d+); set", one) for one in said] == [
        [("32", "16")],
        [("16", "8")],
    ]
    assert '"batch_size":8' in read_features(FEATURES).header.fingerprint_parts
    assert _extract(changes={"extract.batch_size": 8}) == (52, 0)


@pytest.mark.usefixtures("_gpu")
def test_one_image_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_engine(config: EngineConfig, _: object) -> MeanColour:
        def fail(_: int) -> None:
            raise RuntimeError("RESOURCE_EXHAUSTED")

        return MeanColour(batch_size=config.batch_size, before=fail)

    monkeypatch.setattr(extractor, "open_engine", open_engine)
    _place(_images(4))
    with pytest.raises(
        DeviceMemoryFull, match=r"a batch of 1 images: set extract\.batch_size to a"
    ):
        _extract(changes={"extract.batch_size": 2})


@pytest.mark.usefixtures("_gpu")
def test_other_faults_of_an_engine_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("a fault of another kind")

    monkeypatch.setattr(extractor, "open_engine", lambda *_: MeanColour(batch_size=8, before=fail))
    _place(_images(4))
    with pytest.raises(RuntimeError, match="a fault of another kind"):
        _extract(changes={"extract.batch_size": 8})


@pytest.mark.slow
def test_the_whole_road_from_an_archive_costs_only_what_is_new(engine: MeanColour) -> None:
    from pipeline.stages import augment, fetch, split

    def prepare(seed: int) -> set[str]:
        changed = make_params({"split.seed": seed})
        fetch.run("pets", changed)
        split.run("pets", changed)
        augment.run("pets", changed)
        return {path.name for path in paths.split_folder("pets").glob("train/*/*")}

    draw_folders(Path("pets"), {"cat": 20, "dog": 20})
    train = prepare(7)
    assert _extract() == (40 + len(train), 40 + len(train))
    newly_train = prepare(8) - train
    assert 0 < len(newly_train) < 40
    assert _extract()[1] == len(newly_train)


# Equal inputs give equal bytes.


def test_the_bytes_do_not_depend_on_folder_store_or_order(
    engine: MeanColour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _place(_images(30))
    _extract()
    cold = sha256_of(FEATURES)
    make_project(tmp_path / "elsewhere/deeper", monkeypatch)
    _place(_images(10, first=20))
    _extract()
    _place(_images(3, first=15) | _images(10), dataset="others")
    _extract("others")
    _place(_images(30))
    assert 0 < _extract()[1] < 52
    assert sha256_of(FEATURES) == cold


def test_the_bytes_do_not_depend_on_the_batch_or_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests = set()
    for batch_size, streams in [(1, 1), (1, 7), (7, 3), (64, 2)]:
        engine = use_mean_colour(monkeypatch, MeanColour(batch_size=batch_size, streams=streams))
        shutil.rmtree("features", ignore_errors=True)
        _place(_images(30))
        assert _extract() == (52, 52)
        assert engine.computed == 52
        digests.add(sha256_of(FEATURES))
    assert len(digests) == 1


def test_the_batch_size_setting_changes_nothing_on_a_cpu(engine: MeanColour) -> None:
    _place(_images(10))
    digests = set()
    for size in (1, 7, 64, None):
        _extract(changes={"extract.batch_size": size})
        digests.add(sha256_of(FEATURES))
    assert len(digests) == 1
    assert engine.computed == 10 + 7


# The store is found through $DVC_ROOT, and refilled from a features file.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorflow", OPENVINO])
def test_a_real_network_gives_the_same_bits_whatever_the_batch_size_and_the_order(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened: dict[EngineConfig, Engine] = {}  # building one takes seconds

    def open_once(choice: EngineConfig, network: Backbone) -> Engine:
        if choice not in opened:
            opened[choice] = open_engine(choice, network)
        return opened[choice]

    monkeypatch.setattr(extractor, "open_engine", open_once)
    images = _images(20)
    numbers = random.Random(7).sample(range(20), 20)
    shuffled = {
        f"{path.rpartition('/')[0]}/{number:02}.jpg": images[path]
        for number, path in zip(numbers, images, strict=True)
    }
    found = []
    for batch_size, some in [(1, images), (7, images), (64, images), (7, shuffled)]:
        shutil.rmtree("features", ignore_errors=True)
        _place(some, copies=False)
        settings = {"extract.engine": name, "extract.batch_size": batch_size}
        assert _extract(changes={**settings, f"backbones.{BACKBONE}.input_size": 96}) == (20, 20)
        splits = read_features(FEATURES).splits.values()
        found.append(
            {
                bytes(key): row
                for block in splits
                for key, row in zip(block.sha256, block.features, strict=True)
            }
        )
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for key, row in other.items():
            np.testing.assert_array_equal(row, found[0][key])
    assert list(found[3]) != list(found[0])
    assert len({row.tobytes() for row in found[0].values()}) == 20


def test_the_store_lies_where_dvc_root_says(
    engine: MeanColour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _place(_images(30))
    _extract()
    workspace = Path.cwd()
    make_project(tmp_path / "temporary copy", monkeypatch)
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    _place(_images(30))
    assert _extract() == (52, 0)
    assert not Path("features/.store").exists()
    assert sha256_of(FEATURES) == sha256_of(workspace / FEATURES)


def test_an_empty_store_is_refilled_from_the_features_file(engine: MeanColour) -> None:
    _place(_images(30))
    _extract()
    before = sha256_of(FEATURES)
    shutil.rmtree(paths.store_folder())
    _place(_images(30) | _images(4, first=101, val_every=1))
    assert _extract() == (56, 4)
    _place(_images(30))
    FEATURES.unlink()
    assert _extract() == (52, 0)
    assert sha256_of(FEATURES) == before


@pytest.mark.parametrize("kind", ["truncate", "zeros", "flip bits"])
def test_a_damaged_features_file_is_reported_and_not_used(
    engine: MeanColour, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    _place(_images(30))
    _extract()
    data, before = FEATURES.read_bytes(), sha256_of(FEATURES)
    rng = np.random.default_rng(1)
    for _ in range(5):
        shutil.rmtree(paths.store_folder())
        FEATURES.write_bytes(damage(data, kind, rng))
        caplog.clear()
        _, computed = _extract()
        if computed:
            assert f"the features file {FEATURES} is damaged" in caplog.text
            assert "Its features are not used" in caplog.text
        assert sha256_of(FEATURES) == before
    assert engine.computed > 52 * 3


def test_a_features_file_of_another_fingerprint_is_no_source(
    engine: MeanColour, caplog: pytest.LogCaptureFixture
) -> None:
    _place(_images(30))
    _extract()
    shutil.rmtree(paths.store_folder())
    assert _extract(changes={"extract.dtype": "float16"}) == (52, 52)
    assert caplog.text == ""


# Whatever happens, no feature is wrong and none that was stored is lost.


def _shards() -> list[Path]:
    return sorted(paths.store_folder().glob("*/[!.]*.h5"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "another shard"])
def test_damaged_shards_are_computed_again_with_a_warning(
    engine: MeanColour, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    rng = np.random.default_rng(len(kind))
    _place(_images(30))
    _extract()
    before = sha256_of(FEATURES)
    for _ in range(8):
        victim, other = rng.permutation(np.array(_shards(), object))[:2]
        data = (
            other.read_bytes()
            if kind == "another shard"
            else damage(victim.read_bytes(), kind, rng)
        )
        victim.write_bytes(data)
        FEATURES.unlink()
        caplog.clear()
        _, computed = _extract()
        assert computed <= SHARD_ROWS + 2
        warned = f"{victim.name}: " in caplog.text and "is quarantined" in caplog.text
        assert warned == (computed > 0)
        assert sha256_of(FEATURES) == before


def test_a_shard_damaged_while_the_file_is_assembled_is_computed_again(
    engine: MeanColour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _place(_images(30))
    _extract()
    before = sha256_of(FEATURES)
    FEATURES.unlink()
    real, hurt = extract.assemble, []

    def assemble(*args: Any) -> None:
        if not hurt:
            hurt.append(_shards()[-1])
            hurt[0].write_bytes(hurt[0].read_bytes()[:-3])
        real(*args)

    monkeypatch.setattr(extract, "assemble", assemble)
    _, computed = _extract()
    assert 0 < computed <= SHARD_ROWS
    assert f"{hurt[0].name}: is truncated" in caplog.text
    assert sha256_of(FEATURES) == before


def test_shards_that_go_before_the_file_is_assembled_are_computed_again(
    engine: MeanColour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when `bottleneck store gc` runs at that moment."""
    _place(_images(30))
    real, gone = Missing.compute, []

    def compute_and_lose(*args: Any) -> tuple[int, float]:
        computed = real(*args)
        if not gone:
            gone.append(max(_shards(), key=lambda shard: shard.stat().st_size))
            gone[0].unlink()
        return computed

    monkeypatch.setattr(Missing, "compute", compute_and_lose)
    line = extract.run("pets", BACKBONE, make_params())
    assert f"52 features, {52 + SHARD_ROWS} computed, 0 from the store" in line
    assert len(read_features(FEATURES).splits["train"]) == 44


def test_a_manifest_without_a_used_image_is_an_error(engine: MeanColour) -> None:
    _place({})
    with pytest.raises(
        ManifestError, match=r"pets\.csv has no image that is used: run the stage split again"
    ):
        extract.run("pets", BACKBONE, make_params())


@pytest.mark.parametrize("streams", [1, 3])
def test_an_interrupted_run_keeps_what_it_computed(
    monkeypatch: pytest.MonkeyPatch, streams: int
) -> None:
    def interrupt(computed: int) -> None:
        if computed == 33:
            raise KeyboardInterrupt("stop")

    _place(_images(30))
    use_mean_colour(monkeypatch, MeanColour(before=interrupt, streams=streams))
    with pytest.raises(KeyboardInterrupt, match="stop"):
        _extract()
    assert not FEATURES.exists()
    engine = use_mean_colour(monkeypatch)
    total, computed = _extract()
    assert total == 52
    assert 52 - 33 <= computed <= 52 - 33 + 4 * streams  # what was ahead is given up
    assert engine.computed == computed


def test_a_full_disk_while_computing_keeps_the_shards(engine: MeanColour) -> None:
    _place(_images(30))
    with (
        largest_file(1200),
        pytest.raises(StoreError, match=r"cannot write to the feature store.*File too large"),
    ):
        _extract()
    assert list(paths.store_folder().glob("*/.*")) == []
    assert _extract() == (52, 52)


def test_a_full_disk_while_assembling_leaves_the_old_features_file(engine: MeanColour) -> None:
    _place(_images(10))
    _extract()
    before = sha256_of(FEATURES)
    _place(_images(30))
    with (
        largest_file(8000),
        pytest.raises(FeaturesError, match=r"cannot write the features file.*File too large"),
    ):
        _extract()
    assert sha256_of(FEATURES) == before
    assert [path.name for path in FEATURES.parent.iterdir()] == [FEATURES.name]
    assert _extract() == (52, 0)


def test_the_stage_tells_what_will_be_computed_before_it_begins(engine: MeanColour) -> None:
    totals = []

    def track(batches: Iterator[Any], total: int) -> Iterator[Any]:
        totals.append(total)
        return batches

    _place(_images(30))
    extract.run("pets", BACKBONE, make_params(), track)
    extract.run("pets", BACKBONE, make_params(), track)
    assert totals == [52]


# Other processes.


def _start(log: Path, milliseconds: float, batch_size: int = 1) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.extract_slowly",
        "pets",
        str(milliseconds),
        str(SHARD_ROWS),
        str(log),
        str(batch_size),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_25_kills_lose_at_most_one_shard_each_and_change_no_byte(
    tmp_path: Path, engine: MeanColour
) -> None:
    _place(_images(300), copies=False)
    _extract()
    expected = sha256_of(FEATURES)
    shutil.rmtree("features")
    log, rng, kills = tmp_path / "log", random.Random(7), 0
    while kills < 25:
        before = log.stat().st_size if log.exists() else 0
        process = _start(log, 10)
        while process.poll() is None and (log.stat().st_size if log.exists() else 0) == before:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, errors = process.communicate()
        if process.returncode == 0:
            assert kills >= 10, "it ended too early for a test of kills"
            break
        assert process.returncode == -signal.SIGKILL, errors
    process = _start(log, 0)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert sha256_of(FEATURES) == expected
    assert log.stat().st_size <= 300 + kills * (SHARD_ROWS + 8)
    assert "is quarantined" not in errors


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_kills_change_no_byte_where_processes_decode_batches(tmp_path: Path) -> None:
    """And none of the processes stays: `communicate` waits until nobody holds the pipe."""
    _place(_images(100), copies=False)
    _extract()
    expected = sha256_of(FEATURES)
    shutil.rmtree("features")
    log, rng = tmp_path / "log", random.Random(7)
    for _ in range(3):
        before = log.stat().st_size if log.exists() else 0
        process = _start(log, 100, batch_size=8)
        while process.poll() is None and (log.stat().st_size if log.exists() else 0) == before:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
    process = _start(log, 0, batch_size=8)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert sha256_of(FEATURES) == expected


@pytest.mark.slow
def test_what_was_computed_before_ctrl_c_is_stored(tmp_path: Path) -> None:
    _place(_images(100), copies=False)
    log = tmp_path / "log"
    process = _start(log, 20)
    while process.poll() is None and (not log.exists() or log.stat().st_size < 35):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert "KeyboardInterrupt" in errors
    assert log.stat().st_size < 100
    process = _start(log, 0)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert log.stat().st_size <= 100 + 8  # what was ahead is given up


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_on_one_empty_store_compute_each_image_once_and_end_with_equal_files(
    engine: MeanColour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    _place(_images(60))
    _extract()
    images = engine.computed
    expected = sha256_of(FEATURES)
    root = tmp_path / "root"
    monkeypatch.setenv("DVC_ROOT", str(root))
    running = []
    for number in range(processes):
        shutil.copytree(
            tmp_path / "project", tmp_path / str(number), ignore=shutil.ignore_patterns("features")
        )
        monkeypatch.chdir(tmp_path / str(number))
        running.append(_start(tmp_path / f"log{number}", 3))
    for number, process in enumerate(running):
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "Error" not in errors
        assert sha256_of(tmp_path / str(number) / FEATURES) == expected
    logs = (tmp_path / f"log{number}" for number in range(processes))
    assert sum(log.stat().st_size for log in logs if log.exists()) == images


def test_a_warm_extract_does_without_tensorflow(engine: MeanColour) -> None:
    _place(_images(10))
    _extract()
    code = (
        "import sys; from pipeline.params import load_params; from pipeline.stages import extract; "
        f"print(extract.run('pets', {BACKBONE!r}, load_params())); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'openvino', 'pandas')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"pets/{BACKBONE}: 17 features, 0 computed, 17 from the store")


def test_warnings_are_plain_log_records(
    engine: MeanColour, caplog: pytest.LogCaptureFixture
) -> None:
    _place(_images(10))
    _extract()
    _shards()[0].write_bytes(b"")
    _extract()
    assert [(record.levelno, record.name) for record in caplog.records] == [
        (logging.WARNING, "pipeline.store.store")
    ]
