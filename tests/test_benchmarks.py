"""The benchmarks run, each on a tiny input: one that nobody runs is broken before long."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sample_features import place_features, rows_of
from tests.sample_images import encode, scene

ROOT = Path(__file__).parents[1]
ARGUMENTS = {
    "activations": ["--networks", "efficientnet_lite0", "mobilenetv3small"],
    "bookkeeping": ["--images", "60", "--rounds", "1"],
    "compression": ["PHOTOS", "--images", "8"],
    "damage": ["PHOTOS"],
    "decoding": ["PHOTOS"],
    "defaults": ["FEATURES", "--folds", "2", "--repeats", "1", "--fractions", "1"],
    "drawn_difficulty": ["cats_vs_dogs", "--images", "10"],
    "duplicates": ["PHOTOS"],
    "experiment": ["PHOTOS", "--rounds", "1"],
    "export": ["PHOTOS", "--formats", ".keras"],
    "extract": ["PHOTOS", "--images", "8", "--rounds", "1"],
    "gpu": [
        "PHOTOS", "--networks", "efficientnet_lite0", "--precisions", "float32", "--images", "20",
        "--batch-size", "8", "--input-size", "32", "--rounds", "1",
    ],
    "heads": ["--quick", "--rounds", "1"],
    "int8": ["PHOTOS"],
    "kills": ["PHOTOS", "--kills", "1"],
    # Keras's and this project's ways alone: the others need packages from elsewhere.
    "peers behaviour": ["PHOTOS", "--images", "8", "--only", "DVC, one stage", "DVC, two stages"],
    "peers quality": ["PHOTOS", "--seeds", "7"],
    "peers speed": [
        "PHOTOS", "--images", "8", "--rounds", "1", "--only", "ours, TensorFlow",
        "image_dataset + predict", "ImageDataGenerator + predict",
    ],
    "precision": ["PHOTOS"],
    "predict": ["PHOTOS", "--rounds", "1"],
    "prepare": ["PHOTOS", "--rounds", "1"],
    "report": ["--images", "60", "--classes", "3"],
    "spread": ["--images", "2000", "--files", "200"],
    "size": ["--images", "30", "60", "--classes", "3"],
    "store": ["--stored", "1000", "--sizes", "100", "200"],
    "suspects": ["FEATURES", "FEATURES", "--seeds", "7", "--times", "40,2"],
}  # fmt: skip
# They build networks, run Keras or all stages, or write much.
LONG_ONES = {
    "activations",
    "bookkeeping",
    "compression",
    "decoding",
    "drawn_difficulty",
    "experiment",
    "export",
    "extract",
    "gpu",
    "heads",
    "int8",
    "kills",
    "peers behaviour",
    "peers quality",
    "peers speed",
    "precision",
    "predict",
    "spread",
    "size",
    "store",
}
LONG = pytest.mark.long
NEEDS = {"int8": "nncf", "spread": "ray"}


def test_each_benchmark_is_run() -> None:
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert {name.split()[0] for name in ARGUMENTS} == scripts - {"photos"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG if name in LONG_ONES else ()) for name in ARGUMENTS]
)
def test_a_benchmark_prints_its_figures(name: str, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS.get(name, "pipeline"))
    for number in range(24):
        file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(scene(seed=number), "JPEG"))
    place_features(tmp_path / "features.h5", rows_of(20), rows_of(6))
    inputs = {"PHOTOS": str(tmp_path / "photos"), "FEATURES": str(tmp_path / "features.h5")}
    script, *part = name.split()
    arguments = [*part, *(inputs.get(word, word) for word in ARGUMENTS[name])]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(sign.isdigit() for sign in done.stdout)
