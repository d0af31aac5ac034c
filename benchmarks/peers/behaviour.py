"""What each rival computes again: forward passes by what happened to the photos since the last run."""

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bench import Bench, Failed, Rival, Run
from changes import add, duplicate, nothing, overwrite, relabel, rename, touch
from environments import OWN, find_environments
from pictures import draw_behaviour

MORE = 50  # passes over the half: in the middle of a batch of a hundred, which is the mean


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
    except (Failed, TimeoutError) as fault:
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
        except (Failed, TimeoutError) as fault:
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
