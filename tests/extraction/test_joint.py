"""Networks side by side: each image's features are those of each network, in order."""

import hashlib
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone
from pipeline.engines.choice import EngineConfig
from pipeline.engines.hardware import Gpu, Hardware
from pipeline.errors import ImageError
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.joint import JointExtractor
from pipeline.store.store import keys_of
from tests.fakes import MeanColour
from tests.project import BACKBONE, draw_image, make_params

OTHER = "efficientnet_lite2"


class Sized(MeanColour):
    """Its batches are as long as its network's input size says, and its features hold that size."""

    def __init__(self, size: int) -> None:
        super().__init__(batch_size=size // 16)
        self._size = size

    def run(self, pixels: Any) -> Any:
        return super().run(pixels) + self._size


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    files = [tmp_path / f"{number}.jpg" for number in range(7)]
    for number, file in enumerate(files):
        file.write_bytes(draw_image(number))
    return [ImageFile(file) for file in files]


def open_joint(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any] | None = None, **settings: Any
) -> JointExtractor:
    def open_engine(_: EngineConfig, backbone: Backbone) -> Sized:
        return Sized(backbone.input_size)

    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", open_engine)
    params = make_params({f"backbones.{BACKBONE}": settings, **(changes or {})})
    return JointExtractor.of(BACKBONE, params.backbone(BACKBONE), params.extract)


def features_of(
    extractor: JointExtractor, images: list[ImageFile]
) -> tuple[list[bytes], np.ndarray]:
    keys, features = zip(*extractor.extract(images), strict=True)
    return [key.tobytes() for key in np.concatenate(keys)], np.concatenate(features)


def test_features_stand_side_by_side_in_the_images_order_whatever_the_batches(
    images: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [32, 64]  # batches of 2 and 4
    both = open_joint(monkeypatch, network=[BACKBONE, OTHER], input_size=sizes)
    keys, found = features_of(both, images)
    hashes = (hashlib.sha256(image.path.read_bytes()).hexdigest() for image in images)
    assert keys == [key.tobytes() for key in keys_of(hashes)]
    for place, size in enumerate(sizes):
        alone = open_joint(monkeypatch, network=(BACKBONE, OTHER)[place], input_size=size)
        assert both.networks[place].fingerprint == alone.fingerprint
        np.testing.assert_array_equal(found[:, 3 * place :][:, :3], features_of(alone, images)[1])


def test_an_image_that_is_none_is_named_after_those_before_it(
    images: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    images[2].path.write_bytes(b"none")
    before = set(active_children())
    rows = open_joint(monkeypatch, network=[BACKBONE, OTHER], input_size=32).extract(images)
    assert len([next(rows) for _ in range(2)]) == 2
    assert len(set(active_children()) - before) > 0
    with pytest.raises(ImageError, match=rf"cannot decode {images[2].path}") as caught:
        next(rows)
    assert not set(active_children()) - before, "the other network decodes on"
    assert caught.tb, "the frames of what failed are still there"


def test_where_a_batch_is_too_large_the_largest_are_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Hardware(cores=2, engines=("tensorflow",), gpus={"tensorflow": Gpu(bytes=8 << 30)})
    monkeypatch.setattr("pipeline.extraction.extractor.find_hardware", lambda _: gpu)
    settings = {"network": [BACKBONE, OTHER, "vgg16"], "input_size": [224, 160, 160]}
    both = open_joint(monkeypatch, {"extract.batch_size": None}, **settings)
    sizes = [one.config.batch_size for one in both.networks]
    assert sizes == [256, 512, 256]
    half = both.with_half_the_batch()
    assert [one.config.batch_size for one in half.networks] == [256, 256, 256]
    assert (both.batch_size, half.batch_size) == (512, 256)
