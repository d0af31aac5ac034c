"""What each rival computes again: forward passes by what happened to the photos since the last run."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from environments import OWN, find_environments
from pictures import draw_behaviour
from PIL import Image, ImageOps
from values import feature_of, scale_of, shrink

HERE = Path(__file__).parent
KILL_SECONDS = 0.01  # a pass, where the run is ended in its middle: 100 images/s
MORE = 50  # passes over the half: in the middle of a batch of a hundred, which is the mean
PATIENCE = 900  # seconds a run


class Rival(NamedTuple):
    """A way of a rival.

    Attributes:
        script: With which it is run.
        way: `default` or `tuned`.
        python: Of its environment.
    """

    name: str
    script: str
    way: str
    python: Path


class Run(NamedTuple):
    """What a run did: its passes, the version, and each photo's feature by its path."""

    passes: int
    version: str
    features: dict[str, list[float]]


class Failed(Exception):
    """A run that did not end well; the last line that it wrote says why."""


class Bench:
    """A folder in which one way of a rival lives: photos, weights, and the state that it keeps.

    Attributes:
        photos: A folder a class.
    """

    def __init__(self, folder: Path, rival: Rival) -> None:
        self.photos = folder / "photos"
        self._folder, self._rival = folder, rival
        self._state, self._weights, self._passes = (
            folder / "state",
            folder / "network.weights.h5",
            folder / "passes",
        )

    def begin(self, photos: Path, weights: Path) -> None:
        """Lay out photos and weights anew; nothing is known of them."""
        for path in (self.photos, self._state):
            shutil.rmtree(path, ignore_errors=True)
        copy(photos, self.photos)
        self.take_weights(weights)
        self._state.mkdir()

    def take_weights(self, weights: Path) -> None:
        """Put another network in the place of the one that was there, under the same name."""
        shutil.copyfile(weights, self._weights)

    def forget(self) -> None:
        """Throw away what the rival keeps."""
        shutil.rmtree(self._state)
        self._state.mkdir()

    def keep(self) -> None:
        """Keep the folder's state, to come back to it."""
        for name in ("photos", "state"):
            shutil.rmtree(self._folder / f"kept-{name}", ignore_errors=True)
            copy(self._folder / name, self._folder / f"kept-{name}")

    def go_back(self) -> None:
        """Come back to what was kept."""
        for name in ("photos", "state"):
            shutil.rmtree(self._folder / name)
            copy(self._folder / f"kept-{name}", self._folder / name)

    def start(
        self, *, seed: int = 7, units: int = 128, seconds: float = 0.0, script: str = ""
    ) -> "subprocess.Popen[str]":
        """Start the rival's script, in a process group of its own."""
        self._passes.write_bytes(b"")
        file = HERE / (script or self._rival.script)
        asked = {
            "WAY": self._rival.way, "PHOTOS": self.photos, "WEIGHTS": self._weights, "STATE": self._state,
            "PASSES": self._passes, "SEED": seed, "UNITS": units, "SECONDS": seconds,
        }  # fmt: skip
        return subprocess.Popen(
            [str(self._rival.python), str(self._second(file) if units != 128 else file)],
            cwd=self._folder,
            env=self._environment()
            | {f"PEERS_{name}": str(value) for name, value in asked.items()},
            stdout=(self._folder / "stdout").open("w"),
            stderr=(self._folder / "stderr").open("w"),
            start_new_session=True,
            text=True,
        )

    def run(self, **asked: Any) -> Run:
        """Run the rival's script to its end."""
        process = self.start(**asked)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {PATIENCE} s") from None
        finally:
            end_group(process, signal.SIGKILL)
            self._stop_database()
        if process.returncode:
            lines = (self._folder / "stderr").read_text(errors="replace").split("\n")
            raise Failed(next((line for line in reversed(lines) if line.strip()), "no message"))
        told = json.loads((self._folder / "stdout").read_text().splitlines()[-1])
        return Run(self.passes(), told["version"], told["features"])

    def run_half(self, passes: int, number: signal.Signals) -> int:
        """Run until so many passes are done, then end all of it with a signal; return the passes."""
        process = self.start(seconds=KILL_SECONDS)
        while process.poll() is None and self.passes() < passes:
            time.sleep(0.002)
        end_group(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        end_group(process, signal.SIGKILL)
        self._stop_database()
        return self.passes()

    def passes(self) -> int:
        """Return the passes since the start."""
        return self._passes.stat().st_size

    def count_faults(self, found: Run) -> int:
        """Return how many features are not what photos and weights now say; Keras keeps none to be wrong."""
        if self._rival.script == "with_keras.py":
            return 0
        read = read_square if self._rival.script == "with_bottleneck.py" else read_small
        scale = scale_of(self._weights)
        right = {
            str(path.relative_to(self.photos)): feature_of(read(path), scale)
            for path in self.photos.glob("*/*")
        }
        return count_faults(found.features, right)

    def _second(self, file: Path) -> Path:
        """Return the same script in another file: what a second experiment of a script is."""
        if self._rival.script in ("with_dvc.py", "with_bottleneck.py"):
            return file  # their experiments are settings
        return Path(shutil.copy(file, self._folder / f"second_{file.name}"))

    def _environment(self) -> dict[str, str]:
        """Return variables by which all that the rivals keep lies in the state."""
        return {
            **os.environ,
            "PATH": f"{self._rival.python.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(HERE),
            "DATACHAIN_ROOT_DIR": str(self._state / "datachain"),
            "PIXELTABLE_HOME": str(self._state / "pixeltable"),
            "HF_HOME": str(self._state / "huggingface"),
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def _stop_database(self) -> None:
        """Stop the PostgreSQL that Pixeltable leaves running, so that its files can be copied."""
        file = self._state / "pixeltable" / "pgdata" / "postmaster.pid"
        if not file.exists():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.read_text().splitlines()[0]), signal.SIGINT)
        for _ in range(300):
            if not file.exists():
                return
            time.sleep(0.1)
        raise Failed("its database does not stop")


def read_small(path: Path) -> Any:
    """Read a photo as the scripts of the rivals do."""
    with Image.open(path) as image:
        return shrink(image)


def read_square(path: Path) -> Any:
    """Read a photo as this project does, at the size that its script asks for."""
    from pipeline.images import decode_square

    return decode_square(path.read_bytes(), 32)


def end_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started and that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def copy(source: Path, target: Path) -> None:
    """Copy a folder with its times, owners and links."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


# What happens to the photos. Each takes the folder of photos and how many of them.


def some(photos: Path, count: int) -> list[Path]:
    """Return photos from all over the folder."""
    files = sorted(photos.glob("*/*"))
    return files[:: max(1, len(files) // count)][:count]


def add(photos: Path, count: int) -> None:
    """Add photos: mirror images of some."""
    for path in some(photos, count):
        with Image.open(path) as image:
            ImageOps.mirror(image.convert("RGB")).save(
                path.with_name(f"mirrored_{path.stem}.jpg"), quality=90
            )


def rename(photos: Path, count: int) -> None:
    """Give photos another name."""
    for path in some(photos, count):
        path.rename(path.with_name(f"renamed_{path.name}"))


def touch(photos: Path, count: int) -> None:
    """Give photos another time."""
    for path in some(photos, count):
        os.utime(path)


def duplicate(photos: Path, count: int) -> None:
    """Add identical copies."""
    for path in some(photos, count):
        shutil.copyfile(path, path.with_name(f"copy_of_{path.name}"))


def overwrite(photos: Path, count: int, *, same_size: bool = False) -> None:
    """Write another photo into the same file, and put its time back."""
    for path in some(photos, count):
        before = path.stat()
        with Image.open(path) as image:
            dark = image.convert("RGB").point(lambda value: value // 3)
        dark.save(path, "JPEG", quality=40)
        if same_size:  # bytes after the end of a JPEG mean nothing
            data = path.read_bytes()
            path.write_bytes(data + bytes(before.st_size - len(data)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relabel(photos: Path, count: int) -> None:
    """Move photos into the folder of another class."""
    classes = sorted(path for path in photos.iterdir() if path.is_dir())
    for path in some(photos, count):
        other = classes[(classes.index(path.parent) + 1) % len(classes)]
        path.rename(other / f"from_{path.parent.name}_{path.name}")


def nothing(photos: Path, count: int) -> None:
    """Leave all as it is."""


class Event(NamedTuple):
    """Something that happens between two runs.

    Attributes:
        change: Of the photos.
        asked: How the run afterwards differs.
        ended_by: What ends a first run in its middle, of an empty state.
        new_weights: Whether another network takes the place of the first.
        in_place: Whether files change under the name and in the place that they had.
    """

    name: str
    change: Callable[[Path, int], None] = nothing
    asked: Mapping[str, int] = MappingProxyType({})
    ended_by: signal.Signals | None = None
    new_weights: bool = False
    in_place: bool = False


EVENTS = (
    Event("cold"),
    Event("again"),
    Event("new photos", add),
    Event("renamed", rename),
    Event("touched", touch),
    Event("identical copies", duplicate),
    Event("overwritten, time restored", overwrite, in_place=True),
    Event(
        "the same, and of the same size",
        lambda photos, count: overwrite(photos, count, same_size=True),
        in_place=True,
    ),
    Event("SIGKILL in the middle", ended_by=signal.SIGKILL),
    Event("SIGTERM in the middle", ended_by=signal.SIGTERM),
    Event("second experiment", asked={"units": 256}),
    Event("another model under the same name, new photos", add, new_weights=True),
    Event("another label", relabel),
    Event("another split", asked={"seed": 8}),
)


def watch(
    rival: Rival,
    folder: Path,
    photos: Path,
    weights: list[Path],
    changed: int,
    events: Sequence[Event],
) -> Iterator[dict[str, Any]]:
    """Let everything happen to one way of a rival, each from the state after a cold run.

    Yields:
        `event`, `passes` (of a run that was ended before: those that are done twice), `faults` (photos
        whose feature is not that of their bytes and of the network), `version`; or `event` and `failed`.
    """
    bench = Bench(folder, rival)
    bench.begin(photos, weights[0])
    try:
        cold = bench.run()
    except Failed as fault:
        yield {"event": "cold", "failed": str(fault)}
        return
    faults = bench.count_faults(cold)
    yield {"event": "cold", "passes": cold.passes, "faults": faults, "version": cold.version}
    bench.keep()
    for event in events[1:]:
        bench.go_back()
        bench.take_weights(weights[0])
        try:
            yield {"event": event.name, **happen(bench, event, cold, weights, changed)}
        except Failed as fault:
            yield {"event": event.name, "failed": str(fault)}


def happen(
    bench: Bench, event: Event, cold: Run, weights: list[Path], changed: int
) -> dict[str, Any]:
    """Let one thing happen, run again, and compare with what is right."""
    if event.in_place:
        bench.run()  # so that the rival has seen these very files, not what they were copied from
    event.change(bench.photos, changed)
    if event.new_weights:
        bench.take_weights(weights[1])
    wasted = 0
    if event.ended_by is not None:
        bench.forget()
        wasted = bench.run_half(cold.passes // 2 + MORE, event.ended_by) - cold.passes
    found = bench.run(**event.asked)
    return {"passes": found.passes + wasted, "faults": bench.count_faults(found)}


def count_faults(found: dict[str, list[float]], expected: dict[str, list[float]]) -> int:
    """Return how many photos have no feature, another one than expected, or should not be there."""
    return sum(found.get(path) != expected.get(path) for path in found.keys() | expected.keys())


WAYS = (
    # name, script, way, environment
    ("ours", "with_bottleneck.py", "default", OWN),
    ("DataChain", "with_datachain.py", "default", "datachain"),
    ("DataChain, tuned", "with_datachain.py", "tuned", "datachain"),
    ("Pixeltable", "with_pixeltable.py", "default", "pixeltable"),
    ("Pixeltable, tuned", "with_pixeltable.py", "tuned", "pixeltable"),
    ("datasets", "with_datasets.py", "default", "datasets"),
    ("datasets, tuned", "with_datasets.py", "tuned", "datasets"),
    ("DVC, one stage", "with_dvc.py", "default", OWN),
    ("DVC, two stages", "with_dvc.py", "tuned", OWN),
    ("Keras", "with_keras.py", "default", OWN),
)


def report(options: argparse.Namespace) -> None:
    """Print the table of passes, and write the picture."""
    from extract import unpack

    ways = [way for way in WAYS if options.only is None or way[0] in options.only]
    pythons, faults = find_environments(
        options.environments, sorted({way[3] for way in ways} - {OWN})
    )
    photos, weights = options.folder / "photos", options.folder / "weights"
    for path in (photos, weights):
        path.mkdir()
    unpack(options.archives[0], photos, options.images)
    files = make_weights(weights, is_real=any(way[0] == "ours" for way in ways))
    count = len(list(photos.glob("*/*")))
    wanted = {EVENTS[0].name, *(options.events or [event.name for event in EVENTS])}
    events = [event for event in EVENTS if event.name in wanted]

    def go(way: tuple[str, str, str, str]) -> dict[str, dict[str, Any]]:
        name, script, kind, environment = way
        if environment in faults:
            return {"cold": {"failed": f"cannot be installed here: {faults[environment]}"}}
        folder = options.folder / script.removesuffix(".py") / kind
        folder.mkdir(parents=True)
        rows = {}
        rival = Rival(name, script, kind, pythons[environment])
        for line in watch(rival, folder, photos, files, max(1, count // 100), events):
            rows[line["event"]] = line
            print(json.dumps({"rival": name, **line}), file=sys.stderr, flush=True)
        shutil.rmtree(folder)
        return rows

    with ThreadPoolExecutor(options.jobs) as pool:  # passes are counted, not timed
        found = dict(zip((way[0] for way in ways), pool.map(go, ways), strict=True))
    print_behaviour(found, events, count)
    if options.picture:
        draw_behaviour(found, options.picture)


def make_weights(folder: Path, *, is_real: bool) -> list[Path]:
    """Write two networks that differ in their weights alone; the counting one takes any bytes for them."""
    files = [folder / "first.weights.h5", folder / "second.weights.h5"]
    if not is_real:
        for file in files:
            file.write_text(file.name)
        return files
    from pipeline.backbones.efficientnet_lite import build_lite  # first: it pins what Keras reads

    import keras  # isort: skip

    for seed, file in enumerate(files):
        keras.utils.set_random_seed(seed)
        build_lite("lite0", 32).save_weights(file)
    return files


def print_behaviour(
    found: dict[str, dict[str, dict[str, Any]]], events: Sequence[Event], count: int
) -> None:
    """Print a row an event and a column a way, then versions and what failed."""
    names, notes = list(found), []
    print(f"\n{count} photos, {max(1, count // 100)} changed at a time; forward passes\n")
    print(f"| since the last run | {' | '.join(names)} |")
    print(f"| --- |{' ---: |' * len(names)}")
    for event in events:
        cells = []
        for name in names:
            line = found[name].get(event.name) or found[name]["cold"]
            if "failed" in line:
                note = f"{name}: {line['failed']}"
                notes += [note] if note not in notes else []
            cells.append(as_cell(line))
        print(f"| {event.name} | {' | '.join(cells)} |")
    versions = dict.fromkeys(rows["cold"].get("version") for rows in found.values())
    print(f"\n{', '.join(version for version in versions if version)}")
    for note in notes:
        print(f"failed: {note}")
    print(f"fewer passes than ours: {', '.join(find_fewer(found)) or 'none'}")


def as_cell(line: dict[str, Any]) -> str:
    """Write one figure of the table."""
    if "failed" in line:
        return "failed"
    wrong = f" **{line['faults']:,} wrong**" if line["faults"] else ""
    return f"{line['passes']:,}{wrong}"


def find_fewer(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """Return where a rival computed fewer passes than this project, and whether its features were wrong."""
    fewer = []
    for name, rows in found.items():
        for event, line in rows.items():
            ours = found.get("ours", {}).get(event, {"passes": 0})
            if "passes" in line and line["passes"] < ours["passes"]:
                wrong = f", {line['faults']} wrong" if line["faults"] else ""
                fewer.append(f"{name} ({event}: {line['passes']} for {ours['passes']}{wrong})")
    return fewer
