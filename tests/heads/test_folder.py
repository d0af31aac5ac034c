"""A head's folder: predictions are believed only beside the description that vouches for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import HeadError, InUse
from pipeline.files import atomic_folder
from pipeline.heads.folder import (
    DESCRIPTION,
    PREDICTIONS,
    WEIGHTS,
    read_description,
    read_head_predictions,
    write_folder,
)
from pipeline.predictions import join_predictions
from pipeline.predictions_file import write_predictions
from tests.damages import KINDS, damage
from tests.tables import two_predictions

CONTENT: dict[str, Any] = {"kind": "none", "deep": {"list": [1, 2.5, None, "\u00e4"]}}


def test_a_description_comes_back_with_the_sums_of_the_files(tmp_path: Path) -> None:
    write_folder(tmp_path, CONTENT, b"weights", [two_predictions()])
    found = read_description(tmp_path)
    assert {key: found[key] for key in CONTENT} == CONTENT
    assert found.keys() - CONTENT.keys() == {"weights_sha256", "predictions_sha256"}
    assert (tmp_path / WEIGHTS).read_bytes() == b"weights"


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_predictions_that_lack_rows_are_noticed(kept: int, tmp_path: Path) -> None:
    write_folder(tmp_path, CONTENT, b"", [two_predictions()])
    lines = (tmp_path / PREDICTIONS).read_text().splitlines(keepends=True)
    (tmp_path / PREDICTIONS).write_text("".join(lines[:kept]))
    with pytest.raises(HeadError, match=r"predictions.csv has the sha256 .*run the stage train"):
        read_head_predictions(tmp_path)


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, CONTENT, b"", [two_predictions()])
    (tmp_path / PREDICTIONS).unlink()
    with pytest.raises(
        HeadError, match=r"run the stage train first, .* .predictions.csv is missing"
    ):
        read_head_predictions(tmp_path)


def test_predictions_of_another_head_are_noticed(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_folder(tmp_path / name, CONTENT, b"", [two_predictions()])
    write_predictions(tmp_path / "one" / PREDICTIONS, [two_predictions().of_split("val")])
    with pytest.raises(HeadError, match=r"predictions\.csv has the sha256"):
        read_head_predictions(tmp_path / "one")
    assert len(join_predictions(read_head_predictions(tmp_path / "other"))) == 2


def test_predictions_need_no_weights(tmp_path: Path) -> None:
    write_folder(tmp_path, CONTENT, b"", [two_predictions()])
    (tmp_path / WEIGHTS).unlink()
    assert join_predictions(read_head_predictions(tmp_path)).labels.tolist() == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", [PREDICTIONS, DESCRIPTION])
def test_no_damage_passes(file: str, kind: str, tmp_path: Path) -> None:
    write_folder(tmp_path, CONTENT, b"", [two_predictions()])
    whole = (tmp_path / file).read_bytes()
    for seed in range(20):
        (tmp_path / file).write_bytes(damage(whole, kind, np.random.default_rng(seed)))
        try:
            assert read_description(tmp_path)["deep"] == CONTENT["deep"]
            assert join_predictions(read_head_predictions(tmp_path)).path == two_predictions().path
        except (HeadError, ValueError, RecursionError):
            continue
        # What is left is spaces, which mean nothing.
        assert json.loads((tmp_path / file).read_bytes()) == json.loads(whole)


def test_nothing_is_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"holds no trained head: run the stage train first"):
        read_head_predictions(tmp_path / "nowhere")


def test_two_runs_cannot_mix_their_files(tmp_path: Path) -> None:
    write_folder(tmp_path / "head", CONTENT, b"weights", [two_predictions()])
    with atomic_folder(tmp_path / "head"), pytest.raises(InUse):
        write_folder(tmp_path / "head", {}, b"others", [two_predictions()])
    write_folder(tmp_path / "head", CONTENT, b"weights", [two_predictions()])
    assert sorted(path.name for path in (tmp_path / "head").iterdir()) == [
        "head.json", "head.safetensors", "predictions.csv",
    ]  # fmt: skip
