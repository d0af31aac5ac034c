"""What there is to choose from: the datasets of params.yaml and how far each is, and a backbone's layers."""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import paths
from pipeline.catalogue.backbones import CATALOGUE as NETWORKS
from pipeline.catalogue.backbones import SOURCES
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ManifestError, SourceError
from pipeline.manifest import DUPLICATE, QUARANTINED
from pipeline.params import AnyBackbone, BackboneParams, DatasetParams, Params
from pipeline.tools.words import count_of
from pipeline.urls import plain_url


def describe_catalogue() -> Iterator[str]:
    """Yield a line a dataset that is known by name."""
    for known in CATALOGUE.values():
        yield f"{known.name:20} {known.title}: {', '.join(known.classes)}"


def describe_datasets(datasets: Mapping[str, DatasetParams]) -> Iterator[str]:
    """Yield a line a dataset: its name, its source, and what fetch and split have found in it.

    Raises:
        ManifestError: The counts of split cannot be read; names the file.
    """
    rows = [(name, _source(settings), _progress(name)) for name, settings in datasets.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, source, progress in rows:
        yield f"{name:{widths[0]}}  {source:{widths[1]}}  {progress}"


def describe_networks() -> Iterator[str]:
    """Yield a line a network of the catalogue, what it takes and gives, and where the accuracies are from."""
    yield f"{'network':18}  parameters  input_size  width  ImageNet"
    for one in NETWORKS.values():
        if one.figures is not None:
            parameters, input_size, width, top1, _ = one.figures
            figures = f"{parameters:9.1f}M  {input_size:10}  {width:5}  {top1:6.1f} %"
            yield f"{one.name:18} {figures}  {one.title}"
    yield f"parameters without the classifier; ImageNet: top-1 accuracy with it, from {SOURCES}"


def describe_layers(name: str, params: Params | None) -> Iterator[str]:
    """Yield a line a layer of a backbone: its name, its type and the shape of its output.

    The network is built without its weights, which decide no shape. Of several, one follows the other.

    Args:
        name: Of params.yaml, whose `input_size` counts then, or else of the catalogue.
        params: All settings; None outside of a project.

    Raises:
        BackboneError: There is no such backbone, or it cannot be built for its `input_size`.
    """
    backbones: Mapping[str, AnyBackbone] = params.backbones if params else {}
    networks = backbones.get(name, BackboneParams()).networks
    for one in networks:
        if len(networks) > 1:
            yield f"{one.network}:"
        yield from _describe_network(name, one)


def _describe_network(name: str, found: BackboneParams) -> Iterator[str]:
    from pipeline.backbones.backbone import Backbone

    backbone = Backbone(name, found.without_weights())
    rows = [(layer, kind, _shape(shape)) for layer, kind, shape in backbone.list_layers()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for layer, kind, shape in rows:
        yield f"{layer:{widths[0]}}  {kind:{widths[1]}}  {shape}"
    null = "the first output" if backbone.needs_openvino else "the last one"
    yield (
        f"{count_of(len(rows), 'layer')} at input_size {found.input_size}; layer: null is {null} "
        f"({paths.PARAMS}, backbones)"
    )


def _source(settings: DatasetParams) -> str:
    return (
        f"{settings.source} {plain_url(settings.archive)}" if settings.archive else settings.source
    )


def _progress(dataset: str) -> str:
    """Say what split has counted, or which stage has not run yet."""
    file = paths.data_metrics_file(dataset)
    try:
        return _describe_counts(json.loads(file.read_bytes()), _count_classes(dataset))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{file} is damaged ({error!r}): run the stage split again.") from None
    try:
        paths.raw_archive(dataset)
    except SourceError:
        return "not fetched yet"
    return "fetched, not split yet"


def _count_classes(dataset: str) -> int:
    with paths.classes_file(dataset).open(encoding="utf-8", newline="") as table:
        return sum(1 for _ in csv.DictReader(table))


def _describe_counts(counts: Mapping[str, Any], classes: int) -> str:
    """Say how many images there are of how many classes, where they are, and how many are not used."""
    images = counts["images"]
    sizes = ", ".join(f"{size:,} {split}" for split, size in counts["splits"].items())
    left_out = "".join(
        f", {images[status]:,} {status}" for status in (DUPLICATE, QUARANTINED) if images[status]
    )
    return f"{count_of(classes, 'class', 'classes')}, {count_of(images['used'], 'image')} ({sizes}){left_out}"


def _shape(shape: tuple[int | None, ...]) -> str:
    """Write the shape of one image's output, as `7 x 7 x 1280`."""
    return " x ".join(map(str, shape[1:]))
