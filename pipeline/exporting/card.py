"""The model card: what an exported model is, how good it is, what it is for, and how to load it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.heads.saving import HeadInfo
from pipeline.images import AREA_FACTOR, CROP
from pipeline.rounding import percent

MARK = "<!-- Written by `bottleneck export`, which may replace it. -->"

PIXELS = """Pixels are uint8, RGB, {size} x {size}, batch first; the network scales them itself. They are the
square in the middle of the upright photo, 7/8 of its shorter side, shrunk by linear interpolation, or by
averaging where there is much to shrink (make one of 16 bits a channel 8 bits deep first: Pillow cuts off what
is brighter than 255; a JPEG whose shorter side has {low} to {high} pixels comes out a little sharper than in
training, where three eighths of its size are decoded instead of a half):

```python
import cv2
import numpy as np
from PIL import Image, ImageOps

photo = Image.open("photo.jpg")
photo.draft("RGB", ({least}, {least}))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
side = round(min(photo.size) * 7 / 8)
left, top = (photo.width - side) // 2, (photo.height - side) // 2
square = photo.crop((left, top, left + side, top + side))
if square.has_transparency_data:
    square = square.convert("RGBA")
    square = Image.alpha_composite(Image.new("RGBA", square.size, "white"), square)
method = cv2.INTER_AREA if side >= {large} else cv2.INTER_LINEAR
small = cv2.resize(np.asarray(square.convert("RGB")), ({size}, {size}), interpolation=method)
small = Image.fromarray(small)
small.info["exif"] = photo.info.get("exif", b"")
pixels = np.asarray(ImageOps.exif_transpose(small))[None]
```
"""
KERAS = """import zipfile
import keras

labels = zipfile.ZipFile("{name}").read("labels.txt").decode().splitlines()
probabilities = keras.saving.load_model("{name}")(pixels).numpy()
print(labels[probabilities[0].argmax()], probabilities[0].max())
"""
SAVED_MODEL = """import tensorflow as tf

answer = tf.saved_model.load("{name}").signatures["serving_default"]
said = answer(images=tf.stack([tf.io.read_file("photo.jpg")]))
print(said["label"].numpy()[0].decode(), said["probabilities"].numpy()[0].max())
"""
ONNX = """import json
import onnxruntime

session = onnxruntime.InferenceSession("{name}")
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
probabilities = session.run(None, {{"pixels": pixels}})[0]
print(labels[probabilities[0].argmax()], probabilities[0].max())
"""
TFLITE = """import zipfile
from ai_edge_litert.interpreter import Interpreter

labels = zipfile.ZipFile("{name}").read("labels.txt").decode().splitlines()
run = Interpreter("{name}").get_signature_runner()
probabilities = next(iter(run(pixels=pixels).values()))
print(labels[probabilities[0].argmax()], probabilities[0].max())
"""
LOADING = {".keras": KERAS, "": SAVED_MODEL, ".onnx": ONNX, ".tflite": TFLITE}

LIMITS = """It always names one of its classes, whatever it is shown: of photos that show none of them, what
it says means nothing (`bottleneck predict` marks those that are unlike anything trained on; this model does
not). It is for photos like those that it was trained and measured on; on others, from another camera,
place or season, measure it before you rely on it. The network in front has the biases of the images that
it learned from, as those of ImageNet. Do not use it alone to decide about people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card tells.

    Attributes:
        name: Of the model's file or folder.
        ending: Of that name: which format.
        dataset: Trained on which.
        network: What the catalogue says of the backbone's network.
        weights: Where its weights are from, and their licence.
        data_licence: Of the dataset's photos, where that is known.
        input_size: Pixels.
        info: Of the head.
        metrics: Of each split, the figures of the head's predictions.
        difference: The largest one between the model, run on noise, and the head in float64.
    """

    name: str
    ending: str
    dataset: str
    network: str
    weights: str
    data_licence: str
    input_size: int
    info: HeadInfo
    metrics: Mapping[str, Mapping[str, float]]
    difference: float


def write_card(facts: CardFacts) -> str:
    """Return the card as Markdown."""
    info = facts.info
    settings = ", ".join(f"{name} {value}" for name, value in sorted(info.settings.items()))
    parts = [
        f"{MARK}\n\n# {facts.name}\n\nA model that tells {_listed(info.classes)}: a frozen network and a "
        f"small head trained on the dataset {facts.dataset}.",
        "## Load it\n\n" + _loading(facts),
        "## What it learned from\n\n" + "\n".join(_data_lines(facts)),
        "## How good it is\n\n" + "\n".join(_metric_lines(facts)),
        f"## What it is for\n\n{LIMITS}",
        "## What it is made of\n\n"
        f"* Network: {facts.network}, {facts.input_size} pixels.\n"
        f"* Weights: {facts.weights}.\n"
        f"* Head: {info.kind}, features scaled: {info.scaling}, scores divided by {info.temperature:g}"
        f"{f'; {settings}' if settings else ''}.\n"
        f"* Fingerprint of the features that it was trained on: `{info.fingerprint}`.\n"
        f"* Run on noise, this file's probabilities and those of the head differ by at most "
        f"{facts.difference:.1e}. {_precision_line(info)}",
    ]
    return "\n\n".join(parts) + "\n"


def _loading(facts: CardFacts) -> str:
    code = f"```python\n{LOADING[facts.ending].format(name=facts.name)}```\n"
    if facts.ending == "":
        return f"It takes the bytes of JPEG, PNG, GIF and BMP files.\n\n{code}"
    return f"{describe_pixels(facts.input_size)}\n{code}"


def describe_pixels(size: int) -> str:
    """Say which pixels a model of this input size takes, with the lines that prepare them."""
    least = round(size / CROP)
    low, high = -(-8 * least // 3), 4 * least - 1
    return PIXELS.format(size=size, least=least, large=AREA_FACTOR * size, low=low, high=high)


def _data_lines(facts: CardFacts) -> Iterator[str]:
    where = "train" if facts.info.fit_on == "train" else "every split"
    yield f"* Fitted to {facts.info.rows:,} images of {where}; augmented copies are not counted."
    yield f"* Licence of the images: {facts.data_licence}."


def _metric_lines(facts: CardFacts) -> Iterator[str]:
    if facts.info.fit_on == "all":
        yield (
            "These are the figures of its twin, fitted to train alone; this model is fitted to every split.\n"
        )
    yield "| images | accuracy | 95 % interval | log loss |\n| --- | --- | --- | --- |"
    for split, one in facts.metrics.items():
        if "n" in one:
            accuracy, low, high = (
                percent(one[name]) for name in ("accuracy", "accuracy_low", "accuracy_high")
            )
            yield f"| {one['n']:,} of {split} | {accuracy} | {low} to {high} | {one['log_loss']:.3f} |"


def _precision_line(info: HeadInfo) -> str:
    """Say what the head was trained on, where this model computes in another precision."""
    parts = json.loads(info.fingerprint_parts)
    precision, dtype = parts["runs_on"]["precision"], parts["dtype"]
    if (precision, dtype) == ("float32", "float32"):
        return "All is computed in float32."
    return (
        f"All is computed in float32; the head was trained on features computed in {precision} and kept in "
        f"{dtype}, so what `bottleneck predict` says may differ by more."
    )


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes) if len(classes) <= 20 else f"{len(classes)} classes apart"
