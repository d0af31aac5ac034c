"""How fast and how frugal is the store: finding keys among a million, and assembling what it holds.

    python benchmarks/store.py [--folder /tmp]

Each measurement runs in a process of its own, for its peak memory. Of several the median is shown; the
ratio of the memories is that of the largest.
Needs 1 GB on the disk.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline import paths
from pipeline.extraction.joint import JointExtractor
from pipeline.extraction.plan import iterate_rows, make_plan
from pipeline.manifest import ImageRow, write_copies, write_manifest
from pipeline.params import Params, load_params
from pipeline.stages import extract
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import SHARD_ROWS, Store

WIDTH = 1280
ORDERS = ("as computed", "shuffled")  # the rows in the shards: those of the manifest, or none
ROUNDS = 5
BACKBONE = "efficientnet_lite0"
NARROW = Fingerprint(parts={"benchmark": "narrow"})


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to work; default: the system's"
    )
    root = Path(__file__).parents[1]
    parser.add_argument("--stored", type=int, default=1_000_000, help="keys to look among")
    parser.add_argument("--sizes", type=int, nargs=2, default=(10_000, 100_000), help="rows")
    options = parser.parse_args()
    stored, sought = options.stored, options.stored // 10
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        (Path(folder) / paths.PARAMS).write_text((root / paths.PARAMS).read_text())
        _run(folder, "fill", stored)
        print(f"{'':38} {'seconds':>8} {'CPU s':>8} {'a second':>10} {'peak MiB':>9}")
        _show(f"find {sought:,} of {stored:,}", sought, _run(folder, "find", stored))
        peaks = []
        for size in options.sizes:
            for order in ORDERS:
                _run(folder, f"prepare-{order}", size)
                runs = [_run(folder, "assemble", size) for _ in range(ROUNDS)]
                peaks.append(max(peak for _, _, peak in runs))
                _show(f"assemble {size:,} x {WIDTH}, {order}", size, sorted(runs)[ROUNDS // 2])
        small, large = (max(some) for some in (peaks[: len(ORDERS)], peaks[len(ORDERS) :]))
        print(
            f"peak memory, {options.sizes[1]:,} rows over {options.sizes[0]:,}: {large / small:.2f}"
        )


def _show(name: str, size: int, figures: tuple[float, float, float]) -> None:
    seconds, cpu, mib = figures
    print(f"{name:38} {seconds:8.2f} {cpu:8.2f} {size / seconds:10,.0f} {mib:9.0f}", flush=True)


def _run(folder: str, task: str, size: int) -> tuple[float, float, float]:
    """Run one task in a process of its own; return its seconds, CPU seconds and peak memory in MiB."""
    command = [sys.executable, __file__, f"--{task}", str(size)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "DVC_ROOT": folder}
    result = subprocess.run(
        command, env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    seconds, cpu, mib = (float(figure) for figure in result.stdout.split())
    return seconds, cpu, mib


def fill(size: int) -> None:
    """Store `size` narrow features."""
    SideBySide([Store(paths.store_folder(), NARROW)]).add(_random_features(_keys(size), 4))


def find(size: int) -> None:
    """Look up a tenth of the `size` keys, of which one in ten is not there."""
    stored = _keys(size)
    chosen = np.random.default_rng(1).choice(size, size // 10, replace=False)
    sought = stored[chosen]
    sought[::10, 31] ^= 1
    del stored
    found = Store(paths.store_folder(), NARROW).find(sought)
    assert int(found.missing.sum()) == len(range(0, size // 10, 10))


def prepare(size: int, order: str) -> None:
    """Write the tables of a dataset of `size` images, and store its features in an order."""
    rows = [_image_row(number, key.tobytes().hex()) for number, key in enumerate(_keys(size))]
    write_manifest(paths.manifest_file("pets"), rows)
    write_copies(paths.copies_file("pets"), [])
    keys = make_plan(iterate_rows("pets")).keys
    if order == "shuffled":
        keys = np.random.default_rng(3).permutation(keys)
    params = _params()
    shutil.rmtree(paths.store_folder(), ignore_errors=True)
    extractor = JointExtractor.of(BACKBONE, params.backbone(BACKBONE), params.extract)
    store = Store(paths.store_folder(), extractor.fingerprint)
    SideBySide([store]).add(_random_features(keys, WIDTH))


def assemble(size: int) -> None:
    """Run the stage extract, which has nothing to compute."""
    line = extract.run("pets", BACKBONE, _params())
    assert line == f"pets/{BACKBONE}: {size} features, 0 computed, {size} from the store"
    assert "tensorflow" not in sys.modules


def _params() -> Params:
    settings = yaml.safe_load(paths.PARAMS.read_text())
    settings["datasets"]["pets"] = {"source": "archive", "archive": "pets.zip"}
    paths.PARAMS.write_text(yaml.safe_dump(settings))
    return load_params()


def _keys(count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)


def _random_features(keys: Any, width: int) -> Iterator[Any]:
    rng = np.random.default_rng(2)
    for start in range(0, len(keys), SHARD_ROWS):
        part = keys[start : start + SHARD_ROWS]
        yield part, rng.random((len(part), width), np.float32).astype(np.float16)


def _image_row(number: int, sha256: str) -> ImageRow:
    """Return a row as split leaves it; the manifest sorts by path, which has nothing to do with the store."""
    label = ("cat", "dog")[number % 2]
    split = "val" if number % 5 == 0 else "train"
    path = f"{split}/{label}/{sha256[:16]}.jpg"
    return ImageRow(
        split=split, label=label, path=path, sha256=sha256, member=f"train/{label}.{number}.jpg", width=500,
        height=375, format="JPEG", mode="RGB", bytes=30_000, hash=sha256[:16], group=sha256,
    )  # fmt: skip


def _measure(task: str, size: int) -> None:
    began, began_cpu = time.perf_counter(), time.process_time()
    TASKS[task](size)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    print(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


TASKS: dict[str, Callable[[int], None]] = {
    "fill": fill,
    "find": find,
    **{f"prepare-{order}": partial(prepare, order=order) for order in ORDERS},
    "assemble": assemble,
}

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].removeprefix("--") in TASKS:
        _measure(sys.argv[1].removeprefix("--"), int(sys.argv[2]))
    else:
        main()
