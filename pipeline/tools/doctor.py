"""Whether this machine has what params.yaml needs: a line a thing, and what to do where it lacks.

The checks judge facts that they are given; only `examine_machine` looks at the machine. Nothing
that is secret is looked at further than whether it is there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline import paths
from pipeline.backbones.weights import pip_weights_file
from pipeline.catalogue.backbones import CATALOGUE as NETWORKS
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.engines.choice import choose
from pipeline.engines.hardware import PACKAGES, Gpu, Hardware, find_bfloat16
from pipeline.errors import BackboneError, ParamsError, StoreError
from pipeline.params import (
    BackboneParams,
    DatasetParams,
    ExtractParams,
    JointBackboneParams,
    Params,
    RayParams,
    load_params,
)
from pipeline.store.shared import SharedStore
from pipeline.tools.disk_space import bytes_to_come
from pipeline.tools.words import count_of
from pipeline.urls import is_url, plain_url

PYTHONS = ((3, 11), (3, 12), (3, 13))
# What to import; augmentation.py gives imgaug the table that it misses in NumPy 2.
MODULES = {
    "TensorFlow": "tensorflow",
    "OpenCV": "cv2",
    "imgaug": "pipeline.augmentation, imgaug",
    "OpenVINO": "openvino",
    "JAX": "jax",
}
GPUS = {
    "tensorflow": "[one.name for one in m.config.list_physical_devices('GPU')]",
    "jax": "[one.device_kind for one in m.devices() if one.platform == 'gpu']",
}  # module to an expression for the GPUs that it sees
INSTALL, INSTALL_JAX = "run `make install`", "run `make gpu`, or pip install jax"
LOG_IN = "make a token at https://www.kaggle.com/settings and put it into ~/.kaggle/access_token"

LIST_STAGES = (sys.executable, "-m", "dvc", "stage", "list", "--name-only")  # reads dvc.lock
DATA_STATUS = (sys.executable, "-m", "dvc", "data", "status", "--json")
RESULTS = ("data/", "features/", "models/")  # which git does not know, so that they were made here
GIGA = 10**9
RAY_SECONDS = 60.0  # to start one takes some ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found of one thing.

    Attributes:
        name: Of the thing.
        ok: Whether it is as params.yaml needs it.
        text: What was found; where that is not enough, what to do.
    """

    name: str
    ok: bool
    text: str

    def __str__(self) -> str:
        """Return the line for people."""
        return f"{'ok' if self.ok else 'no'}  {self.name}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of importing a module in a process of its own.

    Attributes:
        version: Of the module; None if it cannot be imported.
        error: The last line of what it said then.
        gpus: Names of the GPUs that it sees.
    """

    version: str | None
    error: str = ""
    gpus: tuple[str, ...] = ()


def examine_machine() -> Iterator[Check]:
    """Look at everything and yield what was found, the quick things first."""
    params, params_check = read_params(load_params)
    yield params_check
    if not paths.PARAMS.exists():
        return  # in another folder, all else would be advice for a project that is not here
    yield check_python(sys.version_info[:2])
    yield check_command(
        "git", ("git", "rev-parse", "--verify", "HEAD"), "a repository with a commit"
    )
    yield check_command(
        "DVC", (sys.executable, "-m", "dvc", "root"), f"{_version('dvc')}, initialised"
    )
    yield check_store(store_sizes(paths.store_folder()))
    if params is not None:
        yield from check_dvc_files(_fault(LIST_STAGES), paths.DVC_RWLOCK)
        status = _results_by_status()
        yield from check_results(status["modified"])
        yield from check_cache(status["not_in_cache"])
        yield from check_shared_store(params.features.store)
        yield from check_ray(params)
        yield from check_archives(params.datasets)
        yield check_disk(shutil.disk_usage(".").free, bytes_to_come(params))
        yield check_kaggle(find_credentials(), competitions(params.datasets))
    backbones = params.backbones if params else {}
    with ThreadPoolExecutor(len(MODULES)) as pool:
        layers = {
            name: [pool.submit(layer_fault, name, one) for one in settings.networks]
            for name, settings in backbones.items()
        }
        probes = dict(zip(MODULES, pool.map(probe, MODULES.values()), strict=True))
        choices = choose_engines(params, hardware_of(probes, params.extract)) if params else {}
        engines = {engine for engine, _ in choices.values()}
        yield from check_modules(probes, engines or {"tensorflow"}, params)
        yield check_processor(find_bfloat16())
        for name, settings in backbones.items():
            faults = [weights_fault(name, one) for one in settings.networks]
            layer_faults = (one.result() for one in layers[name])
            yield check_backbone(name, choices[name][1], *faults, *layer_faults)


def read_params(load: Callable[[], Params]) -> tuple[Params | None, Check]:
    """Return the settings, None if they have faults, and what was found."""
    try:
        params = load()
    except ParamsError as error:
        return None, Check(name="params.yaml", ok=False, text=f"{error}")
    counts = count_of(len(params.datasets), "dataset"), count_of(len(params.backbones), "backbone")
    return params, judge("params.yaml", f"valid, {', '.join(counts)}")


def judge(name: str, found: str, todo: str | None = None) -> Check:
    """Return what was found of a thing; it is well unless there is something to do."""
    return Check(name=name, ok=todo is None, text=found if todo is None else f"{found}: {todo}")


def check_python(found: tuple[int, ...]) -> Check:
    """Judge Python's version."""
    first, *others, last = [".".join(map(str, one)) for one in PYTHONS]
    known = f"use {', '.join([first, *others])} or {last} (make PYTHON=python{last} install)"
    return judge("Python", ".".join(map(str, found)), None if found in PYTHONS else known)


def check_command(name: str, command: Sequence[str], well: str) -> Check:
    """Judge a tool by a command that only works where all is well; else the tool's words are shown."""
    todo = {
        "git": "DVC's experiments need it, and a commit (apt install git; git init, add, commit)",
        "DVC": f"{INSTALL}, `source .venv/bin/activate`; in a new project `dvc init`",
    }[name]
    if name == "DVC" and shutil.which("dvc") is None:
        return judge(name, "not on the PATH", todo)
    fault = _fault(command)
    return judge(name, well) if fault is None else judge(name, fault, todo)


def check_dvc_files(fault: str | None, rwlock: Path) -> Iterator[Check]:
    """Judge what DVC writes as it runs, which it leaves in half where it is ended; nothing if all is well.

    Args:
        fault: What DVC says where it cannot list its stages.
        rwlock: The file in which DVC notes what it reads and writes.
    """
    if fault is not None and paths.LOCK.name in fault:
        todo = "as after an interrupted run of DVC: `git checkout dvc.lock`, then `dvc repro`"
        yield judge("dvc.lock", fault, todo)
    try:
        json.loads(rwlock.read_bytes() if rwlock.exists() else "{}")
    except ValueError:
        yield judge(
            "DVC's notes", f"{rwlock} is damaged, as after an interrupted run of DVC", "remove it"
        )


def check_results(others: Sequence[str]) -> Iterator[Check]:
    """Judge results that lie here and are not those of dvc.lock; nothing if there are none."""
    if others:
        yield judge(
            "results",
            f"{count_of(len(others), 'result')} here, the first {others[0]}, not as in dvc.lock",
            "as after `git checkout` or `git pull` alone, or a stage that was run by hand: `dvc checkout "
            "dvc.yaml` (or `dvc pull`) brings those of dvc.lock, `dvc repro` makes those of params.yaml",
        )


def check_cache(lacking: Sequence[str]) -> Iterator[Check]:
    """Judge what lies here and not in DVC's cache, as where that had no room; nothing if all is there."""
    if lacking:
        yield judge(
            "DVC's cache",
            f"it does not hold {count_of(len(lacking), 'result')} of dvc.lock, the first {lacking[0]}",
            "as where its disk was full, though DVC ended well (docs/troubleshooting.md), a stage was run by "
            "hand, or the cache is elsewhere now: run `dvc repro`; until then `dvc push` leaves them out",
        )


def check_store(sizes: Sequence[int]) -> Check:
    """Say how large the store is, given the bytes of each fingerprint's folder."""
    return judge(
        "store", f"{count_of(len(sizes), 'fingerprint')}, {_giga(sum(sizes))}" if sizes else "empty"
    )


def check_shared_store(url: str | None) -> Iterator[Check]:
    """Judge whether the store that a team shares can be reached, if there is one; nothing is written."""
    if url is None:
        return
    try:
        SharedStore(url).reach()
        yield judge("shared store", f"{url} can be reached")
    except StoreError as error:
        yield Check(name="shared store", ok=False, text=f"{error}")


def check_ray(params: Params, ask: Callable[[RayParams], Probe] | None = None) -> Iterator[Check]:
    """Judge whether Ray can be reached and has room for workers, where any stage is to use it.

    Args:
        params: All settings.
        ask: Tells what Ray has; `ask_ray` by default.
    """
    if "ray" in (params.extract.runner, params.runners.split, params.runners.augment):
        found = (ask or ask_ray)(params.extract.ray)
        yield Check(name="Ray", ok=found.version is not None, text=found.version or found.error)


def check_archives(datasets: Mapping[str, DatasetParams]) -> Iterator[Check]:
    """Judge whether the archives that params.yaml names are there; URLs are not asked."""
    for name, settings in datasets.items():
        what, archive = f"archive of {name}", settings.archive
        if archive is None:
            continue
        if is_url(archive):
            yield judge(what, f"{plain_url(archive)}, not asked")
        elif Path(archive).exists():
            yield judge(what, repr(archive))
        else:
            todo = f"put it there or change datasets.{name}.archive (params.yaml)"
            yield judge(what, f"there is no {archive!r}", todo)


def check_disk(free: int, to_come: Mapping[str, int | None]) -> Check:
    """Judge the free bytes by what each dataset will still write; None where nobody knows."""
    known = sum(size for size in to_come.values() if size is not None)
    parts = [
        f"{name} {'unknown' if size is None else _giga(size)}" for name, size in to_come.items()
    ]
    text = f"{_giga(free)} free, about {_giga(known)} to come, DVC's cache included ({', '.join(parts)})"
    todo = "free some, or lower augment.copies (params.yaml), or move the cache (dvc cache dir)"
    return judge("disk", text, None if free >= known else todo)


def check_kaggle(found: str, needed_by: Sequence[str]) -> Check:
    """Judge Kaggle's credentials, by what `find_credentials` says; never what they are."""
    whose = f"needed by {', '.join(needed_by)}" if needed_by else "none needed"
    missing = needed_by and found != "found"
    return judge("Kaggle credentials", f"{found}, {whose}", LOG_IN if missing else None)


def hardware_of(found: Mapping[str, Probe], settings: ExtractParams) -> Hardware:
    """Return what `find_hardware` finds, but of what can be imported, and no size of a GPU's memory."""
    seeing = ("jax", "tensorflow") if settings.engine == "auto" else (settings.engine,)
    by_module = {module: found[title] for title, module in MODULES.items()}
    return Hardware(
        cores=1,
        engines=tuple(
            name
            for name, needed in PACKAGES.items()
            if all(by_module[module].version for module in needed)
        ),
        gpus={name: Gpu(bytes=0) for name in seeing if by_module[name].gpus},
        bfloat16=find_bfloat16(),
    )


def choose_engines(params: Params, hardware: Hardware) -> dict[str, tuple[str, str | None]]:
    """Return by backbone the engine that is to run it, and why this machine cannot; None if it can."""
    return {
        name: _choose_engine(settings, params.extract, hardware)
        for name, settings in params.backbones.items()
    }


def _choose_engine(
    backbone: BackboneParams | JointBackboneParams, settings: ExtractParams, hardware: Hardware
) -> tuple[str, str | None]:
    needs_openvino = any(one.needs_openvino for one in backbone.networks)
    size = max(one.input_size for one in backbone.networks)
    try:
        chosen = choose(settings, hardware, size, needs_openvino=needs_openvino)
    except BackboneError as error:
        wanted = "tensorflow" if settings.engine == "auto" else settings.engine
        return "openvino" if needs_openvino else wanted, f"{error}"
    return chosen.engine, None


def check_modules(
    found: Mapping[str, Probe], engines: Collection[str], params: Params | None
) -> Iterator[Check]:
    """Judge what must be imported, and say which GPUs are seen.

    Args:
        found: What came of importing each module, by its title.
        engines: Those that are to run the backbones.
        params: All settings.
    """
    needed = {package for engine in engines for package in PACKAGES[engine]}
    spared = {
        title: "no backbone here runs on it"
        for title, module in MODULES.items()
        if module in PACKAGES and module not in needed
    }
    if params and params.augment.copies == 0:
        spared["imgaug"] = "augment.copies is 0"
    for name, one in found.items():
        if one.version is None:
            fault, reason = f"cannot be imported ({one.error})", spared.get(name)
            todo = INSTALL_JAX if name == "JAX" else INSTALL
            yield (
                judge(name, f"{fault}, not needed: {reason}")
                if reason
                else judge(name, fault, todo)
            )
        elif MODULES[name] in GPUS:
            devices = f"GPU: {', '.join(one.gpus)}" if one.gpus else "sees no GPU"
            yield judge(name, f"{one.version}, {devices}")
        else:
            yield judge(name, one.version)


def check_processor(bfloat16: str | None) -> Check:
    """Say whether the processor multiplies bfloat16; a backbone that needs it is judged by itself."""
    if bfloat16 is None:
        return judge(
            "processor", "no AMX and no AVX512-BF16, which extract.precision bfloat16 needs"
        )
    offer = "with which extract.precision bfloat16 is faster"
    return judge("processor", f"{bfloat16}, {offer} (docs/benchmarks.md)")


def check_backbone(name: str, *faults: str | None) -> Check:
    """Judge whether a backbone's weights and its layer are there, and this machine can run it."""
    found = "; ".join(fault for fault in faults if fault)
    return Check(name=f"backbone {name}", ok=not found, text=found or "weights and layer are there")


def weights_fault(name: str, settings: BackboneParams) -> str | None:
    """Say what is wrong with the weights; those that Keras downloads are not asked for."""
    weights, known = settings.weights, NETWORKS.get(settings.network or name)
    if weights not in ("imagenet", "random"):
        file = paths.weights_file(weights)
        missing = f"there is no weights file {str(file)!r} (params.yaml, backbones.{name}.weights)"
        there = file.exists() if settings.needs_openvino else file.is_file()
        return None if there else missing
    if weights == "random" or known is None or known.pip_weights is None:
        return None
    try:
        file = pip_weights_file(known.pip_weights)
    except BackboneError as error:
        return f"{error}"
    return None if file.is_file() else f"there is no {file}: {INSTALL}"


def layer_fault(name: str, settings: BackboneParams) -> str | None:
    """Say what is wrong with a layer that is named; the network is built elsewhere, without weights."""
    if settings.layer is None:
        return None
    code = (
        "import sys, pipeline; from pipeline.params import BackboneParams as Settings\n"
        "from pipeline.backbones.backbone import Backbone, BackboneError\n"
        "settings = Settings.model_validate_json(sys.argv[2])\n"
        "backbone = Backbone(sys.argv[1], settings.without_weights())\n"
        "try: backbone.graph if backbone.needs_openvino else backbone.model\n"
        "except BackboneError as error: sys.exit(str(error))"
    )
    return _fault([sys.executable, "-c", code, name, settings.model_dump_json()], last=True)


def competitions(datasets: Mapping[str, DatasetParams]) -> list[str]:
    """Return the datasets for which Kaggle wants an account."""
    return [
        name
        for name, settings in datasets.items()
        if settings.source == "kaggle"
        and (known := CATALOGUE.get(name)) is not None
        and known.kaggle is not None
        and known.kaggle.is_competition
    ]


def find_credentials() -> str:
    """Say whether kagglehub finds credentials: `found`, or what is wrong; not what they are."""
    from kagglehub.config import get_kaggle_credentials

    try:
        return "none found" if get_kaggle_credentials() is None else "found"
    except ValueError:
        return "kaggle.json has no user name and key in it"
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"


def store_sizes(root: Path) -> list[int]:
    """Return the bytes of each fingerprint's folder; the claims of runs have one, too, behind a dot."""
    folders = [folder for folder in root.glob("[!.]*") if folder.is_dir()]
    return [sum(map(_size, os.scandir(folder))) for folder in folders]


def _size(file: "os.DirEntry[str]") -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0  # a run that fills the store renamed it


def probe(module: str) -> Probe:
    """Import a module in a process of its own, where it can do no harm."""
    code = (
        f"import json, pipeline, {module} as m\n"
        f"print(json.dumps([m.__version__, {GPUS.get(module, '[]')}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        return Probe(version=None, error=lines[-1])
    found, gpus = json.loads(done.stdout.splitlines()[-1])
    return Probe(version=found, gpus=tuple(gpus))


def ask_ray(settings: RayParams) -> Probe:
    """Connect to Ray, or start it, in a process of its own; its version comes with what it has."""
    code = (
        "import sys; from pipeline.params import RayParams as Settings\n"
        "from pipeline.runners.cluster import PipelineError, describe\n"
        "try: print(describe(Settings.model_validate_json(sys.argv[1])))\n"
        "except PipelineError as error: sys.exit(str(error))"
    )
    command = [sys.executable, "-c", code, settings.model_dump_json()]
    try:
        done = subprocess.run(  # noqa: S603 (fixed)
            command, capture_output=True, text=True, check=False, timeout=RAY_SECONDS
        )
    except subprocess.TimeoutExpired:
        todo = (
            f"what listens at {settings.address} may be no Ray (params.yaml, extract.ray.address)"
        )
        return Probe(version=None, error=f"no answer within {RAY_SECONDS:.0f} s: {todo}")
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    last = said[-1] if said else f"it ended with {done.returncode}"
    return Probe(version=None, error=last) if done.returncode else Probe(version=last)


def _giga(size: int) -> str:
    return f"{size / GIGA:.1f} GB" if size >= GIGA / 10 else f"{size / 1e6:.0f} MB"


def _results_by_status() -> dict[str, list[str]]:
    """Return the results that lie here and are not as dvc.lock has them, or not in DVC's cache.

    None where DVC cannot tell.
    """
    try:
        done = subprocess.run(DATA_STATUS, capture_output=True, check=True)  # noqa: S603 (fixed)
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        found = {}
    listed = {**found.get("uncommitted", {}), "not_in_cache": found.get("not_in_cache", [])}
    return {
        status: sorted(
            one for one in listed.get(status, ()) if one.startswith(RESULTS) and Path(one).exists()
        )
        for status in ("modified", "not_in_cache")
    }


def _fault(command: Sequence[str], *, last: bool = False) -> str | None:
    """Run a command; return the first (or last) line that it says when it fails, None if it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed)
    except OSError as error:
        return f"{command[0]} cannot be started ({error.strerror})"
    lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return lines[-1 if last else 0] if done.returncode else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
