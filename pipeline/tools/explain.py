"""Where in an image a head finds its class: class activation maps, for the images that are asked alone.

At a given image every kind of head but `knn` is a matrix and a bias: ReLU lets a unit through or not,
and a length is one number. Applied to the network's map before it is pooled, the matrix says what each
place adds to each class's score, and the sum over all places is that score, less the bias: exactly
Zhou's map for heads of one layer, and the gradient times the map, as Grad-CAM has it, for those of more.

References:
    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization" (arXiv:1512.04150).
    Selvaraju et al. 2017, "Grad-CAM" (arXiv:1610.02391).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.errors import BackboneError, HeadError, ImageError
from pipeline.extraction.extractor import Extractor
from pipeline.files import atomic_write
from pipeline.heads.head import Head
from pipeline.heads.rows import Float
from pipeline.heads.saving import read_head
from pipeline.heads.steps import Affine, Relu, Standardize, Step, UnitLength, scaling_steps
from pipeline.images import Pixels, decode_square
from pipeline.params import AnyBackbone, Params
from pipeline.tools.explanation_pictures import draw_row, stack_rows
from pipeline.tools.predict import Answer

MOST_ROWS = 50  # of one picture; a folder takes any number
KINDS = "mlp, linear, logistic, lda or centroid"

Pooling = Literal["avg", "flatten", None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassMaps:
    """What each place of an image adds to each class's score.

    Attributes:
        maps: float64 `(h, w, k)`; their sums over all places, and `bias`, are the head's scores.
        bias: float64 `(k,)`, what belongs to no place.
    """

    maps: Float
    bias: Float

    def evidence(self, label: int) -> Float:
        """Return what each place adds to a class's score beyond the mean of all classes, `(h, w)`.

        Only differences between scores make probabilities: what all classes share says nothing.
        """
        beyond: Float = self.maps[:, :, label] - self.maps.mean(axis=2)
        return beyond


def explain_answers(
    answers: Iterable[Answer], dataset: str, backbone: str, params: Params, out: Path
) -> Iterator[Answer]:
    """Pass answers on, and draw where in each image the answer was found.

    Args:
        answers: Of `predict_files`.
        dataset: Whose head answered.
        backbone: By whose features.
        params: How these are computed.
        out: A .png, a row an image; or else a folder, a picture an image.

    Raises:
        BackboneError: These features have no map.
        HeadError: The head has none, or there is no head.
        ImageError: `out` is neither.
    """
    check_has_map(backbone, params.backbone(backbone))
    saved = read_head(paths.model_folder(dataset, backbone))
    if saved.info.kind == "knn":
        raise HeadError(
            f"a head of kind knn compares whole images, so no place in one speaks for a class: --explain "
            f"needs {KINDS} (params.yaml, head.kind)"
        )
    is_sheet = _is_sheet(out)
    explainer = Explainer(backbone, params, saved.head(), saved.info.classes)
    return _draw_all(answers, explainer, out) if is_sheet else _draw_each(answers, explainer, out)


def check_has_map(name: str, settings: AnyBackbone) -> None:
    """Raise where the features keep no place.

    Raises:
        BackboneError: Says which setting is in the way.
    """
    if settings.pooling == "max":
        raise BackboneError(
            f"pooling max keeps of each channel its largest value alone, which has no map: --explain needs "
            f"avg, flatten or null (params.yaml, backbones.{name}.pooling)"
        )
    if len(settings.networks) > 1:
        raise BackboneError(
            f"the maps of several networks have several sizes: --explain needs a backbone of one "
            f"(params.yaml, backbones.{name}.network)"
        )
    if isinstance(settings.layer, tuple):
        raise BackboneError(
            f"the maps of several layers have several sizes: --explain needs one layer "
            f"(params.yaml, backbones.{name}.layer)"
        )


class Explainer:
    """Draws images beside where their class was found; the network is built at the first one."""

    def __init__(self, name: str, params: Params, head: Head, classes: tuple[str, ...]) -> None:
        (settings,) = params.backbone(name).networks
        self._name, self._head, self._classes = name, head, classes
        self._pooling, self._size = settings.pooling, settings.input_size
        whole = settings.model_copy(update={"pooling": None})
        self._extractor = Extractor(name, whole, params.extract)

    def draw(self, answer: Answer) -> Pixels:
        """Return a row: the image, and its heat map, with the class and its probability."""
        pixels = decode_square(Path(answer.file).read_bytes(), self._size)
        found = class_maps(self._map_of(pixels), self._head, self._pooling)
        evidence = found.evidence(self._classes.index(answer.label))
        title = f"{answer.label} {answer.probabilities[answer.label]:.4f}"
        return draw_row(pixels, evidence, title, Path(answer.file).name)

    def _map_of(self, pixels: Pixels) -> NDArray[np.float32]:
        engine = self._extractor.engine
        batch = np.zeros((engine.batch_size, *pixels.shape), np.uint8)
        batch[0] = pixels
        features: NDArray[np.float32] = engine.run(batch)[0]
        if features.ndim != 3:
            raise BackboneError(
                f"the layer gives {features.shape}, expected a map (height, width, channels): --explain "
                f"needs a layer before the pooling (params.yaml, backbones.{self._name}.layer)"
            )
        return features


def class_maps(features: NDArray[Any], head: Head, pooling: Pooling | str) -> ClassMaps:
    """Divide a head's scores of an image among its places.

    Args:
        features: The network's map before it is pooled, float `(h, w, d)`.
        head: Of any kind but `knn`.
        pooling: What makes of the map the feature that the head takes; not `max`.
    """
    height, width, depth = features.shape
    places = features.reshape(-1, depth).astype(np.float64)
    feature = places.mean(axis=0) if pooling == "avg" else places.reshape(-1)
    kernel, bias = linear_at(head, feature)
    if pooling == "avg":
        maps = places @ kernel / len(places)
    else:
        maps = np.einsum("pd,pdk->pk", places, kernel.reshape(len(places), depth, -1))
    return ClassMaps(maps=maps.reshape(height, width, -1), bias=bias)


def linear_at(head: Head, feature: Float) -> tuple[Float, Float]:
    """Return the kernel `(d, k)` and bias `(k,)` that give a head's scores of one feature `(d,)`."""
    x, steps = feature[None], [*scaling_steps(head.scaler), *head.steps()]
    inputs = []
    for step in steps:
        inputs.append(x)
        x = step.apply(x)
    kernel = np.eye(x.shape[1])
    for step, given in zip(reversed(steps), reversed(inputs), strict=True):
        kernel = _pull_back(step, given[0], kernel)
    kernel = kernel / head.temperature
    return kernel, x[0] / head.temperature - feature @ kernel


def _pull_back(step: Step, x: Float, kernel: Float) -> Float:
    """Return the kernel `(d, k)` on what a step takes, given that on what it gives, at `x` `(d,)`."""
    match step:
        case Standardize(factor=factor):
            return factor[:, None] * kernel
        case UnitLength():
            length = max(float(np.linalg.norm(x)), float(np.finfo(np.float32).tiny))
            return kernel / length
        case Affine(kernel=own):
            return own @ kernel
        case Relu():
            return (x > 0)[:, None] * kernel
    raise HeadError(f"the step {type(step).__name__} of this kind of head has no map")


def _is_sheet(out: Path) -> bool:
    """Is it one picture, and not a folder?"""
    if out.is_dir() or (not out.suffix and not out.exists()):
        return False
    if out.suffix.lower() != ".png":
        raise ImageError(f"--explain {out}: expected a name that ends in .png, or a folder")
    return True


def _draw_each(answers: Iterable[Answer], explainer: Explainer, folder: Path) -> Iterator[Answer]:
    for number, answer in enumerate(answers, 1):
        folder.mkdir(parents=True, exist_ok=True)
        _save(explainer.draw(answer), folder / f"{number:03}-{Path(answer.file).stem}.png")
        yield answer


def _draw_all(answers: Iterable[Answer], explainer: Explainer, file: Path) -> Iterator[Answer]:
    rows: list[Pixels] = []
    try:
        for answer in answers:
            if len(rows) == MOST_ROWS:
                raise ImageError(
                    f"{file} has the first {MOST_ROWS} images, as many as one picture takes: "
                    "name a folder for more (--explain)"
                )
            if file.exists() and file.samefile(answer.file):
                raise ImageError(f"--explain {file} would replace the image itself: name another")
            rows.append(explainer.draw(answer))
            yield answer
    finally:  # files that are no images are told after the answers
        if rows:
            _save(stack_rows(rows), file)


def _save(picture: Pixels, file: Path) -> None:
    with atomic_write(file) as temporary:
        Image.fromarray(picture).save(temporary, "PNG")
