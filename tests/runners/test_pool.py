"""Split and augment on workers of Ray give the files of one process, whatever happens to the workers."""

import errno
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.errors import ManifestError, PipelineError, describe_os_error
from pipeline.parallel import Progress, map_ordered, no_progress
from pipeline.params import RayParams
from pipeline.runners import pool as module
from pipeline.runners.cluster import connected
from pipeline.runners.pool import open_pool, surroundings
from pipeline.stages import augment, fetch, split
from tests.project import draw_folders, make_params, make_project

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow

HASTY = RayParams(workers=2, patience=3)


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    """A Ray of this machine, for all tests of the file: to start one takes seconds."""
    with connected(HASTY):
        yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an archive of 24 images and a file that is none, in which the test runs."""
    make_project(tmp_path / "project", monkeypatch)
    draw_folders(Path("pets"), {"cat": 12, "dog": 12})
    Path("pets/dog/notes.jpg").write_bytes(b"no image")
    return tmp_path / "project"


def prepare(runner: str, progress: Progress = no_progress) -> dict[str, bytes]:
    """Run the stages; return the bytes of every file that they leave."""
    changes: dict[str, Any] = {"augment.copies": 2}
    if runner == "ray":
        changes |= {"runners.split": "ray", "runners.augment": "ray"}
        changes |= {"extract.ray": {"workers": 2, "patience": 3}}
    params = make_params(changes)
    fetch.run("pets", params)
    split.run("pets", params, progress)
    augment.run("pets", params, progress)
    files = [file for file in sorted(Path("data").rglob("*")) if file.is_file()]
    return {str(file): file.read_bytes() for file in [*files, paths.data_metrics_file("pets")]}


@pytest.mark.usefixtures("_cluster", "project")
def test_workers_give_the_files_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    here = prepare("local")
    assert len([name for name in here if "__copy" in name]) > 20
    monkeypatch.setattr(module, "open_processes", None)  # nobody works here
    assert prepare("ray") == here


def work(folder: Path, harm: int, item: int) -> tuple[int, int]:
    """Note in a file who does it; where none has done it before, send the process a signal."""
    mark = folder / str(item)
    is_first = not mark.exists()
    with mark.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    if harm and item == 5 and is_first:
        os.kill(os.getpid(), harm)
    time.sleep(0.05)
    return item, os.getpid()


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    ("harm", "told"), [(signal.SIGKILL, "is gone"), (signal.SIGSTOP, "was silent for 3 s")]
)
def test_what_a_lost_worker_had_is_done_by_another_which_is_said(
    harm: int, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_pool("", HASTY, tmp_path) as (pool, workers):
        found = list(map_ordered(pool, partial(work, tmp_path, harm), range(12), ahead=4))
    assert workers >= 2
    assert [item for item, _ in found] == list(range(12))
    assert os.getpid() not in {process for _, process in found}
    first, *others = (tmp_path / "5").read_text().split()
    assert others
    assert first not in others
    (said, *_) = [one.getMessage() for one in caplog.records]
    worker = rf"(worker on .*, process {first}|a worker of Ray)"
    assert re.fullmatch(rf"{worker} {told}.*: another does its part\.", said)
    if harm == signal.SIGSTOP:
        os.kill(int(first), signal.SIGKILL)


def die(item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def complain(item: int) -> None:
    raise ManifestError(f"{item} is bad")


def fill(item: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "copy.jpg")


def rest(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def stumble(item: int) -> float:
    return 1 / (item - 2)


def read(item: Path) -> bytes:
    return item.read_bytes()


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    ("function", "items", "error", "message"),
    [
        (die, [1], PipelineError, r"the same files have cost 3 workers of Ray; the last one, .* is gone"),
        (complain, [1, 2], ManifestError, r"^worker on .*, process \d+: 1 is bad$"),
        (stumble, [1, 2], ZeroDivisionError, "division by zero"),
        (read, [Path("gone.jpg")], ManifestError, r"^the worker on .* does not see .*/gone\.jpg\. Exp"),
    ],
)  # fmt: skip
def test_what_a_worker_raises_is_raised_here(
    function: Callable[[Any], Any], items: list[Any], error: type[Exception], message: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    with (
        open_pool("", HASTY, tmp_path) as (pool, _),
        pytest.raises(error, match=message),
    ):
        list(map_ordered(pool, function, items, ahead=4))


@pytest.mark.usefixtures("_cluster")
def test_what_the_system_refuses_a_worker_is_told_as_if_refused_here(tmp_path: Path) -> None:
    with open_pool("", HASTY, tmp_path) as (pool, _), pytest.raises(OSError) as raised:  # noqa: PT011
        list(map_ordered(pool, fill, [1], ahead=1))
    assert describe_os_error(raised.value) == describe_os_error(
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "copy.jpg")
    )


@pytest.mark.usefixtures("_cluster")
def test_what_is_slow_gets_its_time_and_what_never_ends_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hasty = HASTY.model_copy(update={"patience": 1})
    with open_pool("", hasty, tmp_path) as (pool, _):
        assert list(map_ordered(pool, rest, [1.5], ahead=1)) == [1.5]
    assert "was silent for 1 s: another does its part." in caplog.text
    with (
        open_pool("", hasty, tmp_path) as (pool, _),
        pytest.raises(PipelineError, match=r"have cost 3 workers of Ray; .* was silent for 4 s"),
    ):
        list(map_ordered(pool, rest, [60], ahead=1))


@pytest.mark.usefixtures("_cluster")
def test_a_worker_that_does_not_see_the_folder_or_has_other_code_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        open_pool("", HASTY, tmp_path / "here alone") as (pool, _),
        pytest.raises(ManifestError, match=r"does not see .*/here alone\. Expected a folder"),
    ):
        list(map_ordered(pool, abs, [-1], ahead=1))
    other = surroundings() | {"pillow": "1.0"}
    monkeypatch.setattr(module, "surroundings", lambda: other)
    message = r"would make other files than this machine: pillow is [\d.]+ there, 1\.0 here\. All"
    with open_pool("", HASTY, tmp_path) as (pool, _), pytest.raises(PipelineError, match=message):
        list(map_ordered(pool, abs, [-1], ahead=1))


def test_surroundings_name_the_code_and_every_library_that_makes_pixels() -> None:
    found = surroundings()
    assert re.fullmatch(r"[0-9a-f]{12}", found["the code"])
    assert {"pillow", "simplejpeg", "opencv-python-headless", "numpy", "imgaug"} <= set(found)
