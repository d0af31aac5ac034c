"""Workers of Ray give the features of one process, whatever happens to them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.extraction.decoding import ImageFile
from pipeline.files import sha256_of
from pipeline.parallel import Progress, no_progress
from pipeline.params import RayParams
from pipeline.runners import ray_workers, runner
from pipeline.runners.cluster import connected, describe
from pipeline.runners.ray_workers import extract_on_ray
from pipeline.stages import extract
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, draw_image, make_params, make_project, place
from tests.runners.slow_colours import SlowColours

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FEATURES = paths.features_file("pets", BACKBONE)
TWO = RayParams(workers=2)
BEFORE = signal.getsignal(signal.SIGTERM)


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    """A Ray of this machine, for all tests of the file: to start one takes seconds."""
    with connected(TWO):
        yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with 60 images, in which the test runs."""
    make_project(tmp_path / "project", monkeypatch)
    place("pets", {f"train/{'cat' if n % 2 else 'dog'}/{n}.jpg": draw_image(n) for n in range(60)})
    return tmp_path / "project"


@pytest.fixture
def colours(tmp_path: Path) -> SlowColours:
    return SlowColours(tmp_path / "processes", seconds=0.02, together=2)


def extract_by(
    monkeypatch: pytest.MonkeyPatch,
    colours: SlowColours | None,
    progress: Progress = no_progress,
    **settings: int,
) -> str:
    """Run the stage on workers that open `colours`, on none of those here; return its line."""
    use_mean_colour(monkeypatch)
    changes: dict[str, Any] = {}
    if colours is not None:
        monkeypatch.setattr(runner.Runner, "_recipe", lambda *_: colours)
        changes = {"extract.runner": "ray", "extract.ray": {"workers": 2, **settings}}
    return extract.run("pets", BACKBONE, make_params(changes), progress)


def digest_of_one_process(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the sha256 of the features file that one process makes, and take that away again."""
    extract_by(monkeypatch, None)
    digest = sha256_of(FEATURES)
    for file in (FEATURES, *paths.store_folder().glob("*/*.h5")):
        file.unlink()
    return digest


@pytest.mark.usefixtures("_cluster", "project")
def test_two_workers_give_the_bytes_of_one_process(
    monkeypatch: pytest.MonkeyPatch, colours: SlowColours
) -> None:
    expected = digest_of_one_process(monkeypatch)
    line = extract_by(monkeypatch, colours)
    assert line.startswith(f"pets/{BACKBONE}: 60 features, 60 computed, 0 from the store, ")
    assert sha256_of(FEATURES) == expected
    assert len(colours.processes()) == 2
    assert os.getpid() not in colours.processes()


@pytest.mark.usefixtures("_cluster")
def test_ray_leaves_sigterm_to_the_program() -> None:
    assert signal.getsignal(signal.SIGTERM) is BEFORE


def at_first(do: Callable[[], object]) -> Callable[[Iterator[Any], int], Iterator[Any]]:
    """Return a progress that does something when the first features come."""

    def progress(items: Iterator[Any], total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 0:
                do()
            yield item

    return progress


@pytest.mark.usefixtures("_cluster", "project")
@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGKILL, "is gone"), (signal.SIGSTOP, "was silent for")]
)
def test_a_worker_that_is_killed_or_stopped_is_replaced_and_changes_no_byte(
    number: signal.Signals,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    colours: SlowColours,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = digest_of_one_process(monkeypatch)
    line = extract_by(
        monkeypatch,
        replace(colours, seconds=0.15),  # so that the other alone takes longer than the patience
        progress=at_first(lambda: os.kill(next(filter(is_running, colours.processes())), number)),
        patience=3,
    )
    assert " 60 computed, " in line
    assert sha256_of(FEATURES) == expected
    said = [one.getMessage() for one in caplog.records if told in one.getMessage()]
    assert said
    assert re.search(r"^worker \d \(.*, process \d+\) .*: it is replaced", said[0])


@pytest.mark.usefixtures("_cluster", "project")
@pytest.mark.parametrize("kind", ["missing", "no image"])
def test_the_first_bad_image_is_named_as_by_one_process(
    kind: str, monkeypatch: pytest.MonkeyPatch, colours: SlowColours
) -> None:
    """The second one, which another worker meets first, is not."""
    names = [f"train/cat/{n:02}.jpg" for n in range(60)]
    bad = {13: b"one", 15: b"two"} if kind == "no image" else {}
    place("pets", {name: bad.get(n, draw_image(n)) for n, name in enumerate(names)})
    if kind == "missing":
        for number in (13, 15):
            (paths.split_folder("pets") / names[number]).unlink()
    with pytest.raises(PipelineError, match=r"cannot .*/13.jpg") as here:
        extract_by(monkeypatch, None)
    shutil.rmtree(paths.store_folder())
    with pytest.raises(type(here.value), match=re.escape(str(here.value))):
        extract_by(monkeypatch, colours)
    (shard,) = paths.store_folder().glob("*/*.h5")
    with h5py.File(shard) as file:
        assert len(file["sha256"]) >= 13, "what came before it is kept"


@pytest.mark.usefixtures("_cluster")
def test_the_cluster_is_described_with_the_room_that_it_has() -> None:
    assert re.fullmatch(
        r"[\d.]+, this machine alone: nodes: 1, CPUs: \d+, GPUs: \d+, room for workers: [1-9]\d*",
        describe(RayParams()),
    )
    with pytest.raises(PipelineError, match=r"takes 1000 CPUs and 3 GPUs, .* has \d+ CPUs and"):
        describe(RayParams(cpus=1000, gpus=3))


@pytest.mark.usefixtures("_cluster")
def test_workers_of_this_machine_get_as_much_of_it_as_the_run_would() -> None:
    with connected(TWO) as ray:
        assert ray.get(ray.remote(lambda: os.nice(0)).remote()) == os.nice(0)


@pytest.mark.usefixtures("_cluster")
def test_where_no_machine_has_room_that_is_said(
    monkeypatch: pytest.MonkeyPatch, colours: SlowColours
) -> None:
    def fail(text: str, *values: object) -> None:
        raise PipelineError(text % values)

    monkeypatch.setattr(ray_workers.log, "warning", fail)
    greedy = RayParams(workers=1, cpus=1000, patience=1)
    with pytest.raises(PipelineError, match=r"a worker takes 1000 CPUs and 0 GPUs, and no node"):
        next(extract_on_ray([ImageFile(Path("a"))], 1, colours, greedy))
    of_a_cluster = greedy.model_copy(update={"address": "auto"})  # others may join it
    with pytest.raises(PipelineError, match=r"no worker has begun .* 1000 CPUs and 0 GPUs each"):
        next(extract_on_ray([ImageFile(Path("a"))], 1, colours, of_a_cluster))


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(process: int) -> set[int]:
    """Return the numbers of the processes that a process has started, and of those that they have."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    found = {one for one, parent in parents.items() if parent == process}
    return found.union(*map(children_of, found))


def count_rows(shard: Path) -> int:
    with h5py.File(shard) as file:
        return len(file["sha256"])


ALONE = """
from pathlib import Path
import pytest
from pipeline.store import store
from tests.runners.slow_colours import SlowColours
from tests.runners.test_ray_workers import extract_by
store.SHARD_ROWS = 10
with pytest.MonkeyPatch.context() as patch:
    extract_by(patch, SlowColours(Path(r"{folder}"), seconds=0.1, together=2))
"""


@pytest.mark.usefixtures("_cluster", "project")
def test_a_run_that_is_killed_takes_its_workers_along_and_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, colours: SlowColours
) -> None:
    expected = digest_of_one_process(monkeypatch)
    code = ALONE.format(folder=colours.folder)
    run = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    while run.poll() is None and not list(paths.store_folder().glob("*/[!.]*.h5")):
        time.sleep(0.1)
    workers, started = colours.processes(), children_of(run.pid)
    assert len(workers) == 2
    assert set(workers) < started
    run.kill()
    assert run.wait() == -signal.SIGKILL
    while any(map(is_running, workers)):
        time.sleep(0.1)
    for process in filter(is_running, started):  # Ray's own agents would take a minute to end
        os.kill(process, signal.SIGKILL)
    kept = sum(map(count_rows, paths.store_folder().glob("*/[!.]*.h5")))
    assert kept > 0
    assert f", {60 - kept} computed, {kept} from the store" in extract_by(monkeypatch, colours)
    assert sha256_of(FEATURES) == expected


@pytest.mark.long
@pytest.mark.usefixtures("_cluster", "project")
def test_two_workers_with_a_real_network_give_the_bytes_of_one_process() -> None:
    digests = []
    for name in ("local", "ray"):
        shutil.rmtree("features", ignore_errors=True)
        changes = {"extract.runner": name, "extract.ray": {"workers": 2}}
        assert " 60 computed, " in extract.run("pets", BACKBONE, make_params(changes))
        digests.append(sha256_of(FEATURES))
    assert digests[0] == digests[1]
