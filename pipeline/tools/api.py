"""What Python programs and notebooks use: features and heads in memory, and answers about images.

`import pipeline` offers all of it. It works in any folder of a project, and elsewhere where `root`
says in which folder the project is.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.backbones.own_graph import files_of
from pipeline.errors import HeadError, ImageError, ParamsError, PipelineError
from pipeline.extraction.joint import JointExtractor
from pipeline.features import Block, Header
from pipeline.heads import loading
from pipeline.heads import training as heads
from pipeline.heads.folder import read_head_predictions
from pipeline.heads.head import Head
from pipeline.heads.saving import read_head
from pipeline.manifest import SPLITS
from pipeline.metrics import Figures, MeasuredRows, compute_metrics
from pipeline.params import AnyBackbone, ExtractParams, Params, change_head, load_params
from pipeline.predictions import Predictions
from pipeline.tools.api_records import TEXTS, Features, TrainedHead, check_record, describe
from pipeline.tools.predict import Answer as Answer
from pipeline.tools.predict import predict_files

Root = str | os.PathLike[str] | None
ImageLike = str | os.PathLike[str] | bytes | NDArray[np.uint8]

_builders: set[int] = set()  # processes with a network: this one, and those that it was forked from


def load_features(
    dataset: str, backbone: str | None = None, *, root: Root = None
) -> dict[str, Features]:
    """Read the features of a dataset: `train`, `val` and, where there is one, `test`.

    Args:
        dataset: A name of params.yaml.
        backbone: Another; None: the first.
        root: The project's folder; None: the current one, or the nearest above it.

    Raises:
        ParamsError: There is no project there, or it has no such dataset or backbone.
        FeaturesError: The stage `extract` has not run, or the file is damaged.
    """
    with _project(root) as (folder, params):
        backbone = _choose(params, dataset, backbone)
        found = loading.load_features(dataset, backbone)
    return {name: _features(folder, found.header, name, one) for name, one in found.splits.items()}


def load_head(dataset: str, backbone: str | None = None, *, root: Root = None) -> TrainedHead:
    """Read the head that the stage `train` fitted, and how good its predictions are.

    Args:
        dataset: A name of params.yaml.
        backbone: Another; None: the first.
        root: The project's folder; None: the current one, or the nearest above it.

    Raises:
        ParamsError: There is no project there, or it has no such dataset or backbone.
        HeadError: The stage `train` has not run, or a file is damaged.
    """
    with _project(root) as (_, params):
        folder = paths.model_folder(dataset, _choose(params, dataset, backbone))
        saved = read_head(folder)
        splits = {"train"} if saved.info.fit_on == "train" else set(SPLITS)
        fitted_to: set[str] = set()
        blocks = _noting(read_head_predictions(folder), splits, fitted_to)
        metrics = compute_metrics(MeasuredRows.of(blocks))
    return _trained(
        saved.info.classes,
        saved.head(),
        metrics,
        saved.info.fingerprint,
        fitted_to=frozenset(fitted_to),
        groups=frozenset(fitted_to),  # the smallest sha256 of a group names it
    )


def fit_head(features: Features, kind: str | None = None, **settings: object) -> TrainedHead:
    """Fit a head in memory, as the stage `train` does; nothing is written.

    Args:
        features: What it learns from, originals and copies.
        kind: `mlp`, `linear`, `logistic`, `lda`, `knn` or `centroid`; None: that of params.yaml.
        **settings: Keys of the section `head` that shall differ from params.yaml, as `units=256`; not
            `fit_on`, for a head is fitted to the features that are given.

    Raises:
        ParamsError: params.yaml cannot be read, or a setting is unknown or out of range.
        FeaturesError: What is given is no record of features, a label is none of the classes, or a feature
            is no finite number.
        HeadError: There is nothing to learn from, of all or of some class, or the settings do not lead to a
            head; says what to change.
    """
    check_record(features, "fit_head")
    _check_classes(features)
    if "fit_on" in settings:
        raise ParamsError(
            f"fit_on={settings['fit_on']!r}: a head is fitted to the features that are given; expected other "
            "keys of the section head."
        )
    changes = {name: _plain(value) for name, value in settings.items()}
    if kind is not None:
        changes["kind"] = kind
    with _project(features.root) as (_, params):
        changed = change_head(params.head, changes)
    outcome = heads.fit_head(features.rows(), heads.Recipe.of(changed))
    return _trained(
        features.classes,
        outcome.head,
        {},
        features.fingerprint,
        fitted_to=frozenset(features.originals().sha256.tolist()),
        groups=frozenset(features.group.tolist()),
    )


def predict(
    images: ImageLike | Iterable[ImageLike],
    dataset: str,
    backbone: str | None = None,
    *,
    root: Root = None,
) -> list[Answer]:
    """Say what images show: the answers of `bottleneck predict`, one an image, in order.

    Args:
        images: One or more: a file's path, a file's bytes, or pixels uint8 `(h, w, 3)`, RGB, 0..255.
            Answers about what is no path call it `image 0`, `image 1`, ... by its place.
        dataset: Whose head answers.
        backbone: By whose features; None: the first of params.yaml.
        root: The project's folder; None: the current one, or the nearest above it.

    Raises:
        ImageError: Some are missing or no images; names all of them, and no image is answered.
        ParamsError: There is no project there, or it has no such dataset or backbone.
        HeadError: No head was trained, or it was trained on features of another fingerprint.
        PipelineError: This process was forked from one that has called it.
    """
    several = _as_several(images)
    with _project(root) as (_, params), TemporaryDirectory() as folder:
        backbone = _choose(params, dataset, backbone)
        here = f"{folder}{os.sep}"
        files = [_as_file(image, Path(here, f"image {n}")) for n, image in enumerate(several)]
        try:
            extractor = _open_extractor(backbone, params)
            answers = list(predict_files(files, dataset, backbone, params, extractor=extractor))
        except ImageError as error:
            raise ImageError(str(error).replace(here, "")) from None
    return [replace(answer, file=answer.file.removeprefix(here)) for answer in answers]


def _plain(value: object) -> object:
    """Return NumPy's numbers, and those in a list, as Python's: settings are of these."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _check_classes(features: Features) -> None:
    """Refuse features of which a class has no row: a head would answer it and know nothing of it.

    Raises:
        HeadError: Names all such classes.
    """
    if not len(features):
        raise HeadError("there is no image to learn from: these features have no row.")
    known = set(features.labels.tolist())
    lacking = [name for label, name in enumerate(features.classes) if label not in known]
    if lacking:
        raise HeadError(
            f"there is no image to learn from of {len(lacking)} of the {len(features.classes)} classes: "
            f"{', '.join(lacking)}. Add rows of each, or give `classes` and `labels` of those that have some."
        )


@contextmanager
def _project(root: Root) -> Iterator[tuple[Path, Params]]:
    """Give a project's folder and settings; as long as the block runs, `paths` means that project."""
    folder = (
        Path(root).expanduser().absolute() if root is not None else _nearest_project(Path.cwd())
    )
    if not (folder / paths.PARAMS).is_file():
        raise ParamsError(
            f"there is no project in {folder}: it holds no {paths.PARAMS}. Work in the project's "
            "folder or below it, or say where it is, as root='~/project'."
        )
    with paths.project_at(folder):
        yield folder, load_params(folder / paths.PARAMS)


def _nearest_project(here: Path) -> Path:
    """Return the nearest folder from here upwards that holds a project; this one where none does.

    A project's studies have a params.yaml of their own, which makes no project of their folder.
    """
    found = [one for one in (here, *here.parents) if (one / paths.PARAMS).is_file()]
    studies = {one / paths.STUDIES.parent for one in found}
    return next((one for one in found if one not in studies), here)


def _choose(params: Params, dataset: str, backbone: str | None) -> str:
    """Return the backbone that is meant, where params.yaml has it and the dataset."""
    backbone = next(iter(params.backbones)) if backbone is None else backbone
    for noun, name in (("dataset", dataset), ("backbone", backbone)):
        if not isinstance(name, str):
            raise ParamsError(
                f"a {noun} is given by its name in {paths.PARAMS}; found {describe(name)}."
            )
    params.dataset(dataset), params.backbone(backbone)
    return backbone


def _open_extractor(backbone: str, params: Params) -> JointExtractor:
    """Return what computes features; to build it takes seconds, so the last one is kept.

    Raises:
        PipelineError: This process was forked from one that has built a network: the libraries' threads
            are not forked, and whatever computes here, this network or a fresh one, would wait for them.
    """
    if _builders - {os.getpid()}:
        raise PipelineError(
            "predict was called in the process that this one was forked from, and a network computes nothing "
            "in a fork: start processes by multiprocessing.get_context('spawn'), or predict in them alone."
        )
    settings = params.backbone(backbone)
    weights = paths.weights_file(settings.weights).absolute()
    changed = max((one.stat().st_mtime_ns for one in files_of(weights)), default=0)
    return _kept_extractor(backbone, settings, params.extract, weights, changed)


@lru_cache(maxsize=1)
def _kept_extractor(
    backbone: str, settings: AnyBackbone, extract: ExtractParams, *weights: object
) -> JointExtractor:
    _builders.add(os.getpid())
    return JointExtractor.of(backbone, settings, extract)


def _features(root: Path, header: Header, split: str, block: Block) -> Features:
    texts = {name: np.char.decode(getattr(block, name), "utf-8") for name in TEXTS}
    return Features(
        dataset=header.dataset,
        backbone=header.backbone,
        split=split,
        classes=header.classes,
        features=block.features,
        labels=block.labels,
        copy=block.copy,
        root=root,
        fingerprint=header.fingerprint,
        **texts,
    )


def _noting(
    blocks: Iterable[Predictions], splits: set[str], images: set[str]
) -> Iterator[Predictions]:
    """Pass predictions on, and note the sha256 of the images of some splits."""
    for block in blocks:
        pairs = zip(block.splits, block.sha256, strict=True)
        images.update(sha256 for split, sha256 in pairs if split in splits)
        yield block


def _trained(
    classes: tuple[str, ...],
    head: Head,
    metrics: Mapping[str, Figures],
    fingerprint: str,
    *,
    fitted_to: frozenset[str],
    groups: frozenset[str],
) -> TrainedHead:
    own = head.settings.model_dump(mode="json")
    settings = {**own, "scaling": head.scaler.scaling}
    return TrainedHead(
        classes=classes,
        kind=head.kind,
        settings=settings,
        metrics=metrics,
        head=head,
        fingerprint=fingerprint,
        fitted_to=fitted_to,
        groups=groups,
    )


def _as_several(images: object) -> Iterable[Any]:
    """Return what is given as images, one or more.

    Raises:
        ImageError: It is neither an image nor a collection of images, though it may be one of lines or bytes.
    """
    dimensions = images.ndim if isinstance(images, np.ndarray) else None
    if isinstance(images, str | os.PathLike | bytes) or dimensions == 3:
        return [images]
    is_file = hasattr(images, "read")  # and yields lines
    is_else = is_file or isinstance(images, bytearray | memoryview) or dimensions in (0, 2)
    if is_else or not isinstance(images, Iterable):
        raise ImageError(_no_image("what is given", images))
    return images


def _as_file(image: ImageLike, path: Path) -> Path:
    """Return the path of an image's file, which is written where there is none; pixels stay as they are."""
    if isinstance(image, str | os.PathLike):
        return Path(image)
    path.write_bytes(image if isinstance(image, bytes) else _as_png(image, path.name))
    return path


def _as_png(pixels: NDArray[np.uint8], name: str) -> bytes:
    is_rgb = (
        isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[2:] == (3,)
    )
    if not is_rgb or not pixels.size:
        raise ImageError(_no_image(name, pixels))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _no_image(name: str, value: object) -> str:
    return f"{name} is {describe(value)}; expected a path, bytes, or an array uint8 (h, w, 3), RGB."
