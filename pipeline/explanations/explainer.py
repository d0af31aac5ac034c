"""Class activation maps of images: the network and the head that make them, opened and checked."""

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import NoClassMap
from pipeline.explanations.class_maps import ClassMaps, class_maps
from pipeline.extraction.extractor import Extractor
from pipeline.fingerprint_check import check_fingerprint
from pipeline.heads.saving import SavedHead, read_head
from pipeline.images import Pixels, decode_square
from pipeline.params import AnyBackbone, BackboneParams, ExtractParams, Params

KINDS = "mlp, linear, logistic, lda or centroid"


def open_explainer(dataset: str, backbone: str, params: Params) -> "Explainer":
    """Return what makes the maps of a dataset's head; no network is built yet.

    Args:
        dataset: Whose head.
        backbone: By whose features.
        params: How these are computed.

    Raises:
        NoClassMap: These features, or this kind of head, have none.
        HeadError: There is no head, or it was trained on features of another fingerprint.
        BackboneError: This machine cannot run the backbone so.
    """
    settings = params.backbone(backbone)
    check_has_map(backbone, settings)
    (only,) = settings.networks
    saved = read_head(paths.model_folder(dataset, backbone))
    if saved.info.kind == "knn":
        raise NoClassMap(
            f"a head of kind knn compares whole images, so no place in one speaks for a class: a heat map "
            f"needs {KINDS} (params.yaml, head.kind)"
        )
    features = Extractor(backbone, only, params.extract)
    check_fingerprint(saved.info, features.fingerprint, dataset, backbone)
    return Explainer(backbone, only, params.extract, saved)


def check_has_map(name: str, settings: AnyBackbone) -> None:
    """Raise where the features keep no place.

    Raises:
        NoClassMap: Says which setting is in the way.
    """
    if settings.pooling == "max":
        raise NoClassMap(
            f"pooling max keeps of each channel its largest value alone, which has no map: a heat map needs "
            f"avg, flatten or null (params.yaml, backbones.{name}.pooling)"
        )
    if len(settings.networks) > 1:
        raise NoClassMap(
            f"the maps of several networks have several sizes: a heat map needs a backbone of one "
            f"(params.yaml, backbones.{name}.network)"
        )
    if isinstance(settings.layer, tuple):
        raise NoClassMap(
            f"the maps of several layers have several sizes: a heat map needs one layer "
            f"(params.yaml, backbones.{name}.layer)"
        )


class Explainer:
    """Divides a head's scores of images among their places; the network is built at the first one.

    Attributes:
        classes: Of the head, in alphabetical order.
        fit_on: The images that the head was fitted to, `train` or `all`.
    """

    def __init__(
        self, name: str, settings: BackboneParams, extract: ExtractParams, saved: SavedHead
    ) -> None:
        self.classes, self.fit_on = saved.info.classes, saved.info.fit_on
        self._name, self._head = name, saved.head()
        self._pooling, self._size = settings.pooling, settings.input_size
        self._extractor = Extractor(name, settings.model_copy(update={"pooling": None}), extract)

    def see(self, data: bytes) -> Pixels:
        """Return what the network gets of an image file's bytes, uint8 `(s, s, 3)`.

        Raises:
            ImageError: They are no image that can be read.
        """
        return decode_square(data, self._size)

    def class_maps(self, pixels: Pixels) -> ClassMaps:
        """Return the maps of what `see` returned.

        Raises:
            NoClassMap: The layer lies behind the pooling, which shows when the network has run.
            BackboneError: The network cannot be built.
        """
        return class_maps(self._map_of(pixels), self._head, self._pooling)

    def _map_of(self, pixels: Pixels) -> NDArray[np.float32]:
        engine = self._extractor.engine
        batch = np.zeros((engine.batch_size, *pixels.shape), np.uint8)
        batch[0] = pixels
        features: NDArray[np.float32] = engine.run(batch)[0]
        if features.ndim != 3:
            raise NoClassMap(
                f"the layer gives {features.shape}, expected a map (height, width, channels): a heat map "
                f"needs a layer before the pooling (params.yaml, backbones.{self._name}.layer)"
            )
        return features
