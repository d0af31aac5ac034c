"""Where files are looked at one by one: in processes of this machine, or by tasks of Ray on many."""

import functools
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError, first_line
from pipeline.images import decoder_versions
from pipeline.parallel import Pool, count_cores, open_processes
from pipeline.runners.cluster import NotSeen, connected, count_workers, enter, worker_name

if TYPE_CHECKING:  # 0.2 s that processes which decode need not take
    from pipeline.params import RayParams

LOSSES = 3  # workers that one part of the work may cost
PACKAGE = Path(__file__).parents[1]

log = logging.getLogger(__name__)


@contextmanager
def open_pool(module: str, ray: "RayParams | None", folder: Path) -> Iterator[tuple[Pool, int]]:
    """Open a pool, and tell how many of its workers can work at once.

    Args:
        module: What the work needs, imported once where it is done on this machine.
        ray: The cluster that does it; None: processes of this machine.
        folder: One that exists as long as the pool, which the work reads or writes.

    Raises:
        PipelineError: Ray is not installed, or cannot be reached.
    """
    if ray is None:
        with open_processes(module) as processes:
            yield processes, count_cores()
        return
    with connected(ray) as connection:
        pool = _RayPool(connection, ray.patience, folder)
        yield pool, count_workers(connection.nodes(), cpus=1, gpus=0)


class _RayPool:
    """Gives work to any worker that has a processor free, of which each part takes one."""

    def __init__(self, ray: Any, patience: float, folder: Path) -> None:
        self._ray, self._patience = ray, patience
        # Workers that are lost are told of here, where Ray itself would begin anew without a word.
        self._task = ray.remote(_work).options(num_cpus=1, max_retries=0, num_returns="streaming")
        self._sent = (Path.cwd(), folder, surroundings())

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> "_Answer":
        """Have a worker call a function that gives the same however often it is called."""
        ask = functools.partial(self._task.remote, *self._sent, fn, *args)
        return _Answer(self._ray, self._patience, ask)


class _Answer:
    """What a worker, or another in its place, will have answered."""

    def __init__(self, ray: Any, patience: float, ask: Callable[[], Any]) -> None:
        self._ray, self._patience, self._ask = ray, patience, ask
        self._told = ask()

    def result(self) -> Any:
        """Wait for it.

        Raises:
            PipelineError: Several workers were lost with this work, or do not see its files, or have
                other code or libraries.
            Exception: What the function raised.
        """
        worker = "a worker of Ray"
        for lost in range(LOSSES):
            patience = self._patience * 2**lost  # what is only slow gets its time
            try:
                worker = f"worker on {self._wait_for_room()}"
                if self._has_told(patience):
                    return self._next()
                why = f"was silent for {patience:.0f} s"
            except self._ray.exceptions.RayTaskError as error:
                is_known = isinstance(error.cause, (PipelineError, OSError))
                raise (error.cause if is_known else error) from None
            except self._ray.exceptions.RayError as error:
                why = f"is gone ({first_line(error).partition(':')[0].rstrip('.')})"
            self.cancel()
            if lost + 1 < LOSSES:
                log.warning("%s %s: another does its part.", worker, why)
                self._told = self._ask()
        raise PipelineError(
            f"the same files have cost {LOSSES} workers of Ray; the last one, {worker}, {why} "
            "(params.yaml, extract.ray.patience)."
        )

    def cancel(self) -> None:
        """Have nobody do it any more."""
        self._ray.cancel(self._told, force=True)

    def _wait_for_room(self) -> str:
        """Wait until a worker has begun; return its name."""
        while not self._has_told(self._patience):
            log.warning("no worker of Ray has begun for %.0f s: others may use it.", self._patience)
        return str(self._next())

    def _has_told(self, seconds: float) -> bool:
        return bool(self._ray.wait([self._told], timeout=seconds)[0])

    def _next(self) -> Any:
        return self._ray.get(next(self._told))


def _work(
    folder: Path, needed: Path, wanted: dict[str, str], fn: Callable[..., Any], *args: Any
) -> Iterator[Any]:
    """Tell who begins, then what a function gives; runs in a worker's process."""
    yield worker_name()
    enter(folder)
    if not needed.is_dir():  # one that merely looks the same would take what is written, for nobody
        raise NotSeen(worker_name(), str(folder / needed))
    found = surroundings()
    if differing := [name for name in wanted if found[name] != wanted[name]]:
        told = "; ".join(
            f"{name} is {found[name]} there, {wanted[name]} here" for name in differing
        )
        raise PipelineError(
            f"the worker on {worker_name()} would make other files than this machine: {told}. All need "
            "the same code and packages (docs/scaling.md)."
        )
    try:
        yield fn(*args)
    except FileNotFoundError as error:
        raise NotSeen(worker_name(), str(folder / str(error.filename))) from None
    except PipelineError as error:
        raise type(error)(f"worker on {worker_name()}: {error}") from None


@functools.cache
def surroundings() -> dict[str, str]:
    """Return what decides what this machine makes of a file: its code and its libraries."""
    code = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        code.update(file.read_bytes())
    libraries = {name: version(name) for name in ("numpy", "imgaug")}
    return {"the code": code.hexdigest()[:12], **decoder_versions(), **libraries}
