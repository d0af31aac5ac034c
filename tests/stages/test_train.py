"""Stage train: head, predictions and history of a features file, of every original and of no copy."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import FeaturesError, HeadError, ParamsError
from pipeline.features import Block, Header, create_features
from pipeline.heads.saving import read_head
from pipeline.params import Params
from pipeline.predictions_file import read_predictions
from pipeline.stages import train
from tests.project import BACKBONE, make_params, make_project

CLASSES = ("cat", "dog")
SETTINGS: dict[str, Any] = {"head.epochs": 8, "head.learning_rate": 0.1}
KINDS = ("centroid", "knn", "lda", "linear", "logistic", "mlp")
WEIGHTS = f"models/pets/{BACKBONE}/head.safetensors"
SIZES = {"train": 30, "val": 12, "test": 6}
Change = Callable[[str, Block], Block]


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


def write(
    dataset: str = "pets", backbone: str = BACKBONE, change: Change | None = None, **sizes: int
) -> None:
    """Write a features file; `change` may turn the block of a split into another."""
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
            found = change(split, found) if change else found
            writer.add_split(split, len(found), found.features.shape[1:], np.float16, 40)
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
    assert list(history[0]) == ["epoch", "split", "log_loss", "accuracy"]
    assert [(row["epoch"], row["split"]) for row in history] == [
        (str(epoch), split) for epoch in range(1, 9) for split in ("train", "val")
    ]
    assert float(history[-2]["log_loss"]) < float(history[0]["log_loss"])
    last = history[-1]
    assert line == (
        f"pets/{BACKBONE}: linear head: val log loss {float(last['log_loss']):.4f}, "
        f"val accuracy {float(last['accuracy']):.4f}"
    )


@pytest.mark.usefixtures("params")
def test_what_was_held_out_is_in_the_history_and_what_it_decided_in_line_and_head() -> None:
    line = train.run(
        "pets", BACKBONE, make_params({**SETTINGS, "head.patience": 2, "head.holdout": 0.3})
    )
    with paths.history_file("pets", BACKBONE).open() as stream:
        history = list(csv.DictReader(stream))
    chosen = json.loads((paths.model_folder("pets", BACKBONE) / "head.json").read_text())["chosen"]
    held_out = [float(row["log_loss"]) for row in history if row["split"] == "holdout"]
    assert chosen == {"epochs": 1 + held_out.index(min(held_out))}
    assert f"linear head (epochs {chosen['epochs']:.0f} chosen inside train): val log loss" in line
    assert sum(row["split"] == "val" for row in history) == chosen["epochs"]


def with_other_val_labels(split: str, found: Block) -> Block:
    return replace(found, labels=1 - found.labels) if split != "train" else found


def with_other_val_features(split: str, found: Block) -> Block:
    return (
        replace(found, features=found.features[::-1] * np.float16(3)) if split != "train" else found
    )


@pytest.mark.parametrize(
    ("change", "sizes"),
    [
        (with_other_val_labels, SIZES), (with_other_val_features, SIZES),
        (None, {"train": 30, "val": 50, "test": 20}), (None, {"train": 30, "val": 12}),
    ],
    ids=["other labels", "other features", "more images", "no test"],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("params")
def test_val_and_test_decide_nothing(
    kind: str, change: Change | None, sizes: dict[str, int]
) -> None:
    changes = {
        **SETTINGS, "head.kind": kind, "head.scaling": "standard", "head.calibrate": True,
        "head.holdout": 0.3, "head.patience": 2, "head.restarts": 2, "head.dropout": 0.5, "head.k": 5,
    }  # fmt: skip
    train.run("pets", BACKBONE, make_params(changes))
    before = results()
    write(change=change, **sizes)
    train.run("pets", BACKBONE, make_params(changes))
    after = results()
    assert after[WEIGHTS] == before[WEIGHTS]
    assert described(after)["chosen"] == described(before)["chosen"]
    assert described(after)["temperature"] == described(before)["temperature"] != 1
    predictions = f"models/pets/{BACKBONE}/predictions.csv"
    assert after[predictions] != before[predictions]


def described(files: dict[str, bytes]) -> Any:
    return json.loads(files[f"models/pets/{BACKBONE}/head.json"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("params")
def test_a_head_fitted_to_all_is_saved_beside_the_figures_of_its_twin(kind: str) -> None:
    changes = {**SETTINGS, "head.kind": kind, "head.patience": 2, "head.holdout": 0.3, "head.k": 5}
    found = {}
    for fit_on in ("train", "all"):
        train.run("pets", BACKBONE, make_params({**changes, "head.fit_on": fit_on}))
        found[fit_on] = results()
    one, all_of_them = found["train"], found["all"]
    assert [name for name in one if one[name] != all_of_them[name]] == [
        f"models/pets/{BACKBONE}/head.json", WEIGHTS,
    ]  # fmt: skip
    assert (described(one)["fit_on"], described(all_of_them)["fit_on"]) == ("train", "all")
    assert (described(one)["rows"], described(all_of_them)["rows"]) == (30, 48)
    for key in ("chosen", "temperature", "trials", "settings", "predictions_sha256"):
        assert described(one)[key] == described(all_of_them)[key]
    write(change=with_other_val_labels)
    train.run("pets", BACKBONE, make_params({**changes, "head.fit_on": "all"}))
    assert results()[WEIGHTS] != all_of_them[WEIGHTS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("params")
def test_maps_are_taken_too(kind: str) -> None:
    def as_maps(split: str, found: Block) -> Block:
        return replace(found, features=found.features.reshape(-1, 2, 1, 2))

    train.run("pets", BACKBONE, make_params({**SETTINGS, "head.kind": kind, "head.k": 5}))
    flat = results()
    write(change=as_maps)
    train.run("pets", BACKBONE, make_params({**SETTINGS, "head.kind": kind, "head.k": 5}))
    assert results()[WEIGHTS] == flat[WEIGHTS]
    saved = read_head(paths.model_folder("pets", BACKBONE))
    assert saved.info.shape == (2, 1, 2)
    asked = block("val", 12, 0, 4, 2)
    said = saved.head().probabilities(asked.features.reshape(-1, 2, 1, 2))
    assert (said.argmax(axis=1) == asked.labels).mean() > 0.9


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
    head = read_head(paths.model_folder("pets", BACKBONE)).head()
    expected = head.probabilities(block("val", SIZES["val"], 0, 4, 2).features)
    found = read_predictions(paths.predictions_file("pets", BACKBONE)).of_split("val").probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_block_is_so_small_that_the_predictions_change(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = paths.predictions_file("pets", BACKBONE).read_bytes()
    monkeypatch.setattr("pipeline.heads.rows.BLOCK_VALUES", 7 * 4)
    train.run("pets", BACKBONE, params)
    assert paths.predictions_file("pets", BACKBONE).read_bytes() == whole


def test_training_again_in_one_process_gives_the_same_bytes(params: Params) -> None:
    first = results()
    train.run("pets", BACKBONE, params)
    assert results() == first


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
