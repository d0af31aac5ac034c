"""From an image file to an answer, by the same way as in training."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.engines import choose, find_hardware, open_engine
from pipeline.errors import HeadError, ImageError
from pipeline.extraction.extractor import fingerprint_of
from pipeline.heads import load_head
from pipeline.images import decode_square, decode_whole
from pipeline.params import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a head says of one image.

    Attributes:
        file: The image's path, as given.
        label: The most probable class.
        probabilities: Class to probability, all classes, the most probable first.
    """

    file: str
    label: str
    probabilities: dict[str, float]


def predict_files(
    files: Iterable[Path], dataset: str, backbone: str, params: Params
) -> Iterator[Answer]:
    """Answer for each file, in order.

    All files are read before the network is built, so a bad one costs no waiting.

    Raises:
        ImageError: A file is missing or not an image; all such files are named.
        HeadError: No head was trained, or it was trained on features made otherwise.
    """
    params.dataset(dataset)
    network = Backbone(backbone, params.backbone(backbone))
    images = _read_all(list(files))
    head = load_head(paths.model_folder(dataset, backbone))
    choice = choose(params.extract, find_hardware(), network.input_size)
    fingerprint = fingerprint_of(network, choice, params.extract.dtype)
    if fingerprint.key != head.info.fingerprint:
        raise HeadError(
            f"the head of {dataset}/{backbone} was trained on features made otherwise than now: "
            f"{head.info.fingerprint_parts} then, {fingerprint.to_json()} now. "
            "Run dvc repro, or set params.yaml back."
        )
    engine = open_engine(choice, network)
    for file, data in images:
        pixels = np.zeros((engine.batch_size, network.input_size, network.input_size, 3), np.uint8)
        pixels[0] = decode_square(data, network.input_size)
        feature = engine.run(pixels)[:1].astype(params.extract.dtype)
        chances = zip(head.info.classes, head.probabilities(feature)[0].tolist(), strict=True)
        ranked = dict(sorted(chances, key=lambda pair: -pair[1]))
        yield Answer(file=str(file), label=next(iter(ranked)), probabilities=ranked)


def _read_all(files: list[Path]) -> list[tuple[Path, bytes]]:
    images, faults = [], []
    for file in files:
        try:
            data = file.read_bytes()
            decode_whole(data)
        except OSError as error:
            faults.append(f"{file}: {error.strerror}")
        except ImageError as error:
            faults.append(f"{file}: {error}")
        else:
            images.append((file, data))
    if faults:
        raise ImageError(
            "cannot read "
            + "; ".join(faults)
            + ". Expected images: JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC or AVIF."
        )
    return images
