"""A tiny project in a folder: settings, images drawn by NumPy, and what `split` and `augment` leave.

params = make_project(tmp_path, monkeypatch)                  # params.yaml, and chdir
draw_folders(tmp_path / "pets", {"cat": 10, "dog": 10})       # class folders, as an archive
place("pets", {"train/cat/a.jpg": draw_image(1)})           # instead of the stages split and augment
"""

import hashlib
import io
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline import paths
from pipeline.heads.saving import HeadInfo, SavedHead, write_head
from pipeline.manifest import CopyRow, ImageRow, write_copies, write_manifest
from pipeline.params import Params, parse_params
from pipeline.predictions import Predictions

BACKBONE = "efficientnet_lite0"
SETTINGS: dict[str, Any] = {
    "datasets": {"pets": {"source": "archive", "archive": "pets"}},
    "backbones": {BACKBONE: {"layer": None, "pooling": "avg", "input_size": 32, "weights": "imagenet"}},
    "split": {"val_fraction": 0.25, "test_fraction": 0.0, "seed": 7, "near_duplicates": False},
    "augment": {"copies": 1, "rotate": 20.0, "shift": 0.1, "zoom": 0.1, "flip": True, "seed": 7},
    "extract": {"engine": "auto", "precision": "float32", "batch_size": 8, "dtype": "float32"},
    "head": {
        "kind": "linear", "units": 8, "dropout": 0.0, "l2": 0.0, "optimizer": "adam", "learning_rate": 1e-2,
        "batch_size": 8, "epochs": 3, "patience": 0, "seed": 7,
    },
    "report": {"heat_maps": False},
}  # fmt: skip


def make_params(changes: Mapping[str, Any] | None = None) -> Params:
    """Return checked settings: SETTINGS with values changed by dotted key, as `dvc exp run -S` does."""
    return parse_params(_changed(changes))


def make_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, Any] | None = None
) -> Params:
    """Write params.yaml into a folder, made if missing, and work there; no DVC is around."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / paths.PARAMS).write_text(yaml.safe_dump(_changed(changes)), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return make_params(changes)


def draw_image(number: int, size: int = 48) -> bytes:
    """Return a JPEG of coloured noise blocks, different for each number."""
    blocks = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(blocks).resize((size, size), Image.Resampling.BILINEAR).save(
        stream, "JPEG", quality=90
    )
    return stream.getvalue()


def draw_folders(folder: Path, classes: Mapping[str, int], seed: int = 0) -> None:
    """Write a folder of JPEG images for each class: `<folder>/<class>/<class>.<number>.jpg`."""
    for place, (label, count) in enumerate(classes.items()):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            data = draw_image(seed + 10_000 * place + number)
            (folder / label / f"{label}.{number}.jpg").write_bytes(data)


def place(
    dataset: str,
    images: Mapping[str, bytes],
    copies: Mapping[str, Mapping[str, bytes]] | None = None,
) -> None:
    """Leave what the stages `split` and `augment` would: files, manifest, and table of copies.

    Args:
        dataset: Name.
        images: Path under the split folder, as `train/cat/a.jpg`, to the file's bytes.
        copies: Path of the image to those of its copies, as `train/cat/a__copy1.jpg`.
    """
    rows = {path: _image_row(path, data) for path, data in images.items()}
    write_manifest(paths.manifest_file(dataset), rows.values())
    for path, data in images.items():
        _write(paths.split_folder(dataset) / path, data)
    parents = sorted(copies or {}, key=lambda path: (rows[path].label, path))
    copy_rows = []
    for parent in parents:
        for number, (path, data) in enumerate((copies or {})[parent].items(), 1):
            _write(paths.augmented_folder(dataset) / path, data)
            sha256 = hashlib.sha256(data).hexdigest()
            copy_rows.append(
                CopyRow(parent=rows[parent].sha256, copy=number, sha256=sha256, path=path)
            )
    write_copies(paths.copies_file(dataset), copy_rows)


def place_head(dataset: str, backbone: str, predictions: Predictions, kind: str = "linear") -> None:
    """Leave what the stage `train` would, with these predictions; the head itself knows nothing."""
    info = HeadInfo(
        kind=kind, settings=make_params({"head.kind": kind}).head.own_settings().model_dump(mode="json"),
        scaling="none", temperature=1.0, shape=(1,), rows=1, fit_on="train", chosen={}, trials=(),
        classes=predictions.classes, backbone=backbone, fingerprint="f" * 32, fingerprint_parts="{}",
    )  # fmt: skip
    tensors = {name: np.zeros(size, np.float32) for name, size in info.tensor_shapes().items()}
    folder = paths.model_folder(dataset, backbone)
    write_head(folder, SavedHead(info=info, tensors=tensors), [predictions])


def _changed(changes: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = deepcopy(SETTINGS)
    for dotted, value in (changes or {}).items():
        *sections, key = dotted.split(".")
        section = settings
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
    return settings


def _image_row(path: str, data: bytes) -> ImageRow:
    split, label, _ = path.split("/")
    sha256 = hashlib.sha256(data).hexdigest()
    return ImageRow(
        split=split,
        label=label,
        path=path,
        sha256=sha256,
        member=path,
        bytes=len(data),
        group=sha256,
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
