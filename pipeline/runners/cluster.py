"""A connection to Ray, on this machine or many, and what all its workers do first."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ManifestError, PipelineError, first_line
from pipeline.parallel import count_cores

if TYPE_CHECKING:  # 0.2 s that processes which decode need not take
    from pipeline.params import RayParams

OBJECT_STORE_BYTES = 128 << 20  # what a Ray of this machine alone sets aside for what is under way
KNOCK_SECONDS = 10.0


@contextmanager
def connected(settings: "RayParams") -> Iterator[Any]:
    """Connect to the cluster that settings name, or start one of this machine alone, and end that afterwards.

    A program that has connected already stays connected.

    Raises:
        PipelineError: Ray is not installed, or the cluster cannot be reached.
    """
    ray = _import_ray()
    if ray.is_initialized():
        yield ray
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        _knock(settings.address)
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **_where(settings))
    except Exception as error:  # noqa: BLE001 (Ray raises whatever it meets)
        where = settings.address or "this machine"
        raise PipelineError(
            f"cannot connect to Ray at {where}: {first_line(error).rstrip('.')}. "
            "Expected a cluster of the same Ray and Python, and where it wants a token, that and "
            "RAY_AUTH_MODE=token (params.yaml, extract.ray.address; docs/scaling.md)."
        ) from None
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray has put its own there
        yield ray
    finally:
        ray.shutdown()


def describe(settings: "RayParams") -> str:
    """Say what the cluster has, and for how many workers that is enough.

    Raises:
        PipelineError: As `connected`; or there is no room for one worker.
    """
    gpus = settings.gpus or 0
    with connected(settings) as ray:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        room = count_workers(nodes, settings.cpus, gpus)
        has = ray.cluster_resources()
        where = settings.address or "this machine alone"
        return (
            f"{ray.__version__}, {where}: nodes: {len(nodes)}, CPUs: {has.get('CPU', 0):.0f}, "
            f"GPUs: {has.get('GPU', 0):.0f}, room for workers: {room}"
        )


def _knock(address: str | None) -> None:
    """Look whether anybody listens at an address: Ray itself would try for minutes.

    Raises:
        OSError: Nobody does.
    """
    host, _, port = (address or "").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _import_ray() -> ModuleType:
    # Read when it is imported: it tells its makers nothing of this run.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise PipelineError(
            "a runner is ray, which is not installed: pip install ray, or set extract.runner, runners.split "
            "and runners.augment to local (params.yaml)."
        ) from None
    module: ModuleType = ray
    return module


def _where(settings: "RayParams") -> dict[str, Any]:
    """Return what `ray.init` takes."""
    if settings.address is not None:
        return {"address": settings.address}
    wanted = settings.cpus * (settings.workers or 1)
    return {
        "address": "local",
        "num_cpus": max(wanted, count_cores()),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        # By itself Ray gives them 15, with which they nearly stand still beside other programs.
        "_system_config": {"worker_niceness": 0},
    }


def count_workers(nodes: Sequence[Mapping[str, Any]], cpus: int, gpus: int) -> int:
    """Return how many workers the nodes have room for.

    Raises:
        PipelineError: None.
    """
    count, found = 0, []
    for node in nodes:
        if node["Alive"]:
            has = {kind: int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU")}
            found.append(f"{has['CPU']} CPUs and {has['GPU']} GPUs")
            count += min(has["CPU"] // cpus, has["GPU"] // gpus if gpus else has["CPU"])
    if not count:
        raise PipelineError(
            f"a worker takes {cpus} CPUs and {gpus} GPUs, and no node of Ray has them; it has "
            f"{'; '.join(found)}: change extract.ray.cpus or extract.ray.gpus (params.yaml)."
        )
    return count


def worker_name() -> str:
    """Tell the machine and the number of this process."""
    return f"{socket.gethostname()}, process {os.getpid()}"


def enter(folder: Path) -> None:
    """Go to the folder where a run's paths begin.

    Raises:
        NotSeen: This machine does not see it.
    """
    if not folder.is_dir():
        raise NotSeen(worker_name(), str(folder))
    os.chdir(folder)


class NotSeen(ManifestError):
    """A worker does not see a file or folder.

    Attributes:
        path: Of it, absolute.
        otherwise: What is wrong where the machine that started the run does not see it either.
    """

    def __init__(self, worker: str, path: str, otherwise: str = "") -> None:
        super().__init__(worker, path, otherwise)
        self.path, self.otherwise = path, otherwise

    def __str__(self) -> str:
        """Return the message."""
        return (
            f"the worker on {self.args[0]} does not see {self.path}. Expected a folder that all machines "
            "have under the same path, as of a file server (docs/scaling.md)."
        )
