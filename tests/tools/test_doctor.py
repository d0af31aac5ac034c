"""The doctor: each fault is named with what to do, what is not needed is no fault, and no secret is shown."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.errors import ParamsError
from pipeline.params import BackboneParams, DatasetParams, Params
from pipeline.tools import doctor
from pipeline.tools.doctor import (
    MODULES,
    Check,
    Probe,
    check_archives,
    check_backbone,
    check_cache,
    check_command,
    check_disk,
    check_dvc_files,
    check_kaggle,
    check_modules,
    check_processor,
    check_python,
    check_ray,
    check_results,
    check_shared_store,
    check_store,
    choose_engines,
    competitions,
    find_credentials,
    hardware_of,
    layer_fault,
    probe,
    read_params,
    store_sizes,
    weights_fault,
)
from tests.project import make_params, make_project

SECRET = "open-sesame"
FOUND, MISSING = (
    Probe(version="1.2"),
    Probe(version=None, error="ModuleNotFoundError: No module named 'x'"),
)
WITH_GPU = Probe(version="1.2", gpus=("/physical_device:GPU:0",))
NONE_FOUND = "none found"
EVERYTHING = dict.fromkeys(MODULES, FOUND)


def only(
    name: str, found: Probe, engine: str = "openvino", changes: dict[str, Any] | None = None
) -> Check:
    """Return what is said of one module where an engine is to run the backbones."""
    (check,) = check_modules({name: found}, {engine}, make_params(changes))
    return check


def chosen(found: dict[str, Probe], **settings: Any) -> tuple[str, str | None]:
    """Return the engine for a backbone, and what is wrong, where some modules are otherwise than all."""
    params = make_params({f"extract.{key}": value for key, value in settings.items()})
    (choice,) = choose_engines(
        params, hardware_of({**EVERYTHING, **found}, params.extract)
    ).values()
    return choice


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_python((3, 11)), "^3.11$"), (check_python((3, 13)), "^3.13$"),
        (check_command("git", (sys.executable, "-c", ""), "a repository"), "^a repository$"),
        (check_store([]), "empty"),
        (check_store([2_000_000_000, 500_000_000]), "2 fingerprints, 2.5 GB"),
        (check_store([2_000_000_000]), "1 fingerprint, 2.0 GB"),
        (check_disk(10**9, {"pets": 2 * 10**8, "own": None}), "about 0.2 GB to come.*own unknown"),
        (check_kaggle("found", ["pets"]), "found, needed by pets"),
        (check_kaggle(NONE_FOUND, []), "none found, none needed"),
        (check_kaggle("kaggle.json has no key", []), "none needed"),
        (check_processor("amx_bf16"), "amx_bf16, with which extract.precision bfloat16 is faster"),
        (check_processor(None), "no AMX and no AVX512-BF16"),
        (only("TensorFlow", FOUND), "1.2, sees no GPU"),
        (only("JAX", WITH_GPU), "1.2, GPU: /physical_device:GPU:0"),
        (only("JAX", MISSING), "not needed: no backbone here runs on it"),
        (only("TensorFlow", MISSING, "jax"), "not needed"),
        (only("OpenVINO", FOUND), "^1.2$"),
        (only("OpenVINO", MISSING, "tensorflow"), "not needed"),
        (only("imgaug", MISSING, changes={"augment.copies": 0}), r"not needed: augment\.copies is 0"),
        (check_backbone("resnet50", None, None), "are there"),
    ],
)  # fmt: skip
def test_what_is_there_or_is_not_needed_is_ok(check: Check, text: str) -> None:
    assert check.ok
    assert str(check).startswith(f"ok  {check.name}: ")
    assert re.search(text, check.text)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_python((3, 14)), r"3\.14: use 3\.11, 3\.12 or 3\.13 \(make PYTHON=python3\.13"),
        (
            check_command("git", ("no-such-git",), ""),
            "no-such-git cannot be started.*apt install git",
        ),
        (
            check_command("git", ("git", "-C", "/", "rev-parse"), ""),
            "not a git repository.*: DVC's experiments need it",
        ),
        (
            check_disk(10**8, {"pets": 2 * 10**8}),
            r"about 0\.2 GB to come.*: free some, or lower augment\.copies",
        ),
        (check_kaggle(NONE_FOUND, ["pets"]), "none found, needed by pets: make a token at https"),
        (check_kaggle("no key in it", ["pets"]), "no key in it, needed by pets: make"),
        (only("TensorFlow", MISSING), "No module named 'x'.*make install"),
        (only("JAX", MISSING, "jax"), "run `make gpu`, or pip install jax"),
        (only("OpenVINO", MISSING), "make install"),
        (only("imgaug", MISSING), "make install"),
        (check_backbone("resnet50", "no weights", "no layer"), "no weights; no layer"),
    ],
)
def test_what_is_missing_says_what_to_do(check: Check, text: str) -> None:
    assert not check.ok
    assert str(check).startswith(f"no  {check.name}: ")
    assert re.search(text, check.text)


@pytest.mark.parametrize(
    ("found", "settings", "engine"),
    [
        ({}, {}, "openvino"),
        ({"OpenVINO": MISSING}, {}, "tensorflow"),
        ({"TensorFlow": MISSING}, {}, "jax"),
        ({"TensorFlow": WITH_GPU}, {}, "tensorflow"),
        ({"JAX": WITH_GPU, "TensorFlow": WITH_GPU}, {"precision": "float16"}, "jax"),
        ({"JAX": WITH_GPU, "OpenVINO": MISSING}, {"precision": "bfloat16"}, "jax"),
        ({"JAX": WITH_GPU}, {"engine": "openvino", "precision": "bfloat16"}, "openvino"),
    ],
)
def test_the_engine_is_that_which_extract_takes(
    found: dict[str, Probe], settings: dict[str, Any], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_bfloat16", lambda: "amx_bf16")
    assert chosen(found, **settings) == (engine, None)


@pytest.mark.parametrize(
    ("found", "settings", "fault"),
    [
        ({}, {"engine": "tensorflow", "precision": "bfloat16"}, "for OpenVINO, or JAX on a GPU"),
        ({"OpenVINO": MISSING}, {"precision": "bfloat16"}, "tensorflow would run on the CPU here"),
        ({}, {"precision": "bfloat16"}, "needs a processor with AMX or AVX512-BF16"),
        ({}, {"precision": "float16"}, "float16, which needs a GPU"),
        ({"JAX": WITH_GPU}, {"engine": "tensorflow", "precision": "float16"}, "needs a GPU"),
        ({"OpenVINO": MISSING}, {"engine": "openvino"}, "openvino, which is not installed"),
        (dict.fromkeys(MODULES, MISSING), {}, "none of openvino, tensorflow, jax is installed"),
    ],
)
def test_what_extract_would_refuse_is_a_fault_of_the_backbone(
    found: dict[str, Probe], settings: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_bfloat16", lambda: None)
    assert fault in (chosen(found, **settings)[1] or "")


def test_a_network_that_only_openvino_runs_lacks_it(tmp_path: Path) -> None:
    own = {"network": "own", "weights": "mine.onnx", "scaling": "none"}
    params = make_params({"backbones": {"mine": own}})
    found = hardware_of({**EVERYTHING, "OpenVINO": MISSING}, params.extract)
    ((engine, fault),) = choose_engines(params, found).values()
    assert engine == "openvino"
    assert "needs OpenVINO, which is not installed" in (fault or "")


def test_dvc_has_to_be_on_the_path_and_started_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-m", "dvc", "root")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert "not on the PATH: run `make install`" in check_command("DVC", command, "").text
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: name)
    assert re.search(
        "not inside of a DVC repository.*dvc init", check_command("DVC", command, "").text
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "left", [0, 29, 60]
)  # bytes: nothing, a stage without a command, half a key
def test_a_lock_that_dvc_left_in_half_is_told(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    subprocess.run([*doctor.LIST_STAGES[:3], "init", "--no-scm", "--quiet"], check=True)
    Path("dvc.yaml").write_text("stages: {one: {cmd: echo > out, outs: [out]}}")
    whole = (
        "schema: '2.0'\nstages:\n  one:\n    cmd: echo > out\n    outs:\n    - path: out\n"
        "      md5: d41d8cd98f00b204e9800998ecf8427e\n"
    )
    rwlock = Path(".dvc/tmp/rwlock")
    Path("dvc.lock").write_text(whole)
    rwlock.write_text("{}")
    assert list(check_dvc_files(doctor._fault(doctor.LIST_STAGES), rwlock)) == []
    Path("dvc.lock").write_text(whole[:left])
    (check,) = check_dvc_files(doctor._fault(doctor.LIST_STAGES), rwlock)
    assert re.search(r"^no  dvc\.lock: .*dvc\.lock.*`git checkout dvc\.lock`", str(check))


@pytest.mark.slow
def test_results_that_are_not_those_of_the_lock_or_in_no_cache_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    nothing: dict[str, list[str]] = {"modified": [], "not_in_cache": []}
    assert doctor._results_by_status() == nothing, "where there is no DVC"
    subprocess.run([*doctor.LIST_STAGES[:3], "init", "--no-scm", "--quiet"], check=True)
    Path("dvc.yaml").write_text(
        "stages: {one: {cmd: mkdir data && echo 1 > data/a && echo 2 > b, outs: [data/a, b]}}"
    )
    subprocess.run([*doctor.LIST_STAGES[:3], "repro", "--quiet"], check=True)
    assert doctor._results_by_status() == nothing
    assert [*check_results([]), *check_cache([])] == []
    made = Path("data/a").read_bytes()
    Path("data/a").write_text("another")
    (check,) = check_results(doctor._results_by_status()["modified"])
    assert "1 result here, the first data/a, not as in dvc.lock: as after `git check" in check.text
    Path("data/a").write_bytes(made)
    shutil.rmtree(".dvc/cache")
    (check,) = check_cache(doctor._results_by_status()["not_in_cache"])
    assert "does not hold 1 result of dvc.lock, the first data/a" in check.text
    Path("data/a").unlink()
    assert doctor._results_by_status() == nothing, "as in a fresh clone"


def test_notes_that_dvc_left_in_half_are_told_and_none_are_well(tmp_path: Path) -> None:
    rwlock = tmp_path / "rwlock"
    assert list(check_dvc_files(None, rwlock)) == []
    for text in ("", '{"read": {"a'):
        rwlock.write_text(text)
        (check,) = check_dvc_files("params.yaml is wrong", rwlock)
        assert not check.ok
        assert check.text == f"{rwlock} is damaged, as after an interrupted run of DVC: remove it"


def test_a_weights_file_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.h5"
    mine = BackboneParams(weights=str(file))
    expected = (
        r"there is no weights file '.*mine\.h5' \(params\.yaml, backbones\.mobilenet\.weights"
    )
    assert re.match(expected, weights_fault("mobilenet", mine) or "")
    own_key = BackboneParams(network="mobilenet")
    assert weights_fault("efficientnet_lite0", own_key) is None, "Keras downloads them"
    file.touch()
    assert weights_fault("mobilenet", mine) is None
    for name in ("mobilenet", "efficientnet_lite0"):
        assert weights_fault(name, BackboneParams(weights="random")) is None
        assert weights_fault(name, BackboneParams(weights="imagenet")) is None


def test_missing_weights_from_pip_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    info = replace(doctor.NETWORKS["efficientnet_lite0"], pip_weights="no_such_package/x.pth")
    monkeypatch.setattr(doctor, "NETWORKS", {"efficientnet_lite0": info})
    told = weights_fault("efficientnet_lite0", BackboneParams())
    assert re.search("no-such-package, which is not installed", told or "")


def test_of_several_networks_the_faults_of_all_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = ["vgg16", "efficientnet_lite2"]
    make_project(tmp_path, monkeypatch, {"backbones": {"two": {"network": networks}}})
    for name in ("layer_fault", "weights_fault"):
        monkeypatch.setattr(doctor, name, lambda _, one, name=name: f"{name} of {one.network}")
    monkeypatch.setattr(doctor, "probe", lambda _: FOUND)
    monkeypatch.setattr(doctor, "_fault", lambda *_, **__: None)
    *_, last = doctor.examine_machine()
    faults = [f"{name} of {one}" for name in ("weights_fault", "layer_fault") for one in networks]
    assert str(last) == f"no  backbone two: {'; '.join(faults)}"


@pytest.mark.long
@pytest.mark.slow
def test_a_layer_that_is_not_there_is_named_by_its_key() -> None:
    settings = {"weights": "imagenet", "input_size": 32}
    assert layer_fault("mobilenet", BackboneParams(layer="conv_pw_3_relu", **settings)) is None
    told = layer_fault("mobilenet", BackboneParams(layer="conv_pw_3_rely", **settings))
    assert re.search(
        r"has no layer .*Did you mean 'conv_pw_3_relu'\? \(params\.yaml, backbones\.mobilenet\.layer",
        told or "",
    )
    assert layer_fault("mobilenet", BackboneParams(**settings)) is None


def test_faults_of_the_settings_are_shown_whole() -> None:
    def load() -> Params:
        raise ParamsError("params.yaml has 2 faults:\n  a\n  b")

    params, check = read_params(load)
    assert params is None
    assert (check.ok, check.text) == (False, "params.yaml has 2 faults:\n  a\n  b")
    assert read_params(make_params)[1].text == "valid, 1 dataset, 1 backbone"


def test_an_archive_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    cars = str(tmp_path)
    datasets = {
        "own": DatasetParams(source="archive", archive="pets.zip"),
        "there": DatasetParams(source="archive", archive=cars),
        "far": DatasetParams(source="archive", archive="https://example.org/far.zip?download=1"),
        "flowers": DatasetParams(source="drawn"),
    }
    own, there, far = check_archives(datasets)
    assert not own.ok
    assert (
        own.text
        == "there is no 'pets.zip': put it there or change datasets.own.archive (params.yaml)"
    )
    assert (there.ok, there.text) == (True, repr(cars))
    assert (far.ok, far.text) == (True, "https://example.org/far.zip, not asked")


def test_only_a_competition_needs_an_account() -> None:
    kaggle, mirror = DatasetParams(source="kaggle"), DatasetParams(source="mirror")
    assert competitions({"cats_vs_dogs": kaggle, "flowers": kaggle}) == ["cats_vs_dogs"]
    assert competitions({"cats_vs_dogs": mirror}) == []


def test_the_store_is_measured_by_fingerprint(tmp_path: Path) -> None:
    assert store_sizes(tmp_path / "none") == []
    for folder, size in {"a": 3, "b": 4}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.h5").write_bytes(b"x" * size)
    (tmp_path / ".claims").mkdir()
    (tmp_path / "a/gone.h5").symlink_to(
        "nowhere"
    )  # as what goes between its listing and its measure
    assert sorted(store_sizes(tmp_path)) == [3, 4]


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Kaggle's tools look, with nothing there."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path / ".kaggle"


def by_name_and_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)


WAYS: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "name and key": by_name_and_key,
    "token": lambda folder, monkeypatch: monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET),
    "token file": lambda folder, monkeypatch: (folder / "access_token").write_text(SECRET),
    "kaggle.json": lambda folder, monkeypatch: (folder / "kaggle.json").write_text(
        json.dumps({"username": "me", "key": SECRET})
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_credentials_are_found_wherever_kaggle_puts_them(
    no_credentials: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    assert find_credentials() == "none found"
    WAYS[way](no_credentials, monkeypatch)
    assert find_credentials() == "found"


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"key": SECRET})])
def test_a_damaged_file_of_credentials_is_said_to_be_one(no_credentials: Path, text: str) -> None:
    (no_credentials / "kaggle.json").write_text(text)
    assert find_credentials() == "kaggle.json has no user name and key in it"


def test_imgaug_is_imported_as_the_pipeline_imports_it() -> None:
    assert probe(MODULES["imgaug"]).version == "0.4.0"


def test_a_module_is_imported_elsewhere() -> None:
    assert probe("json") == Probe(version=json.__version__)
    missing = probe("no_such_module")
    assert missing.version is None
    assert missing.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_in_another_folder_it_says_where_to_go_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bottleneck", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == (
        "no  params.yaml: cannot read params.yaml: No such file or directory. "
        "Run in the project's folder.\n"
    )


@pytest.mark.parametrize("missing", [(), ("cv2",)])
def test_the_command_ends_with_1_if_something_is_missing_and_shows_no_secret(
    tmp_path: Path, no_credentials: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    missing: tuple[str, ...],
) -> None:  # fmt: skip
    make_project(
        tmp_path / "project", monkeypatch, {"datasets": {"cats_vs_dogs": {"source": "kaggle"}}}
    )
    Path(".dvc").mkdir()
    by_name_and_key(no_credentials, monkeypatch)
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    monkeypatch.setattr(doctor, "probe", lambda module: MISSING if module in missing else FOUND)
    monkeypatch.setattr(doctor, "pip_weights_file", lambda _: Path(__file__))
    monkeypatch.setattr(doctor, "_fault", lambda *command, **more: None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**13})
    )
    monkeypatch.setattr(sys, "argv", ["bottleneck", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert end.value.code == (1 if missing else 0)
    lines = said.out.splitlines()
    assert [line for line in lines if line.startswith("no  ")] == [
        line for line in lines if line.startswith("no  OpenCV: ") and missing
    ]
    assert all(line.startswith(("ok  ", "no  ")) for line in lines)
    assert "ok  Kaggle credentials: found, needed by cats_vs_dogs" in lines
    assert SECRET not in said.out + said.err


def test_a_shared_store_is_looked_for_where_there_is_one(tmp_path: Path) -> None:
    assert list(check_shared_store(None)) == []
    (found,) = check_shared_store(str(tmp_path))
    assert str(found) == f"ok  shared store: {tmp_path} can be reached"
    (missing,) = check_shared_store(str(tmp_path / "not mounted"))
    assert not missing.ok
    assert re.search(r"there is no folder .*params\.yaml, features\.store", missing.text)


def test_no_stage_that_uses_ray_no_question_about_it() -> None:
    assert list(check_ray(make_params(), lambda _: MISSING)) == []


@pytest.mark.parametrize("key", ["extract.runner", "runners.split", "runners.augment"])
def test_ray_is_asked_where_any_stage_uses_it(key: str) -> None:
    on_ray = make_params({key: "ray"})
    (found,) = check_ray(on_ray, lambda _: Probe(version="2.60.0, auto: nodes: 3"))
    assert str(found) == "ok  Ray: 2.60.0, auto: nodes: 3"
    (missing,) = check_ray(on_ray, lambda _: Probe(version=None, error="cannot connect"))
    assert str(missing) == "no  Ray: cannot connect"


def test_a_cluster_that_nobody_answers_for_is_said_to_be_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (check,) = check_ray(
        make_params({"extract.runner": "ray", "extract.ray": {"address": f"127.0.0.1:{port}"}})
    )
    assert not check.ok
    expected = rf"cannot connect to Ray at 127\.0\.0\.1:{port}: .*refused.*extract\.ray\.address"
    absent = r"ray, which is not installed: pip install ray, or set extract\.runner, runners\.split"
    assert re.search(absent if find_spec("ray") is None else expected, check.text)
