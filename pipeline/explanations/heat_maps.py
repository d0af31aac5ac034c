"""Heat maps drawn for the report: of the wrong answers that its page shows."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline import paths
from pipeline.errors import NoClassMap
from pipeline.explanations.explainer import Explainer, open_explainer
from pipeline.explanations.overlay import overlay
from pipeline.images import Pixels
from pipeline.params import Params
from pipeline.reporting.heat_maps import (
    MOST_EXPLAINED,
    HeatMap,
    HeatMaps,
    strongest_place,
    wrong_answers,
)
from pipeline.reporting.prediction_gallery import PredictionGallery
from pipeline.reporting.shown_images import ShownImage
from pipeline.reporting.thumbnails import (
    QUALITY,
    THUMBNAIL_PIXELS,
    Thumbnail,
    as_thumbnail,
    encode_webp,
    showing,
)


def draw_heat_maps(
    gallery: PredictionGallery, dataset: str, backbone: str, params: Params
) -> HeatMaps:
    """Draw where the head found what it says of the images that it gets wrong.

    The network is built, which takes seconds, unless nothing is wrong.

    Args:
        gallery: What the page shows of the head.
        dataset: Whose head.
        backbone: By whose features.
        params: How these are computed.

    Raises:
        PipelineError: An image is missing or cannot be read.
        HeadError: There is no head, or it was trained on features of another fingerprint.
        BackboneError: The network cannot be built.
    """
    wrong, folder = wrong_answers(gallery), paths.split_folder(dataset)
    try:
        explainer = open_explainer(dataset, backbone, params)
        if explainer.fit_on == "all":
            raise NoClassMap(
                "the saved head is fitted to all images, and these answers are those of its twin, whose "
                "weights are not kept: heat maps of them need train (params.yaml, head.fit_on)"
            )
        shown = [gallery.images[sha256] for sha256 in wrong[:MOST_EXPLAINED]]
        drawn = {one.sha256: _draw(one, folder / one.path, explainer) for one in shown}
    except NoClassMap as error:
        return HeatMaps(wrong=len(wrong), lacking=str(error))
    return HeatMaps(wrong=len(wrong), of=drawn)


def _draw(image: ShownImage, path: Path, explainer: Explainer) -> tuple[HeatMap, ...]:
    """Return an image's maps, all in one scale; of two classes one, since the other is its reverse."""
    with showing(path):
        pixels = explainer.see(path.read_bytes())
    found, classes = explainer.class_maps(pixels), explainer.classes
    names = (image.predicted,) if len(classes) == 2 else (image.predicted, image.label)
    evidence = {name: found.evidence(classes.index(name)) for name in names}
    largest = max(float(np.abs(one).max()) for one in evidence.values())
    small = _shrunk(pixels)
    return tuple(
        HeatMap(
            name=name,
            picture=_as_picture(overlay(small, one, largest)),
            strongest=strongest_place(one),
        )
        for name, one in evidence.items()
    )


def _shrunk(pixels: Pixels) -> Pixels:
    """Return a square that is no larger than the page's other pictures."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    return np.asarray(image)


def _as_picture(pixels: Pixels) -> Thumbnail:
    return as_thumbnail(encode_webp(Image.fromarray(pixels), QUALITY))
