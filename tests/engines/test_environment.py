"""What the environment may decide is pinned, or is in the fingerprint, or ends the program."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import pipeline
from pipeline.engines.environment import check_pins, find_switches
from pipeline.errors import BackboneError

ROOT = Path(__file__).parents[2]


def _run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("KERAS_BACKEND", "tensorflow"),
        ("TF_ENABLE_ONEDNN_OPTS", "1"),
        ("NVIDIA_TF32_OVERRIDE", "0"),
        ("TF_XLA_FLAGS", "None"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "None"),
        ("DNNL_DEFAULT_FPMATH_MODE", "None"),
        ("TF_SET_ONEDNN_FPMATH_MODE", "None"),
    ],
)
def test_a_pinned_variable_is_the_same_whatever_it_was(name: str, expected: str) -> None:
    done = _run(f"import os, pipeline; print(os.environ.get({name!r}))", **{name: "otherwise"})
    assert done.stdout.strip() == expected


def test_a_pin_that_was_undone_is_told() -> None:
    assert find_switches({**os.environ, "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}) == {
        **find_switches(),
        "ONEDNN_DEFAULT_FPMATH_MODE": sha256(b"BF16").hexdigest()[:12],
    }


def test_no_value_that_may_be_secret_is_written_down() -> None:
    found = find_switches({"TF_UNKNOWN": "hunter2"})
    assert set(found) == {"TF_UNKNOWN"}
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("TF_DETERMINISTIC_OPS", True),
        ("ONEDNN_MAX_CPU_ISA", True),
        ("XLA_FLAGS", True),
        ("OV_ANYTHING", True),
        ("OPENCV_CPU_DISABLE", True),
        ("TF_CPP_MIN_LOG_LEVEL", False),
        ("TF_FORCE_GPU_ALLOW_GROWTH", False),
        ("TF2_BEHAVIOR", False),
        ("TF_VAR_db_password", False),  # Terraform's
        ("TF_TOKEN_app_terraform_io", False),
        ("TF_CLI_CONFIG_FILE", False),
        ("OMP_NUM_THREADS", False),
        ("KERAS_BACKEND", False),  # each engine sets it
        ("XLA_PYTHON_CLIENT_PREALLOCATE", False),
        ("JAX_ENABLE_X64", False),
        ("HOME", False),
    ],
)
def test_switches_count_and_what_only_tells_or_places_does_not(name: str, counts: bool) -> None:
    assert (name in find_switches({name: "1"})) is counts


@pytest.mark.parametrize(
    ("name", "counts"),
    [("JAX_ENABLE_X64", True), ("XLA_FLAGS", True), ("JAX_PLATFORMS", False), ("HOME", False)],
)
def test_what_jax_alone_reads_counts_for_it_alone(name: str, counts: bool) -> None:
    assert (name in find_switches({name: "1"}, engine="jax")) is counts


def test_what_is_pinned_is_no_switch() -> None:
    pinned = {name: value for name, value in pipeline.PINNED.items() if value is not None}
    assert find_switches(pinned) == {}


def test_a_library_that_was_there_before_the_pins_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_pins()
    monkeypatch.setattr(pipeline, "PINNED_TOO_LATE", ("TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS"))
    with pytest.raises(
        BackboneError,
        match=r"imported before pipeline.*expected TF_ENABLE_ONEDNN_OPTS=1, no TF_XLA_FLAGS\. Import",
    ):
        check_pins()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "()"),
        ({"TF_XLA_FLAGS": "--x"}, "('TF_XLA_FLAGS',)"),
    ],
)
def test_the_pins_come_too_late_only_where_they_change_something(
    variables: dict[str, str], expected: str
) -> None:
    pinned = {name: value for name, value in pipeline.PINNED.items() if value is not None}
    program = (
        "import sys, types; sys.modules['openvino'] = types.ModuleType('openvino'); "
        "import pipeline; print(pipeline.PINNED_TOO_LATE)"
    )
    assert _run(program, **pinned, **variables).stdout.strip() == expected


def test_openvino_reports_to_nobody_what_it_converts(tmp_path: Path) -> None:
    program = (
        "import pipeline, keras; from types import SimpleNamespace; "
        "from pipeline.engines.openvino import _convert; "
        "model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()]); "
        "_convert(SimpleNamespace(model=model, input_size=8, name='flat'), 1)"
    )
    assert _run(program, HOME=str(tmp_path), CI="false").returncode == 0
    assert not (tmp_path / "intel").exists(), "where its telemetry keeps who one is"
