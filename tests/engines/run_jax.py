"""A program that computes features with JAX, in a process whose Keras runs on it; tests start it.

python -m tests.engines.run_jax <what> <file>: the arrays that `what` gives, as an .npz file.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine, open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.params import BackboneParams
from tests.engines.drawn import NETWORKS, draw_backbone, noise

GOLDEN = "../shared/golden/lite12.npz"
SIZE = 32


def lite0(precision: str = "float32", layer: Any = None) -> Backbone:
    settings = BackboneParams(input_size=SIZE, layer=layer)
    return Backbone("efficientnet_lite0", settings, precision, "jax")


def _open(backbone: Backbone, batch_size: int = 1, devices: int = 1) -> Engine:
    precision: Any = backbone.precision
    config = EngineConfig(
        engine="jax", device="cpu", precision=precision, batch_size=batch_size, streams=3,
        devices=devices,
    )  # fmt: skip
    return open_engine(config, backbone)


def one_network() -> Iterator[tuple[str, Any]]:
    """Give Lite0's features of 4 images: one by one, in a batch, beside others, and in bfloat16.

    And how its products and convolutions are computed.
    """
    images, backbone = noise(4, SIZE), lite0()
    engine: Any = _open(backbone)
    with ThreadPoolExecutor(3) as pool:
        yield "alone", np.concatenate(list(pool.map(engine.run, images[:, None])))
    yield (
        "products",
        re.findall(r"(?m) (?:convolution|dot)\(.*$", engine.programs[0].compiled.as_text()),
    )
    engine = _open(backbone, 4)
    yield "together", engine.run(images)
    yield "turned", np.roll(engine.run(np.roll(images, 1, axis=0)), -1, axis=0)
    padded = np.concatenate([images[:2], np.zeros_like(images[:2])])
    yield "padded", engine.run(padded)[:2]
    yield "bfloat16", _open(lite0("bfloat16"), 4).run(images)


def devices() -> Iterator[tuple[str, Any]]:
    """Give Lite0's features of 24 images by one device, and by three in turn: the processor, thrice.

    And how many batches each of the three had.
    """
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=3"
    images, backbone = noise(24, SIZE), lite0()
    yield "alone", _run_batches(_open(backbone, 2), images)
    engine: Any = _open(backbone, 2, devices=3)
    had = {program.device: 0 for program in engine.programs}
    for program in engine.programs:
        program.run = partial(_count, program.run, had, program.device)
    yield "three", _run_batches(engine, images)
    yield "had", list(had.values())


def _run_batches(engine: Engine, images: Any) -> Any:
    with ThreadPoolExecutor(engine.streams) as pool:
        return np.concatenate(list(pool.map(engine.run, images.reshape(-1, 2, SIZE, SIZE, 3))))


def _count(run: Callable[[Any], Any], had: dict[Any, int], device: Any, pixels: Any) -> Any:
    had[device] += 1
    return run(pixels)


def layers() -> Iterator[tuple[str, Any]]:
    """Give Lite0's features of two layers in one pass."""
    yield "layers", _open(lite0(layer=("block2_add", None))).run(noise(1, SIZE))


def networks() -> Iterator[tuple[str, Any]]:
    """Give what each network says of two images."""
    for name, size in NETWORKS.items():
        engine = _open(draw_backbone(name, size, "jax"))
        yield name, np.concatenate([engine.run(image[None]) for image in noise(2, size)])


def golden() -> Iterator[tuple[str, Any]]:
    """Give Lite1's features of photos that come with those of its authors."""
    photos = np.load(GOLDEN)["lite1_pixels"]
    engine = _open(Backbone("efficientnet_lite1", BackboneParams(input_size=240), backend="jax"))
    yield "lite1", np.concatenate([engine.run(photo[None]) for photo in photos])


def main(what: str, file: str) -> None:
    give: Callable[[], Iterator[tuple[str, Any]]] = globals()[what]
    np.savez(file, **dict(give()), tensorflow="tensorflow" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
