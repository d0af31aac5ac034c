"""Which engine runs, where, in what precision and batch size, by what there is to compute on."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import (
    GPU_STREAMS,
    EngineConfig,
    Hardware,
    choose,
    find_bfloat16,
    find_hardware,
    fitting_batch_size,
)
from pipeline.errors import BackboneError
from pipeline.params import ExtractParams

GB = 1 << 30


def _settings(**changes: Any) -> ExtractParams:
    base = {"engine": "auto", "precision": "float32", "batch_size": None, "dtype": "float16"}
    return ExtractParams.model_validate(base | changes)


def _hardware(
    gpu_gb: int | None = None,
    *,
    openvino: bool = True,
    cores: int = 4,
    bfloat16: str | None = "amx_bf16",
) -> Hardware:
    return Hardware(
        gpu_bytes=None if gpu_gb is None else gpu_gb * GB,
        openvino=openvino,
        cores=cores,
        bfloat16=bfloat16,
    )


@pytest.mark.parametrize(
    ("engine", "hardware", "expected"),
    [
        ("auto", _hardware(), ("openvino", "cpu")),
        ("auto", _hardware(openvino=False), ("tensorflow", "cpu")),
        ("auto", _hardware(8), ("tensorflow", "gpu")),
        ("auto", _hardware(8, openvino=False), ("tensorflow", "gpu")),
        ("tensorflow", _hardware(), ("tensorflow", "cpu")),
        ("tensorflow", _hardware(8), ("tensorflow", "gpu")),
        ("openvino", _hardware(), ("openvino", "cpu")),
        ("openvino", _hardware(8), ("openvino", "cpu")),
    ],
)
def test_the_engine_follows_from_setting_and_hardware(
    engine: str, hardware: Hardware, expected: tuple[str, str]
) -> None:
    choice = choose(_settings(engine=engine), hardware, 224)
    assert (choice.engine, choice.device) == expected


@pytest.mark.parametrize("cores", [1, 2, 64])
@pytest.mark.parametrize("batch_size", [1, 7, 64, None])
def test_a_cpu_takes_one_image_a_core(cores: int, batch_size: int | None) -> None:
    choice = choose(_settings(batch_size=batch_size), _hardware(cores=cores), 224)
    assert (choice.batch_size, choice.streams, choice.precision) == (1, cores, "float32")


@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_a_gpu_takes_the_batch_that_the_setting_says(batch_size: int) -> None:
    choice = choose(_settings(batch_size=batch_size), _hardware(8), 224)
    assert (choice.batch_size, choice.streams) == (batch_size, GPU_STREAMS)


@pytest.mark.parametrize(
    ("gpu_bytes", "input_size", "expected"),
    [
        (0, 224, 8),
        (1 * GB, 224, 16),
        (8 * GB, 224, 128),
        (16 * GB, 224, 256),
        (80 * GB, 224, 512),
        (8 * GB, 448, 32),
    ],
)
def test_without_a_setting_the_batch_fits_half_the_memory(
    gpu_bytes: int, input_size: int, expected: int
) -> None:
    assert fitting_batch_size(gpu_bytes, input_size) == expected


def test_the_batch_by_memory_is_what_a_gpu_gets() -> None:
    assert choose(_settings(), _hardware(8), 224).batch_size == fitting_batch_size(8 * GB, 224)


def test_float16_is_for_a_gpu() -> None:
    assert choose(_settings(precision="float16"), _hardware(8), 224).precision == "float16"
    with pytest.raises(
        BackboneError,
        match=r"needs a GPU; openvino would run on the CPU.*Set extract\.precision to",
    ):
        choose(_settings(precision="float16"), _hardware(), 224)
    with pytest.raises(BackboneError, match=r"needs a GPU; openvino"):
        choose(_settings(precision="float16", engine="openvino"), _hardware(8), 224)


@pytest.mark.parametrize("unit", ["amx_bf16", "avx512_bf16"])
def test_bfloat16_is_for_openvino_on_a_processor_that_has_it(unit: str) -> None:
    choice = choose(_settings(precision="bfloat16"), _hardware(bfloat16=unit), 224)
    assert (choice.engine, choice.device, choice.precision) == ("openvino", "cpu", "bfloat16")
    assert choice.network_precision == "float32", "OpenVINO itself turns it into bfloat16"
    assert choice.describe()["bfloat16"] == unit
    on_cpu = _settings(precision="bfloat16", engine="openvino")
    assert choose(on_cpu, _hardware(8, bfloat16=unit), 224).device == "cpu"


@pytest.mark.parametrize(
    ("hardware", "engine", "message"),
    [
        (_hardware(bfloat16=None), "auto", r"AMX or AVX512-BF16; this one has neither .* float32"),
        (_hardware(bfloat16=None), "openvino", r"this one has neither .*no amx_bf16 and no avx5"),
        (_hardware(), "tensorflow", r"tensorflow would run on the CPU here\. Install OpenVINO"),
        (_hardware(openvino=False), "auto", r"tensorflow would run on the CPU here"),
        (_hardware(8), "auto", r"tensorflow would run on the GPU here.* or extract\.precision to"),
    ],
)
def test_bfloat16_is_refused_elsewhere(hardware: Hardware, engine: str, message: str) -> None:
    with pytest.raises(BackboneError, match=rf"extract\.precision is bfloat16.*{message}"):
        choose(_settings(precision="bfloat16", engine=engine), hardware, 224)


def test_what_multiplies_bfloat16_counts_in_that_precision_alone() -> None:
    for unit in ("amx_bf16", None):
        choice = choose(_settings(), _hardware(bfloat16=unit), 224)
        assert "bfloat16" not in choice.describe()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "model name\t: x\nflags\t\t: fpu avx512_bf16 amx_tile amx_bf16\nflags\t\t: fpu\n",
            "amx_bf16",
        ),
        ("flags\t\t: fpu avx512_bf16 amx_int8\n", "avx512_bf16"),
        ("flags\t\t: fpu avx512f amx_bf16_not\n", None),
        ("Features\t: fp asimd bf16\n", None),
        ("", None),
        (None, None),
    ],
)
def test_the_processors_flags_tell_whether_it_has_bfloat16(
    text: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engines.CPU_INFO", tmp_path / "cpuinfo")
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert find_bfloat16() == expected


def test_an_engine_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(
        BackboneError, match=r"is not installed: pip install openvino.*params\.yaml"
    ):
        choose(_settings(engine="openvino"), _hardware(openvino=False), 224)


def test_a_choice_tells_what_decides_values() -> None:
    cpu = EngineConfig(
        engine="openvino", device="cpu", precision="float32", batch_size=1, streams=4
    ).describe()
    gpu = EngineConfig(
        engine="tensorflow", device="gpu", precision="float16", batch_size=64, streams=3
    ).describe()
    assert set(cpu["versions"]) == {"tensorflow", "keras", "openvino"}
    assert set(gpu["versions"]) == {"tensorflow", "keras"}
    assert (gpu["device"], gpu["precision"], gpu["batch_size"]) == ("gpu", "float16", 64)
    assert (cpu["engine"], gpu["engine"]) == ("openvino", "tensorflow")
    assert "streams" not in gpu
    assert "batch_size" not in cpu


def test_without_a_gpus_device_file_tensorflow_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.engines.GPU_DEVICE_FILES", ())
    monkeypatch.setitem(
        __import__("sys").modules, "pipeline.engines.tensorflow", None
    )  # importing it would fail
    hardware = find_hardware()
    assert hardware.gpu_bytes is None
    assert hardware.cores >= 1
