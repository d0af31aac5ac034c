"""What the stages after `extract` load: no network's libraries, and to fit a head little but NumPy."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "keras", "openvino", "torch", "pandas", "sklearn", "imgaug")


def loaded(code: str) -> set[str]:
    """Return the top-level modules that a new process has loaded after some code."""
    code += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "stage", ["inspect", "train", "evaluate", "report", "report_head", "report_dataset"]
)
def test_a_stage_loads_no_networks_library(stage: str) -> None:
    assert loaded(f"import pipeline.stages.{stage}") & {*HEAVY} == set()


def test_fitting_any_kind_of_head_needs_none_of_them_and_no_scipy() -> None:
    found = loaded("""
from pipeline.heads.training import fit_head
from tests.heads.examples import KINDS, blobs, recipe
for kind in KINDS:
    fit_head(blobs([9, 9]), recipe(kind, calibrate=True))
""")
    assert "numpy" in found
    assert found & {*HEAVY, "scipy", "matplotlib"} == set()
