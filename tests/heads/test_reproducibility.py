"""Equal bytes from every kind, whatever processor the libraries take this one for, with any threads."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.features import Block, Header, create_features
from tests.heads.examples import KINDS
from tests.project import BACKBONE

ROOT = Path(__file__).parents[2]
TRAINING = {
    "head.optimizer": "adam", "head.learning_rate": 3e-3, "head.schedule": "cosine", "head.batch_size": 64,
    "head.epochs": 15, "head.patience": 3, "head.restarts": 2, "head.l2": 1e-4, "head.scaling": "standard",
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {**TRAINING, "head.kind": "mlp", "head.units": 32, "head.dropout": 0.5, "head.fit_on": "all"},
    "rmsprop": {**TRAINING, "head.kind": "mlp", "head.units": [16, 16], "head.optimizer": "rmsprop",
                "head.l1": 1e-4, "head.scaling": "none", "head.calibrate": True, "head.restarts": 1},
    "sgd": {**TRAINING, "head.kind": "linear", "head.optimizer": "sgd", "head.class_weight": "balanced"},
    "linear": {**TRAINING, "head.kind": "linear", "head.scaling": "l2"},
    "logistic": {"head.kind": "logistic", "head.scaling": "standard"},
    "logistic_none": {"head.kind": "logistic", "head.class_weight": "balanced"},
    "lda": {"head.kind": "lda"},
    "knn": {"head.kind": "knn", "head.scaling": "standard"},
    "centroid": {"head.kind": "centroid"},
}  # fmt: skip


def cpu_features() -> list[str]:
    """Return the groups of instructions that NumPy has code of its own for and this processor knows."""
    import numpy._core._multiarray_umath as umath

    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]


def environments() -> dict[str, dict[str, str]]:
    dispatched = cpu_features()
    newest = [name for name in dispatched if "AVX512" in name or name == "X86_V4"]
    return {
        "as it is": {},
        "two threads": {"OPENBLAS_NUM_THREADS": "2"},
        "Haswell": {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": " ".join(newest)},
        "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
        "Sandybridge": {
            "OPENBLAS_CORETYPE": "Sandybridge", "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched),
        },
    }  # fmt: skip


def write_features(path: Path) -> None:
    """Write overlapping classes, as a network's features are: not negative, of unequal scale, many near 0."""
    chance = np.random.default_rng(0)
    classes, width = 3, 256
    scale = np.exp(chance.normal(-1, 1, width))
    corners = chance.normal(0, 0.25, (classes, width))
    header = Header(dataset="pets", classes=("a", "b", "c"), backbone=BACKBONE, fingerprint="f" * 32,
                    fingerprint_parts="{}")  # fmt: skip
    with create_features(path, header) as writer:
        for split, rows in (("train", 400), ("val", 150)):
            labels = chance.integers(0, classes, rows)
            values = np.maximum(corners[labels] + chance.normal(0, 1, (rows, width)), 0) * scale
            keys = np.array([chance.bytes(32).hex() for _ in range(rows)], "S64")
            writer.add_split(split, rows, (width,), np.float16, 40)
            writer.append(
                split,
                Block(
                    features=values.astype(np.float16),
                    labels=labels.astype(np.int64),
                    sha256=keys,
                    parent=keys,
                    group=keys,
                    copy=np.zeros(rows, np.uint8),
                    path=np.array([f"{split}/{row}.jpg" for row in range(rows)], np.bytes_),
                ),
            )


def fit_in(environment: dict[str, str], features: Path, folder: Path) -> dict[str, str]:
    """Fit a head of each kind in a process of its own; return the sha256 of all results."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.heads.fit_all_kinds", str(features), str(folder),
         json.dumps(SETTINGS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hashes: dict[str, str] = json.loads(done.stdout)
    return hashes


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The sha256 of each result in each environment."""
    root = tmp_path_factory.mktemp("environments")
    write_features(root / "features.h5")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = {
            name: pool.submit(fit_in, environment, root / "features.h5", root / name)
            for name, environment in environments().items()
        }
    return {name: future.result() for name, future in waiting.items()}


@pytest.mark.slow
@pytest.mark.parametrize("environment", list(environments())[1:])
@pytest.mark.parametrize("kind", SETTINGS)
def test_equal_bytes(kind: str, environment: str, results: dict[str, dict[str, str]]) -> None:
    expected, found = (
        {file: key for file, key in results[name].items() if file.startswith(f"{kind}/")}
        for name in ("as it is", environment)
    )
    assert {Path(file).name for file in expected} >= {
        "head.json", "head.safetensors", "predictions.csv", "history.csv", f"{BACKBONE}.json", "roc.csv",
    }  # fmt: skip
    assert [file for file, key in expected.items() if found[file] != key] == []


def test_every_kind_is_among_them() -> None:
    assert {changes["head.kind"] for changes in SETTINGS.values()} == set(KINDS)


@pytest.mark.slow
def test_the_environments_do_change_what_a_processor_computes(tmp_path: Path) -> None:
    """Or equal bytes would show nothing."""
    code = """
import sys, numpy as np
x = np.random.default_rng(0).normal(size=(300, 300))
sys.stdout.write((np.exp(x @ x)[np.isfinite(x)]).tobytes().hex()[:200_000])
"""
    found = set()
    for environment in environments().values():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
        )  # fmt: skip
        found.add(done.stdout)
    if not cpu_features():
        pytest.skip("NumPy has but one code for this processor")
    assert len(found) > 1
