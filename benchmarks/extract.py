"""How fast photos become features, and where the time goes: one table, measured in one run.

Every way of working is a process of its own that is ready before the clock starts; the
processes take turns, so that what slows the machine slows all. Figures are medians over the
rounds, in images/s; "of the limit" and "times" are medians of the ratios within a round.

    python benchmarks/extract.py ../shared/data/cats_vs_dogs_2000.zip --images 500 --rounds 5
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

ENGINES = ("tensorflow", "openvino", "openvino bfloat16")  # the last where the processor has it
SIZE = 224
ROLES = (
    "pillow",
    "decode",
    *(f"forward {e}" for e in ENGINES),
    *(f"extract {e}" for e in ENGINES),
    "write",
    "keras",
)
Pass = Callable[[], dict[str, float]]


def main() -> None:
    """Unpack the photos, start a process for each way of working, let them take turns, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="a .zip, .tar, .tgz or folder of photos")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        serve(make_pass(options.role, sorted(options.archive.rglob("*.jpg"))))
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(options.archive, Path(folder), options.images)
        rounds = take_turns(Path(folder), options.rounds)
    print_table(rounds)


def unpack(archive: Path, folder: Path, images: int) -> None:
    """Write the first JPEG photos of an archive into class folders."""
    from photos import labelled_photos

    jpegs = [photo for photo in labelled_photos(archive) if photo[1].name.lower().endswith(".jpg")]
    for label, member in jpegs[:: max(1, len(jpegs) // images)][:images]:
        target = folder / label / Path(member.name).name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(member.data)


def take_turns(folder: Path, count: int) -> list[dict[str, dict[str, float]]]:
    """Return, for each round, what each role measured."""
    command = [sys.executable, __file__, str(folder), "--role"]
    workers = {
        role: subprocess.Popen(
            [*command, role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for role in roles_here()
    }
    for role, worker in workers.items():
        ask(role, worker)  # warm up
    rounds = []
    for number in range(count):
        rounds.append({role: ask(role, worker) for role, worker in workers.items()})
        print(f"round {number + 1} of {count}", file=sys.stderr)
    for worker in workers.values():
        worker.communicate()
    return rounds


def roles_here() -> list[str]:
    """Return the ways of working of which this processor is able."""
    from pipeline.engines.hardware import find_bfloat16

    return [role for role in ROLES if find_bfloat16() or not role.endswith("bfloat16")]


def ask(role: str, worker: "subprocess.Popen[str]") -> dict[str, float]:
    """Let one process do one pass."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit(
            f"the process for {role!r} ended; run it alone to see why: --role {role!r}"
        )
    return dict(json.loads(answer))


def serve(one_pass: Pass) -> None:
    """Do a pass for each line on stdin, and answer with what was measured."""
    for _ in sys.stdin:
        began = time.perf_counter()
        measured = one_pass()
        measured.setdefault("seconds", time.perf_counter() - began)
        measured["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(measured), flush=True)


def make_pass(role: str, files: list[Path]) -> Pass:
    """Return what one process does in its turn."""
    kind, _, engine = role.partition(" ")
    if kind == "keras":
        return keras_pass(files)
    if kind in ("pillow", "decode"):
        return decode_pass(files, with_pillow=kind == "pillow")
    if kind == "write":
        return write_pass(files)
    extractor = open_extractor(engine)
    if kind == "forward":
        return forward_pass(files, extractor.engine)
    return extract_pass(files, extractor.engine, extractor.fingerprint)


def decode_pass(files: list[Path], *, with_pillow: bool) -> Pass:
    """Decode and resize on all cores: as the pipeline does, or in full with Pillow, bilinear."""
    from PIL import Image

    from pipeline.images import decode_square

    def pillow(data: bytes) -> Any:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR).tobytes()

    def decode(data: bytes) -> Any:
        return decode_square(data, SIZE)

    work = pillow if with_pillow else decode

    def one_pass() -> dict[str, float]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            count = sum(1 for _ in pool.map(lambda file: work(file.read_bytes()), files))
        return {"images": count}

    return one_pass


def open_extractor(engine: str) -> Any:
    """Choose EfficientNet-Lite0, run by an engine in its precision, float32 where none is named."""
    from pipeline.extraction.extractor import Extractor
    from pipeline.params import BackboneParams, ExtractParams

    name, _, precision = engine.partition(" ")
    settings = ExtractParams.model_validate(
        {
            "engine": name,
            "precision": precision or "float32",
            "batch_size": None,
            "dtype": "float16",
        }
    )
    return Extractor("efficientnet_lite0", BackboneParams(input_size=SIZE), settings)


def forward_pass(files: list[Path], engine: Any) -> Pass:
    """Run the engine alone, on images that are already decoded, with as many calls at once as it wants."""
    import numpy as np

    from pipeline.images import decode_square

    images = [decode_square(file.read_bytes(), SIZE) for file in files[:200]]
    batches = [
        np.stack([images[(start + i) % len(images)] for i in range(engine.batch_size)])
        for start in range(0, len(files), engine.batch_size)
    ]

    def one_pass() -> dict[str, float]:
        with ThreadPoolExecutor(engine.streams) as pool:
            count = sum(len(features) for features in pool.map(engine.run, batches))
        return {"images": count}

    return one_pass


def rows_of(files: list[Path]) -> list[Any]:
    """Return the rows that a manifest of these files would give."""
    from pipeline.extraction.plan import Row

    rows = []
    for file in files:
        key = sha256(file.read_bytes()).hexdigest()
        path = f"{file.parent.name}/{file.name}"
        rows.append(Row("train", file.parent.name, key, key, key, 0, path, file.parents[1]))
    return list({row.sha256: row for row in rows}.values())


class Timed:
    """An engine that adds up how long it runs."""

    def __init__(self, engine: Any) -> None:
        self.batch_size, self.streams, self._engine, self.busy = (
            engine.batch_size,
            engine.streams,
            engine,
            0.0,
        )

    def run(self, pixels: Any) -> Any:
        """Run the engine, and add the time it takes."""
        began = time.perf_counter()
        features = self._engine.run(pixels)
        self.busy += time.perf_counter() - began
        return features


def extract_pass(files: list[Path], engine: Any, fingerprint: Any) -> Pass:
    """Go all the way: files to shards to a features file, with an empty store."""
    from pipeline.extraction.decoding import ImageFile
    from pipeline.extraction.extractor import compute

    rows = rows_of(files)
    images = [ImageFile(row.file, row.sha256) for row in rows]

    def one_pass() -> dict[str, float]:
        timed = Timed(engine)
        began = time.perf_counter()
        store_and_assemble(rows, fingerprint, compute(images, timed, SIZE, "float16"))
        seconds = time.perf_counter() - began
        return {
            "images": len(rows),
            "seconds": seconds,
            "waits": 1 - timed.busy / timed.streams / seconds,
        }

    return one_pass


def write_pass(files: list[Path]) -> Pass:
    """Write alone: features that are already there to shards and to a features file."""
    import numpy as np

    from pipeline.store.fingerprint import Fingerprint
    from pipeline.store.store import keys_of

    rows = rows_of(files)
    features = np.random.default_rng(0).random((len(rows), 1280)).astype(np.float16)
    batches = [(keys_of([row.sha256]), features[i : i + 1]) for i, row in enumerate(rows)]

    def one_pass() -> dict[str, float]:
        store_and_assemble(rows, Fingerprint(parts={"benchmark": "write"}), iter(batches))
        return {"images": len(rows)}

    return one_pass


def store_and_assemble(rows: list[Any], fingerprint: Any, features: Any) -> None:
    """Do what the stage extract does once it has an engine."""
    from pipeline.extraction.plan import make_plan
    from pipeline.store.side_by_side import SideBySide
    from pipeline.store.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store, plan = SideBySide([Store(Path(folder), fingerprint)]), make_plan(rows)
        store.add(features)
        write_features(Path(folder) / "features.h5", plan, store, fingerprint)


def write_features(path: Path, plan: Any, store: Any, fingerprint: Any) -> None:
    """Assemble the features file, float16, from a store that has all of a plan's images."""
    from pipeline.extraction.assembly import assemble
    from pipeline.features import Header

    header = Header(
        dataset="benchmark", classes=plan.classes, backbone="efficientnet_lite0",
        fingerprint=fingerprint.key, fingerprint_parts=fingerprint.to_json(),
    )  # fmt: skip
    assemble(path, header, plan, store, store.find(plan.keys), "float16")


def keras_pass(files: list[Path]) -> Pass:
    """Go the usual Keras way, in TensorFlow's own settings: data set from a folder, `model.predict`."""
    import pipeline  # noqa: F401 (sets what it wants of TensorFlow, which is taken back here)

    del os.environ["TF_ENABLE_ONEDNN_OPTS"]
    import keras

    from pipeline.backbones.efficientnet_lite import build_lite, load_imagenet_weights
    from pipeline.backbones.weights import pip_weights_file
    from pipeline.catalogue.backbones import CATALOGUE

    network = build_lite("lite0", SIZE)
    load_imagenet_weights(
        network, pip_weights_file(str(CATALOGUE["efficientnet_lite0"].pip_weights))
    )
    model = keras.Model(network.input, keras.layers.GlobalAveragePooling2D()(network.output))

    def one_pass() -> dict[str, float]:
        photos = keras.utils.image_dataset_from_directory(
            files[0].parents[1],
            labels=None,
            image_size=(SIZE, SIZE),
            batch_size=32,
            shuffle=False,
            verbose=False,
        )
        features = model.predict(photos.map(lambda pixels: (pixels - 127.0) / 128.0), verbose=0)
        return {"images": len(features)}

    return one_pass


def print_table(rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print medians, and medians of ratios within the rounds."""
    speeds = [{role: got["images"] / got["seconds"] for role, got in one.items()} for one in rounds]

    def median(values: Any) -> float:
        return float(statistics.median(list(values)))

    print(
        f"| {'what':36} | images/s | of the limit | times Keras' way | backbone waits | peak MiB |"
    )
    print(
        f"| {'-' * 36} | -------- | ------------ | ---------------- | -------------- | -------- |"
    )
    names = {
        "pillow": "Pillow, full decode and resize",
        "decode": "decoding alone",
        "write": "writing alone",
        "keras": "image_dataset + predict, whole way",
    }
    for role in rounds[0]:
        kind, _, engine = role.partition(" ")
        cells = ["", "", ""]
        if kind == "extract":
            limits = [1 / (1 / s[f"forward {engine}"] + 1 / s["decode"]) for s in speeds]
            cells[0] = (
                f"{median(s[role] / limit for s, limit in zip(speeds, limits, strict=True)):.2f}"
            )
            cells[1] = f"{median(s[role] / s['keras'] for s in speeds):.2f}"
            cells[2] = f"{median(one[role]['waits'] for one in rounds):.1%}"
        label = {
            "forward": f"forward alone, {engine}",
            "extract": f"files to features, {engine}",
        }.get(kind, names.get(role, role))
        speed, peak = (
            median(s[role] for s in speeds),
            median(one[role]["peak_mib"] for one in rounds),
        )
        print(
            f"| {label:36} | {speed:8.1f} | {cells[0]:>12} | {cells[1]:>16} | {cells[2]:>14} | {peak:8.0f} |"
        )
    if "extract openvino bfloat16" in speeds[0]:
        faster = median(s["extract openvino bfloat16"] / s["extract openvino"] for s in speeds)
        print(f"\nfiles to features, bfloat16 is {faster:.2f} times as fast as float32")
    ratio = median(s["decode"] / s["pillow"] for s in speeds)
    print(
        f"\ndecoding is {ratio:.2f} times as fast as Pillow's full decode and resize; {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
