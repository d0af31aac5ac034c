"""Stage train: head, predictions and history of a features file, of every original and of no copy."""

import csv
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import FeaturesError, HeadError, ParamsError
from pipeline.features import Block, Header, create_features
from pipeline.heads import load_head
from pipeline.params import Params
from pipeline.predictions import read_predictions
from pipeline.stages import train
from tests.project import BACKBONE, make_params, make_project

CLASSES = ("cat", "dog")
SETTINGS = {"head.epochs": 8, "head.learning_rate": 0.1}
SIZES = {"train": 30, "val": 12, "test": 6}


def key(*parts: object) -> bytes:
    return sha256(" ".join(map(str, parts)).encode()).hexdigest().encode()


def block(split: str, rows: int, copies: int, width: int, classes: int) -> Block:
    """Return rows of separable features, each original with its copies after it."""
    chance = np.random.default_rng(len(split))
    labels = np.repeat(np.arange(rows) % classes, copies + 1)
    features = chance.normal(0, 0.3, (len(labels), width)) + np.eye(classes, width)[labels]
    originals = np.repeat(np.arange(rows), copies + 1)
    number = np.tile(np.arange(copies + 1), rows)
    return Block(
        features=features.astype(np.float16),
        labels=labels.astype(np.int64),
        sha256=np.array([key(split, o, c) for o, c in zip(originals, number, strict=True)], "S64"),
        parent=np.array([key(split, o, 0) for o in originals], "S64"),
        group=np.array([key(split, o, 0) for o in originals], "S64"),
        copy=number.astype(np.uint8),
        path=np.array(
            [f"{split}/{o}__copy{c}.jpg" for o, c in zip(originals, number, strict=True)], np.bytes_
        ),
    )


def write(dataset: str = "pets", backbone: str = BACKBONE, **sizes: int) -> None:
    header = Header(
        dataset=dataset,
        classes=CLASSES,
        backbone=backbone,
        fingerprint="f" * 32,
        fingerprint_parts='{"a":1}',
    )
    with create_features(paths.features_file("pets", BACKBONE), header) as writer:
        for split, rows in (sizes or SIZES).items():
            found = block(split, rows, 2 if split == "train" else 0, 4, 2)
            writer.add_split(split, len(found), (4,), np.float16, 40)
            writer.append(split, found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params, str]:
    """A project with features and a trained head, not to be changed; and what the stage said."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        params = make_project(root, patch, SETTINGS)
        write()
        return root, params, train.run("pets", BACKBONE, params)


@pytest.fixture
def params(
    trained: tuple[Path, Params, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Params:
    """A copy of the project, in which the test runs."""
    monkeypatch.chdir(shutil.copytree(trained[0], tmp_path / "project"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return trained[1]


def results() -> dict[str, bytes]:
    files = [
        file
        for folder in ("models", "plots")
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file()
    ]
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.usefixtures("params")
def test_head_predictions_and_history_are_written(trained: tuple[Path, Params, str]) -> None:
    line = trained[2]
    assert sorted(results()) == [
        f"models/pets/{BACKBONE}/{name}"
        for name in ("head.json", "head.safetensors", "predictions.csv")
    ] + [f"plots/pets/{BACKBONE}/history.csv"]
    with paths.history_file("pets", BACKBONE).open() as stream:
        history = list(csv.DictReader(stream))
    assert [row["epoch"] for row in history] == [str(epoch) for epoch in range(1, 9)]
    assert list(history[0]) == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy"]
    assert float(history[-1]["loss"]) < float(history[0]["loss"])
    best = min(history, key=lambda row: float(row["val_loss"]))
    assert line == (
        f"pets/{BACKBONE}: linear head, 8 epochs, best {best['epoch']}: "
        f"val loss {float(best['val_loss']):.4f}, val accuracy {float(best['val_accuracy']):.4f}"
    )


@pytest.mark.usefixtures("params")
def test_every_original_of_every_split_is_predicted_and_no_copy() -> None:
    table = read_predictions(paths.predictions_file("pets", BACKBONE))
    assert len(table) == sum(SIZES.values())
    for split, rows in SIZES.items():
        part = table.of_split(split)
        assert part.sha256 == tuple(key(split, row, 0).decode() for row in range(rows))
        assert part.path == tuple(f"{split}/{row}__copy0.jpg" for row in range(rows))
        assert part.labels.tolist() == [row % 2 for row in range(rows)]
    assert (table.of_split("test").predicted_labels() == table.of_split("test").labels).mean() > 0.8


@pytest.mark.usefixtures("params")
def test_the_predictions_are_those_of_the_saved_head() -> None:
    head = load_head(paths.model_folder("pets", BACKBONE))
    expected = head.probabilities(block("val", SIZES["val"], 0, 4, 2).features)
    found = read_predictions(paths.predictions_file("pets", BACKBONE)).of_split("val").probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_training_again_in_one_process_gives_the_same_bytes(params: Params) -> None:
    first = results()
    train.run("pets", BACKBONE, params)
    assert results() == first


@pytest.mark.slow
@pytest.mark.usefixtures("params")
def test_another_seed_gives_another_head() -> None:
    first = results()
    train.run("pets", BACKBONE, make_params({**SETTINGS, "head.seed": 8}))
    assert [name for name in first if first[name] == results()[name]] == []


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (
            lambda: paths.features_file("pets", BACKBONE).unlink(),
            FeaturesError,
            "is missing: run the stage extract",
        ),
        (
            lambda: write(dataset="other"),
            FeaturesError,
            f"holds other/{BACKBONE}, not pets/{BACKBONE}: run the",
        ),
        (
            lambda: write(backbone="vgg16"),
            FeaturesError,
            f"holds pets/vgg16, not pets/{BACKBONE}: run the stage",
        ),
        (
            lambda: write(train=6),
            FeaturesError,
            r"has the groups \['train'\]; train and val are needed",
        ),
    ],
)
def test_features_that_do_not_fit_are_refused_and_the_old_head_stays(
    params: Params, prepare: Any, error: Any, message: str
) -> None:
    before = results()
    prepare()
    with pytest.raises(error, match=message):
        train.run("pets", BACKBONE, params)
    assert results() == before


def test_truncated_features_are_refused(params: Params) -> None:
    file = paths.features_file("pets", BACKBONE)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FeaturesError, match="damaged"):
        train.run("pets", BACKBONE, params)


@pytest.mark.slow
@pytest.mark.usefixtures("params")
def test_a_learning_rate_beyond_reason_is_named_and_the_old_head_stays() -> None:
    before = results()
    wild = {"head.optimizer": "sgd", "head.learning_rate": 1e30, "head.l2": 1.0}
    with pytest.raises(
        HeadError, match=r"training diverged: .* Lower head\.learning_rate, 1e\+30 now"
    ):
        train.run("pets", BACKBONE, make_params(wild))
    assert results() == before


@pytest.mark.parametrize(
    ("dataset", "backbone", "message"),
    [
        ("pet", BACKBONE, "no dataset 'pet'.*'pets'"),
        ("pets", "efficientnet_lite1", "no backbone 'efficientnet_lite1'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    params: Params, dataset: str, backbone: str, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        train.run(dataset, backbone, params)
