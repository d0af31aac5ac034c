"""Stage evaluate: files in, files out, nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import HeadError, ParamsError
from pipeline.params import Params, parse_params
from pipeline.predictions import Predictions
from pipeline.stages import evaluate
from tests.project import place_head


@pytest.fixture
def params() -> Params:
    sections: dict[str, Any] = {
        "datasets": {name: {"source": "drawn"} for name in ("cats_vs_dogs", "flowers")},
        "backbones": {"efficientnet_lite0": {}},
        "split": {"val_fraction": 0.5, "seed": 7},
        "augment": {"copies": 0, "rotate": 0.0, "shift": 0.0, "zoom": 0.0, "flip": True, "seed": 7},
        "extract": {"engine": "auto", "precision": "float32", "batch_size": 1, "dtype": "float16"},
        "head": {"kind": "linear", "units": 1, "dropout": 0.0, "l2": 0.0, "optimizer": "adam",
                 "learning_rate": 1e-3, "batch_size": 1, "epochs": 1, "patience": 0, "seed": 7},
    }  # fmt: skip
    return parse_params(sections)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root that holds nothing but predictions: 3 of 4 are right in val, all in train."""
    monkeypatch.chdir(tmp_path)
    predictions = Predictions(
        splits=("train", "train", *["val"] * 4),
        sha256=tuple("abcdef"),
        path=tuple("abcdef"),
        labels=np.array([0, 1, 0, 0, 1, 1]),
        classes=("cat", "dog"),
        probabilities=np.array(
            [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]
        ),
    )
    place_head("cats_vs_dogs", "efficientnet_lite0", predictions)
    return tmp_path


def test_metrics_and_curves_are_written(project: Path, params: Params) -> None:
    line = evaluate.run("cats_vs_dogs", "efficientnet_lite0", params)
    assert line.startswith(
        "cats_vs_dogs efficientnet_lite0: val accuracy 0.7500 (95 % interval 0.3006 to"
    )
    metrics = json.loads((project / "metrics/cats_vs_dogs/efficientnet_lite0.json").read_text())
    assert metrics["val"]["accuracy"] == 0.75
    assert metrics["train"] == {"accuracy": 1.0, "log_loss": 0.105361}
    plots = project / "plots/cats_vs_dogs/efficientnet_lite0"
    assert (
        plots / "confusion.csv"
    ).read_text() == "actual,predicted\ncat,cat\ncat,dog\ndog,dog\ndog,dog\n"
    assert (plots / "roc.csv").read_text().startswith("class,fpr,tpr,threshold\n")
    assert (
        (plots / "precision_recall.csv")
        .read_text()
        .startswith("class,recall,precision,threshold\n")
    )
    assert (plots / "per_class.csv").read_text().splitlines() == [
        "class,n,precision,recall,specificity,f1,roc_auc,average_precision",
        "cat,2,1.0,0.5,1.0,0.666667,1.0,1.0",
        "dog,2,0.666667,1.0,0.5,0.8,1.0,1.0",
        "macro average,4,0.833333,0.75,0.75,0.733333,1.0,1.0",
    ]
    assert (plots / "calibration.csv").read_text().startswith("confidence,accuracy,n\n")


def test_the_same_predictions_give_the_same_bytes(project: Path, params: Params) -> None:
    def contents() -> dict[Path, bytes]:
        evaluate.run("cats_vs_dogs", "efficientnet_lite0", params)
        return {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}

    first = contents()
    assert len(first) == 9
    assert contents() == first
    assert all(b"\r" not in content for content in first.values())


def test_metrics_are_sorted_and_end_with_a_newline(project: Path, params: Params) -> None:
    evaluate.run("cats_vs_dogs", "efficientnet_lite0", params)
    text = (project / "metrics/cats_vs_dogs/efficientnet_lite0.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_without_predictions_nothing_is_written(project: Path, params: Params) -> None:
    with pytest.raises(HeadError, match=r"models/flowers/.*: run the stage train first"):
        evaluate.run("flowers", "efficientnet_lite0", params)
    assert not (project / "metrics").exists()


def test_what_params_yaml_does_not_name_is_an_error(project: Path, params: Params) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml has no dataset 'cats'"):
        evaluate.run("cats", "efficientnet_lite0", params)
    with pytest.raises(ParamsError, match=r"params\.yaml has no backbone 'resnet50'"):
        evaluate.run("cats_vs_dogs", "resnet50", params)


@pytest.mark.parametrize("cut", [1, -1])
def test_a_table_that_lacks_rows_gives_no_metrics(project: Path, params: Params, cut: int) -> None:
    table = project / paths.predictions_file("cats_vs_dogs", "efficientnet_lite0")
    lines = table.read_text().splitlines(keepends=True)
    del lines[cut]
    table.write_text("".join(lines))
    with pytest.raises(HeadError, match=r"predictions\.csv has the sha256 .*stage train again"):
        evaluate.run("cats_vs_dogs", "efficientnet_lite0", params)
    assert not (project / "metrics").exists()


@pytest.mark.parametrize("stage", ["evaluate", "report", "report_dataset", "report_head"])
def test_nothing_heavy_is_imported(stage: str) -> None:
    code = f"import sys, pipeline.stages.{stage}; print({{'tensorflow', 'sklearn'}} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], capture_output=True
    )
    assert done.stdout == b"set()\n"
