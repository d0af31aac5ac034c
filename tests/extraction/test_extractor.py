"""Images become features on many threads, in order; what is wrong with one is said by its name."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.engines.choice import EngineConfig
from pipeline.engines.hardware import Gpu, Hardware
from pipeline.errors import ImageError, ManifestError, NonFiniteFeatures
from pipeline.extraction.assembly import first_missing
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import Extractor, compute
from pipeline.extraction.plan import Row, make_plan
from pipeline.images import decode_square
from pipeline.params import BackboneParams
from pipeline.store.store import Found, keys_of
from tests.fakes import MeanColour
from tests.project import BACKBONE, draw_image, make_params


class Constant:
    """An engine whose every feature has one value."""

    batch_size, streams = 1, 1

    def __init__(self, value: float) -> None:
        self._value = value

    def run(self, pixels: Any) -> Any:
        return np.full((len(pixels), 3), self._value, np.float32)


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    return list(_write_images(tmp_path, 20))


def _write_images(folder: Path, count: int) -> Iterator[ImageFile]:
    for number in range(count):
        data = draw_image(number)
        (folder / f"{number}.jpg").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        yield ImageFile(folder / f"{number}.jpg", sha256)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_features_come_in_the_rows_order(
    images: list[ImageFile], batch_size: int, dtype: str
) -> None:
    engine = MeanColour(batch_size=batch_size, streams=3)
    found = list(compute(images, engine, 32, dtype))
    keys = np.concatenate([keys for keys, _ in found])
    features = np.concatenate([features for _, features in found])
    np.testing.assert_array_equal(keys, keys_of(image.sha256 for image in images))
    pixels = np.array([decode_square(image.path.read_bytes(), 32) for image in images])
    np.testing.assert_array_equal(features, MeanColour.features_of(pixels).astype(dtype))
    assert features.dtype == dtype
    assert engine.computed == 20


def test_nothing_gives_nothing() -> None:
    assert list(compute([], MeanColour(), 32, "float32")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_name_the_image(images: list[ImageFile], value: float) -> None:
    with pytest.raises(
        NonFiniteFeatures, match=rf"the features of {images[0].path} are not finite numbers\.$"
    ):
        list(compute(images, Constant(value), 32, "float32"))


def test_features_too_large_for_float16_say_what_to_set(images: list[ImageFile]) -> None:
    with pytest.raises(
        NonFiniteFeatures,
        match=rf"{images[0].path} .*set extract\.dtype to float32 \(params\.yaml\)",
    ):
        list(compute(images, Constant(1e6), 32, "float16"))
    (_, features), *_ = compute(images, Constant(1e6), 32, "float32")
    assert (features == 1e6).all()


def test_padding_is_not_checked(images: list[ImageFile]) -> None:
    class BlackIsNothing(MeanColour):
        def run(self, pixels: Any) -> Any:
            return np.where(pixels.any(axis=(1, 2, 3))[:, None], super().run(pixels), np.nan)

    assert (
        sum(len(keys) for keys, _ in compute(images, BlackIsNothing(batch_size=64), 32, "float32"))
        == 20
    )


def test_what_comes_before_a_bad_image_is_given(images: list[ImageFile]) -> None:
    images[7].path.write_bytes(b"changed")
    batches = compute(images, MeanColour(), 32, "float32")
    assert len([next(batches) for _ in range(7)]) == 7
    with pytest.raises(
        ManifestError, match=rf"{images[7].path} is not the file that the manifest names: run the"
    ):
        next(batches)


def test_a_missing_file_is_named(images: list[ImageFile]) -> None:
    images[0].path.unlink()
    with pytest.raises(
        ManifestError, match=rf"cannot read {images[0].path}: No such file.*Run the stages split"
    ):
        list(compute(images, MeanColour(), 32, "float32"))


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    sha256 = hashlib.sha256(b"no image").hexdigest()
    image = ImageFile(tmp_path / "bad.jpg", sha256)
    with pytest.raises(ImageError, match=rf"cannot decode {image.path}: not an image"):
        list(compute([image], MeanColour(), 32, "float32"))


def test_each_missing_image_is_marked_once() -> None:
    """As of copies that came out alike."""
    row = Row("train", "cat", "", "", "", 1, "a.jpg", Path())
    plan = make_plan(row._replace(sha256=digit * 64) for digit in "abacbd")
    found = Found(shards=np.array([-1, 0, -1, -1, 0, -1], np.int32), rows=np.zeros(6, np.int32))
    assert first_missing(plan, found.missing).tolist() == [True, False, False, True, False, True]


def test_without_a_sha256_any_file_will_do_and_its_own_is_the_key(images: list[ImageFile]) -> None:
    images[0].path.write_bytes(images[1].path.read_bytes())
    found = compute([ImageFile(image.path) for image in images], MeanColour(), 32, "float32")
    keys = np.concatenate([keys for keys, _ in found])
    expected = [images[1].sha256 or "", *(image.sha256 or "" for image in images[1:])]
    np.testing.assert_array_equal(keys, keys_of(expected))


def test_a_missing_file_that_no_manifest_names_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.jpg"):
        list(compute([ImageFile(tmp_path / "none.jpg")], MeanColour(), 32, "float32"))


def test_an_extractor_opens_its_engine_once_and_only_when_needed(
    images: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_engine(config: EngineConfig, backbone: Backbone) -> MeanColour:
        opened.append((config, backbone.input_size))
        return MeanColour()

    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", open_engine)
    params = make_params({"extract.dtype": "float16"})
    extractor = Extractor(BACKBONE, params.backbone(BACKBONE), params.extract)
    assert extractor.fingerprint.parts["dtype"] == "float16"
    assert opened == []
    for _ in range(2):
        assert {features.dtype for _, features in extractor.extract(images)} == {np.dtype("f2")}
    assert opened == [(extractor.config, 32)]


def test_beside_a_gpu_the_batch_fits_its_memory_by_what_the_network_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = Hardware(cores=2, engines=("tensorflow",), gpus={"tensorflow": Gpu(bytes=8 << 30)})
    monkeypatch.setattr("pipeline.extraction.extractor.find_hardware", lambda _: gpu)

    extract = make_params({"extract.batch_size": None}).extract

    def batch_size(name: str, **settings: Any) -> int:
        return Extractor(name, BackboneParams(**settings), extract).config.batch_size

    assert batch_size("vgg16") == 128
    assert batch_size("efficientnet_lite0") == 256
    assert batch_size("mine", network="efficientnet_lite0") == 256
    assert batch_size("mine", network="own", weights="net.keras", scaling="tf") == 128
