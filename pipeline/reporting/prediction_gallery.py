"""Which validation images are worth a look; and thumbnails."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.errors import PipelineError
from pipeline.predictions import Predictions

IMAGES = 6  # of each kind
THUMBNAIL_PIXELS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryImage:
    """One image of a gallery.

    Attributes:
        path: Under the dataset's split folder.
        label: The true class.
        predicted: The most probable class.
        probability: Of the predicted class, 0..1.
        thumbnail: JPEG, at most 96 x 96 pixels, as a `data:` address.
    """

    path: str
    label: str
    predicted: str
    probability: float
    thumbnail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionGallery:
    """Images that say where a head errs: at most six of each kind, none twice."""

    mistakes: tuple[GalleryImage, ...]
    uncertain: tuple[GalleryImage, ...]


def build_prediction_gallery(val: Predictions, folder: Path) -> PredictionGallery:
    """Make thumbnails of the most confident mistakes and of the least certain other images.

    Args:
        val: Predictions for the validation images.
        folder: The dataset's split folder, under which their paths lie.

    Raises:
        PipelineError: A chosen image is missing or cannot be read.
    """
    mistakes, uncertain = choose_images(val)
    return PredictionGallery(
        mistakes=tuple(_image(val, row, folder) for row in mistakes),
        uncertain=tuple(_image(val, row, folder) for row in uncertain),
    )


def choose_images(val: Predictions) -> tuple[list[int], list[int]]:
    """Choose rows: wrong predictions from the most confident down, then others from the least confident up.

    Equals are ordered by sha256, so the order of rows decides nothing.
    """
    confidence = val.probabilities.max(axis=1)
    is_wrong = val.predicted_labels() != val.labels
    by_confidence = np.lexsort((np.array(val.sha256), confidence)).tolist()
    mistakes = [row for row in reversed(by_confidence) if is_wrong[row]][:IMAGES]
    uncertain = [row for row in by_confidence if row not in mistakes][:IMAGES]
    return mistakes, uncertain


def thumbnail_of(source: Path | io.BytesIO) -> str:
    """Return a small upright copy of an image as a `data:` address, the same for the same image.

    Raises:
        PipelineError: It is missing or cannot be read.
    """
    try:
        with Image.open(source) as image:
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    except OSError as error:
        where = source if isinstance(source, Path) else "an image of the archive"
        raise PipelineError(
            f"the report cannot show {where}: {error}. Run the split and train stages again."
        ) from None
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _image(val: Predictions, row: int, folder: Path) -> GalleryImage:
    predicted = int(val.predicted_labels()[row])
    return GalleryImage(
        path=val.path[row],
        label=val.classes[val.labels[row]],
        predicted=val.classes[predicted],
        probability=float(val.probabilities[row, predicted]),
        thumbnail=thumbnail_of(folder / val.path[row]),
    )
