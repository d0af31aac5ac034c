"""Which engine runs, where, in what precision and batch size, by what there is to compute on."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engines.choice import GPU_STREAMS, EngineConfig, choose, fitting_batch_size
from pipeline.engines.hardware import Gpu, Hardware, find_bfloat16, find_hardware
from pipeline.errors import BackboneError
from pipeline.params import ExtractParams

GB = 1 << 30


def _settings(**changes: Any) -> ExtractParams:
    base = {"engine": "auto", "precision": "float32", "batch_size": None, "dtype": "float16"}
    return ExtractParams.model_validate(base | changes)


def _hardware(
    gpu_gb: int | None = None,
    *,
    seen_by: str = "tensorflow",
    engines: str = "openvino tensorflow jax",
    cores: int = 4,
    bfloat16: str | None = "amx_bf16",
) -> Hardware:
    gpu = Gpu(bytes=(gpu_gb or 0) * GB, kind="Some GPU", software="cuda 13")
    return Hardware(
        gpus={} if gpu_gb is None else {seen_by: gpu},
        engines=tuple(engines.split()),
        cores=cores,
        bfloat16=bfloat16,
    )


@pytest.mark.parametrize(
    ("engine", "hardware", "expected"),
    [
        ("auto", _hardware(), ("openvino", "cpu")),
        ("auto", _hardware(engines="tensorflow jax"), ("tensorflow", "cpu")),
        ("auto", _hardware(engines="jax"), ("jax", "cpu")),
        ("auto", _hardware(8), ("tensorflow", "gpu")),
        ("auto", _hardware(8, engines="tensorflow"), ("tensorflow", "gpu")),
        ("auto", _hardware(8, seen_by="jax"), ("jax", "gpu")),
        ("tensorflow", _hardware(), ("tensorflow", "cpu")),
        ("tensorflow", _hardware(8), ("tensorflow", "gpu")),
        ("tensorflow", _hardware(8, seen_by="jax"), ("tensorflow", "cpu")),
        ("openvino", _hardware(), ("openvino", "cpu")),
        ("openvino", _hardware(8), ("openvino", "cpu")),
        ("jax", _hardware(), ("jax", "cpu")),
        ("jax", _hardware(8), ("jax", "cpu")),
        ("jax", _hardware(8, seen_by="jax"), ("jax", "gpu")),
    ],
)
def test_the_engine_follows_from_setting_and_hardware(
    engine: str, hardware: Hardware, expected: tuple[str, str]
) -> None:
    choice = choose(_settings(engine=engine), hardware, 224)
    assert (choice.engine, choice.device) == expected
    assert choice.keras_backend == ("jax" if choice.engine == "jax" else "tensorflow")


@pytest.mark.parametrize("cores", [1, 2, 64])
@pytest.mark.parametrize("batch_size", [1, 7, 64, None])
def test_a_cpu_takes_one_image_a_core(cores: int, batch_size: int | None) -> None:
    choice = choose(_settings(batch_size=batch_size), _hardware(cores=cores), 224)
    assert (choice.batch_size, choice.streams, choice.precision) == (1, cores, "float32")


@pytest.mark.parametrize("batch_size", [1, 7, 4096])
def test_a_gpu_takes_the_batch_that_the_setting_says(batch_size: int) -> None:
    choice = choose(_settings(batch_size=batch_size), _hardware(8), 224)
    assert (choice.batch_size, choice.streams) == (batch_size, GPU_STREAMS)


@pytest.mark.usefixtures("_versions")
def test_of_several_gpus_each_has_batches_under_way_and_none_decides_values() -> None:
    one, four = (
        choose(
            _settings(),
            Hardware(cores=4, engines=("jax",), gpus={"jax": Gpu(bytes=8 * GB, count=count)}),
            224,
        )
        for count in (1, 4)
    )
    assert (one.devices, one.streams) == (1, GPU_STREAMS)
    assert (four.devices, four.streams) == (4, 4 * GPU_STREAMS)
    assert four.batch_size == one.batch_size
    assert four.describe() == one.describe()


@pytest.mark.parametrize(
    ("gpu_bytes", "input_size", "activations", "expected"),
    [
        (0, 224, 600, 8),
        (1 * GB, 224, 600, 16),
        (8 * GB, 224, 600, 128),
        (8 * GB, 224, 300, 256),
        (16 * GB, 224, 600, 256),
        (80 * GB, 224, 600, 512),
        (80 * GB, 224, 100, 512),
        (8 * GB, 448, 600, 32),
    ],
)
def test_without_a_setting_the_batch_fits_half_the_memory(
    gpu_bytes: int, input_size: int, activations: int, expected: int
) -> None:
    assert fitting_batch_size(gpu_bytes, input_size, activations) == expected


def test_the_batch_by_memory_and_network_is_what_a_gpu_gets() -> None:
    assert choose(_settings(), _hardware(8), 224).batch_size == 128
    assert choose(_settings(), _hardware(8), 224, activations=204).batch_size == 256


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


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_jax_on_a_gpu_has_every_precision(precision: str) -> None:
    choice = choose(_settings(precision=precision), _hardware(8, seen_by="jax"), 224)
    assert (choice.engine, choice.device) == ("jax", "gpu")
    assert (choice.precision, choice.network_precision, choice.bfloat16) == (
        precision,
        precision,
        None,
    )


@pytest.mark.parametrize(
    ("hardware", "engine", "message"),
    [
        (_hardware(bfloat16=None), "auto", r"AMX or AVX512-BF16; this one has neither .* float32"),
        (_hardware(bfloat16=None), "openvino", r"this one has neither .*no amx_bf16 and no avx5"),
        (_hardware(), "tensorflow", r"tensorflow would run on the CPU here\. Install one of them"),
        (_hardware(), "jax", r"jax would run on the CPU here\. Install one of them"),
        (_hardware(engines="tensorflow"), "auto", r"tensorflow would run on the CPU here"),
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
    monkeypatch.setattr("pipeline.engines.hardware.CPU_INFO", tmp_path / "cpuinfo")
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert find_bfloat16() == expected


@pytest.mark.parametrize(
    ("engine", "packages"),
    [("openvino", "openvino and tensorflow"), ("tensorflow", "tensorflow"), ("jax", "jax")],
)
def test_an_engine_that_is_not_installed_is_an_error(engine: str, packages: str) -> None:
    others = " ".join({"openvino", "tensorflow", "jax"} - {engine})
    with pytest.raises(
        BackboneError, match=rf"is not installed: pip install {packages}, .*params\.yaml"
    ):
        choose(_settings(engine=engine), _hardware(engines=others), 224)
    with pytest.raises(BackboneError, match=r"none of openvino, tensorflow, jax is installed"):
        choose(_settings(), _hardware(engines=""), 224)


@pytest.fixture
def _versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every engine is installed."""
    monkeypatch.setattr("pipeline.engines.choice.version", lambda name: f"version of {name}")


@pytest.mark.usefixtures("_versions")
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


@pytest.mark.usefixtures("_versions")
def test_with_jax_the_kind_of_gpu_and_what_drives_it_count_and_its_memory_does_not() -> None:
    cpu = choose(_settings(engine="jax"), _hardware(), 224).describe()
    assert set(cpu["versions"]) == {"keras", "jax", "jaxlib"}
    assert not {"batch_size", "gpu"} & set(cpu)
    large, small = (
        choose(_settings(batch_size=64), _hardware(size, seen_by="jax"), 224) for size in (80, 8)
    )
    assert large.describe()["gpu"] == {"kind": "Some GPU", "software": "cuda 13"}
    assert large.describe() == small.describe()
    assert "gpu" not in choose(_settings(), _hardware(8), 224).describe(), "as before there was JAX"


def test_without_a_gpus_device_file_no_engine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engines.hardware.GPU_DEVICE_FILES", ())
    for engine in ("tensorflow", "jax"):  # importing them would fail
        monkeypatch.setitem(sys.modules, f"pipeline.engines.{engine}", None)
    hardware = find_hardware()
    assert hardware.gpus == {}
    assert hardware.cores >= 1


class Asked:
    """Stands for the modules of engines, in a machine that may have a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, jax: Gpu | None, tensorflow: int | None):
        self.names: list[str] = []
        monkeypatch.setattr("pipeline.engines.hardware.GPU_DEVICE_FILES", (__file__,))
        monkeypatch.setattr("pipeline.engines.hardware.find_spec", lambda name: name)
        for name, function, found in (
            ("jax", "find_gpu", jax),
            ("tensorflow", "find_gpu_bytes", tensorflow),
        ):
            answer = partial(self._answer, name, found)
            module = SimpleNamespace(**{function: answer})
            monkeypatch.setitem(sys.modules, f"pipeline.engines.{name}", module)

    def _answer(self, name: str, found: object) -> object:
        self.names.append(name)
        return found


GPU = Gpu(bytes=8 * GB)


@pytest.mark.parametrize(
    ("engine", "jax", "tensorflow", "asked", "expected"),
    [
        ("auto", GPU, 8 * GB, ["jax"], {"jax": GPU}),
        ("auto", None, 8 * GB, ["jax", "tensorflow"], {"tensorflow": GPU}),
        ("auto", None, None, ["jax", "tensorflow"], {}),
        ("jax", GPU, 8 * GB, ["jax"], {"jax": GPU}),
        ("jax", None, 8 * GB, ["jax"], {}),
        ("tensorflow", GPU, 8 * GB, ["tensorflow"], {"tensorflow": GPU}),
        ("openvino", GPU, 8 * GB, [], {}),
    ],
)
def test_who_is_asked_for_a_gpu(
    engine: str,
    jax: Gpu | None,
    tensorflow: int | None,
    asked: list[str],
    expected: dict[str, Gpu],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each that is asked takes memory of the GPU, so only one that would use it."""
    modules = Asked(monkeypatch, jax, tensorflow)
    assert find_hardware(engine).gpus == expected
    assert modules.names == asked


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ("openvino tensorflow jax", ("openvino", "tensorflow", "jax")),
        ("openvino jax", ("jax",)),  # OpenVINO takes what TensorFlow built
        ("tensorflow", ("tensorflow",)),
        ("", ()),
    ],
)
def test_engines_are_those_whose_packages_are_there(
    installed: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engines.hardware.GPU_DEVICE_FILES", ())
    monkeypatch.setattr(
        "pipeline.engines.hardware.find_spec", lambda name: name in installed.split() or None
    )
    assert find_hardware().engines == expected
