"""Whether this machine has what params.yaml needs: a line a thing, and what to do where it lacks.

The checks judge facts that they are given; only `examine_machine` looks at the machine. Nothing
that is secret is looked at further than whether it is there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import paths
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ParamsError, PipelineError
from pipeline.params import DatasetParams, ExtractParams, Params, load_params

PYTHONS = ((3, 11), (3, 12))
MODULES = {"TensorFlow": "tensorflow", "OpenCV": "cv2", "imgaug": "imgaug", "OpenVINO": "openvino"}
INSTALL = "run `make install`"
LOG_IN = "make a token at https://www.kaggle.com/settings and put it into ~/.kaggle/access_token"

DRAWN_BYTES = 8_000_000  # of an archive that the project draws
PHOTO_BYTES = 40_000  # of one photo, as in the archives of the catalogue
FEATURE_VALUES = 2048  # of one image, a generous bound for a pooled backbone
MAP_CELLS = 49  # 7 x 7, where a backbone is not pooled
COPY_SIZE = 1.1  # of an augmented copy, beside its original
GIGA = 10**9


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
    yield check_python(sys.version_info[:2])
    yield check_git(
        found=shutil.which("git") is not None,
        commit=_succeeds("git", "rev-parse", "-q", "--verify", "HEAD"),
    )
    yield check_dvc(
        _version("dvc"),
        on_path=shutil.which("dvc") is not None,
        is_repository=Path(".dvc").is_dir(),
    )
    yield check_store(store_sizes(paths.store_folder()))
    if params is not None:
        yield from check_archives(params.datasets, Path.exists)
        yield check_disk(shutil.disk_usage(".").free, bytes_to_come(params))
        yield check_kaggle(find_credentials(), competitions(params.datasets))
    with ThreadPoolExecutor(len(MODULES)) as pool:
        probes = dict(zip(MODULES, pool.map(probe, MODULES.values()), strict=True))
    yield check_tensorflow(probes["TensorFlow"], params.extract if params else None)
    yield check_openvino(probes["OpenVINO"], params.extract if params else None)
    yield check_module("OpenCV", probes["OpenCV"], needed_for=None)
    copies = params.augment.copies if params else 1
    yield check_module(
        "imgaug", probes["imgaug"], needed_for=None if copies else "augment.copies is 0"
    )


def read_params(load: Callable[[], Params]) -> tuple[Params | None, Check]:
    """Return the settings, None if they have faults, and what was found."""
    try:
        params = load()
    except ParamsError as error:
        return None, Check(name="params.yaml", ok=False, text=f"{error}")
    counts = f"{len(params.datasets)} datasets, {len(params.backbones)} backbones"
    return params, Check(name="params.yaml", ok=True, text=f"valid, {counts}")


def check_python(found: tuple[int, ...]) -> Check:
    """Judge Python's version."""
    text = ".".join(map(str, found))
    if found in PYTHONS:
        return Check(name="Python", ok=True, text=text)
    known = " or ".join(".".join(map(str, one)) for one in PYTHONS)
    return Check(
        name="Python", ok=False, text=f"{text}: use {known} (make PYTHON=python3.11 install)"
    )


def check_git(*, found: bool, commit: bool) -> Check:
    """Judge git, which DVC's experiments need, with a commit to start from."""
    if not found:
        return Check(name="git", ok=False, text="not found: install it (apt install git)")
    if not commit:
        return Check(
            name="git", ok=False, text="no commit here: `git init`, `git add .`, `git commit`"
        )
    return Check(name="git", ok=True, text="a repository with a commit")


def check_dvc(found: str | None, *, on_path: bool, is_repository: bool) -> Check:
    """Judge DVC and whether the folder is one of its repositories."""
    if found is None:
        return Check(name="DVC", ok=False, text=f"not installed: {INSTALL}")
    if not on_path:
        return Check(
            name="DVC", ok=False, text=f"{found}, not on the PATH: `source .venv/bin/activate`"
        )
    if not is_repository:
        return Check(name="DVC", ok=False, text=f"{found}, not initialised here: `dvc init`")
    return Check(name="DVC", ok=True, text=f"{found}, initialised")


def check_store(sizes: Sequence[int]) -> Check:
    """Say how large the store is, given the bytes of each fingerprint's folder."""
    text = f"{len(sizes)} fingerprints, {_giga(sum(sizes))}" if sizes else "empty"
    return Check(name="store", ok=True, text=text)


def check_archives(
    datasets: Mapping[str, DatasetParams], exists: Callable[[Path], bool]
) -> Iterator[Check]:
    """Judge whether the archives that params.yaml names are there; URLs are not asked."""
    for name, settings in datasets.items():
        if settings.archive is None or urlsplit(settings.archive).scheme in (
            "http",
            "https",
            "file",
        ):
            continue
        there = exists(Path(settings.archive).expanduser())
        found = f"{settings.archive!r}" if there else f"there is no {settings.archive!r}: "
        todo = "" if there else f"put it there or change datasets.{name}.archive (params.yaml)"
        yield Check(name=f"archive of {name}", ok=there, text=found + todo)


def check_disk(free: int, to_come: Mapping[str, int | None]) -> Check:
    """Judge the free bytes by what each dataset will still write; None where nobody knows."""
    known = sum(size for size in to_come.values() if size is not None)
    parts = [
        f"{name} {'unknown' if size is None else _giga(size)}" for name, size in to_come.items()
    ]
    text = f"{_giga(free)} free, about {_giga(known)} to come, DVC's cache included ({', '.join(parts)})"
    if free < known:
        text += (
            ": free some, or lower augment.copies (params.yaml), or move the cache (dvc cache dir)"
        )
    return Check(name="disk", ok=free >= known, text=text)


def check_kaggle(found: str, needed_by: Sequence[str]) -> Check:
    """Judge Kaggle's credentials: `yes`, `no`, or what is wrong with them; never what they are."""
    whose = f"needed by {', '.join(needed_by)}" if needed_by else "none needed"
    if found == "yes":
        return Check(name="Kaggle credentials", ok=True, text=f"found, {whose}")
    text = "none found" if found == "no" else found
    if needed_by:
        return Check(name="Kaggle credentials", ok=False, text=f"{text}, {whose}: {LOG_IN}")
    return Check(name="Kaggle credentials", ok=True, text=f"{text}, {whose}")


def check_tensorflow(found: Probe, settings: ExtractParams | None) -> Check:
    """Judge TensorFlow, and its devices by the precision that is wanted."""
    if found.version is None:
        return check_module("TensorFlow", found, needed_for=None)
    devices = f"GPU: {', '.join(found.gpus)}" if found.gpus else "no GPU, so the CPU computes"
    text = f"{found.version}, {devices}"
    if settings is not None and settings.precision == "float16" and not found.gpus:
        todo = "extract.precision float16 needs one: set it to float32 (params.yaml), or see docs/gpu.md"
        return Check(name="TensorFlow", ok=False, text=f"{text}: {todo}")
    return Check(name="TensorFlow", ok=True, text=text)


def check_openvino(found: Probe, settings: ExtractParams | None) -> Check:
    """Judge OpenVINO, which is only needed if it is named."""
    named = settings is not None and settings.engine == "openvino"
    return check_module(
        "OpenVINO", found, needed_for=None if named else "extract.engine does not name it"
    )


def check_module(name: str, found: Probe, *, needed_for: str | None) -> Check:
    """Judge whether a module can be imported.

    Args:
        name: As people call it.
        found: What came of importing it.
        needed_for: Why it is not needed; None if it is.
    """
    if found.version is not None:
        return Check(name=name, ok=True, text=found.version)
    if needed_for is not None:
        return Check(
            name=name, ok=True, text=f"cannot be imported ({found.error}), not needed: {needed_for}"
        )
    return Check(name=name, ok=False, text=f"cannot be imported ({found.error}): {INSTALL}")


def bytes_to_come(params: Params) -> dict[str, int | None]:
    """Estimate the bytes that each dataset will still write, with DVC's copy of everything."""
    return {
        name: None if (size := archive_bytes(name, settings)) is None else _left(name, size, params)
        for name, settings in params.datasets.items()
    }


def archive_bytes(dataset: str, settings: DatasetParams) -> int | None:
    """Return the size of a dataset's archive: as fetched, as known, or as it lies there; else None."""
    try:
        return paths.raw_archive(dataset).stat().st_size
    except (PipelineError, OSError):
        pass
    known = CATALOGUE.get(dataset)
    if settings.source == "drawn":
        return DRAWN_BYTES
    if settings.source == "mirror" and known is not None and known.mirror is not None:
        return known.mirror.bytes
    if settings.source == "kaggle" and known is not None and known.kaggle is not None:
        return known.kaggle.bytes
    path = Path(settings.archive or "").expanduser()
    if settings.archive is None or not path.exists():
        return None
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def estimate_bytes(archive: int, params: Params) -> dict[str, int]:
    """Estimate what the stages make of an archive: `raw`, `split`, `augmented`, `features`.

    Images do not shrink in an archive, so the split is as large as that. Features are counted
    twice, for the store; DVC's cache is not counted.
    """
    train = 1 - params.split.val_fraction - params.split.test_fraction
    copies = params.augment.copies * train
    rows = archive / PHOTO_BYTES * (1 + copies)
    width = {"float16": 2, "float32": 4}[params.extract.dtype] * FEATURE_VALUES
    cells = sum(1 if one.pooling else MAP_CELLS for one in params.backbones.values())
    return {
        "raw": archive,
        "split": archive,
        "augmented": round(archive * copies * COPY_SIZE),
        "features": round(2 * rows * width * cells),
    }


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
    """Say whether kagglehub finds credentials: `yes`, `no`, or what is wrong with a file of them."""
    from kagglehub.config import get_kaggle_credentials

    try:
        return "no" if get_kaggle_credentials() is None else "yes"
    except ValueError:
        return "a kaggle.json that is none"
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"


def store_sizes(root: Path) -> list[int]:
    """Return the bytes of each fingerprint's folder."""
    folders = [folder for folder in root.glob("*") if folder.is_dir()]
    return [sum(file.stat().st_size for file in os.scandir(folder)) for folder in folders]


def probe(module: str) -> Probe:
    """Import a module in a process of its own, where it can do no harm."""
    code = (
        f"import json, pipeline, {module} as m\n"
        "found = m.config.list_physical_devices('GPU') if m.__name__ == 'tensorflow' else []\n"
        "print(json.dumps([m.__version__, [one.name for one in found]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        return Probe(version=None, error=lines[-1])
    found, gpus = json.loads(done.stdout.splitlines()[-1])
    return Probe(version=found, gpus=tuple(gpus))


def _left(dataset: str, archive: int, params: Params) -> int:
    """Return what is still to be written of a dataset; a folder that is there is taken for done."""
    places = {
        "raw": paths.raw_folder(dataset),
        "split": paths.split_folder(dataset),
        "augmented": paths.augmented_folder(dataset),
        "features": paths.features_file(dataset, next(iter(params.backbones))).parent,
    }
    return sum(
        2 * size
        for part, size in estimate_bytes(archive, params).items()
        if not places[part].exists()
    )


def _giga(size: int) -> str:
    return f"{size / GIGA:.1f} GB" if size >= GIGA / 10 else f"{size / 1e6:.0f} MB"


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
