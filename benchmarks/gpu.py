"""Is a GPU kept busy? The network alone, decoding alone, the transfer alone, from files to features.

    python benchmarks/gpu.py ../shared/data/cats_vs_dogs_2000.zip --images 20000 --rounds 5

For each network and precision, with random weights, which take as long as others. Where PyTorch and
timm are installed, they do the same beside it: the same files, a DataLoader with a worker a core,
channels last, autocast, torch.compile. Ours and theirs are two processes that take turns; figures are
medians over the rounds. Without a GPU all of it runs on the CPU, in batches too, to see that it runs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from extract import Pass, ask, serve, unpack

# Our name of a network, and timm's.
NETWORKS = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "resnet50": "resnet50",
    "efficientnetv2s": "tf_efficientnetv2_s",
    "convnextbase": "convnext_base",
}
HEADS = (
    "decoding alone", "transfer alone", "network alone", "TFLOP/s", "files to features", "of the limit",
    "engine busy", "GPU busy", "who waits", "PyTorch alone", "PyTorch from files", "times PyTorch",
    "GPU MiB", "host MiB",
)  # fmt: skip


def main() -> None:
    """Unpack the photos; for each network let the processes take turns, and print a row."""
    options = parse()
    if options.role:
        network, precision = options.networks[0], options.precisions[0]
        files = list(islice(cycle(sorted(options.photos.rglob("*.jpg"))), options.images))
        make = torch_pass if options.role == "torch" else our_pass
        serve(make(files, network, precision, options))
        return
    print(
        f"| network | precision | {' | '.join(HEADS)} |\n|{' --- |' * (2 + len(HEADS))}", flush=True
    )
    with tempfile.TemporaryDirectory() as folder:
        unpack(options.photos, Path(folder), options.photos_used)
        for network in options.networks:
            for precision in options.precisions:
                rounds = take_turns(folder, network, precision, options)
                cells = (f"{row(rounds).get(head, '')}" for head in HEADS)
                print(f"| {network} | {precision} | {' | '.join(cells)} |", flush=True)
    print("\nimages/s, medians; *of the limit*: of the smaller of decoding and network alone")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="a .zip, .tar, .tgz or folder of JPEG photos")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument(
        "--precisions", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"]
    )
    parser.add_argument("--engine", choices=("auto", "jax", "tensorflow"), default="auto")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=20_000, help="a round; photos are repeated")
    parser.add_argument("--photos-used", type=int, default=20_000, help="different ones, at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--role", choices=("ours", "torch"), help=argparse.SUPPRESS)
    return parser.parse_args()


def take_turns(
    folder: str, network: str, precision: str, options: argparse.Namespace
) -> list[dict[str, float]]:
    """Return what was measured in each round, ours and PyTorch's."""
    command = [
        sys.executable, __file__, folder, "--networks", network, "--precisions", precision,
        "--engine", options.engine, "--batch-size", str(options.batch_size),
        "--input-size", str(options.input_size), "--images", str(options.images),
    ]  # fmt: skip
    roles = ["ours", *(["torch"] if find_spec("torch") and find_spec("timm") else [])]
    # Both stay on the device, so neither takes all of its memory at the start.
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    workers = {
        role: subprocess.Popen(
            [*command, "--role", role],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for role in roles
    }  # fmt: skip
    rounds = [
        {
            name: value
            for role, worker in workers.items()
            for name, value in ask(role, worker).items()
        }
        for _ in range(options.rounds + 1)
    ]
    for worker in workers.values():
        worker.communicate()
    return rounds[1:]  # the first warms up


def row(rounds: list[dict[str, float]]) -> dict[str, str]:
    """Return the cells of a row: medians of the rounds, and of ratios within each."""
    known = [one | ratios(one) for one in rounds]
    cells = {
        name: f"{statistics.median(one[name] for one in known):{'.2f' if name in SHARES else ',.0f'}}"
        for name in known[0]
    }
    busy = statistics.median(one["engine busy"] for one in known)
    return {**cells, "who waits": "decoding" if busy >= 0.9 else "the engine"}


SHARES = ("of the limit", "engine busy", "GPU busy", "times PyTorch", "TFLOP/s")


def ratios(one: dict[str, float]) -> dict[str, float]:
    """Return what follows from the speeds of one round."""
    limit = min(one["decoding alone"], one["network alone"])
    found = {"of the limit": one["files to features"] / limit}
    if "PyTorch from files" in one:
        found["times PyTorch"] = one["files to features"] / one["PyTorch from files"]
    return found


class Watched:
    """An engine that adds up how long at least one call runs."""

    def __init__(self, engine: Any) -> None:
        self.batch_size, self.streams, self.busy = engine.batch_size, engine.streams, 0.0
        self._engine, self._running, self._since = engine, 0, 0.0
        self._lock = threading.Lock()

    def run(self, pixels: Any) -> Any:
        """Run the engine."""
        self._count(1)
        try:
            return self._engine.run(pixels)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self.busy += now - self._since if self._running else 0.0
            self._running, self._since = self._running + change, now


def our_pass(files: list[Path], network: str, precision: Any, options: argparse.Namespace) -> Pass:
    """Measure the four ways of this project, with one engine."""
    from pipeline.backbones.backbone import Backbone
    from pipeline.engines import open_engine
    from pipeline.engines.choice import GPU_STREAMS, choose
    from pipeline.engines.hardware import find_hardware
    from pipeline.extraction.decoding import ImageFile, decode_beside
    from pipeline.extraction.extractor import compute
    from pipeline.params import BackboneParams, ExtractParams

    settings = ExtractParams(
        engine=options.engine, precision="float32", batch_size=options.batch_size, dtype="float16"
    )
    config = choose(settings, find_hardware(options.engine), options.input_size)
    streams = GPU_STREAMS * config.devices
    config = replace(config, precision=precision, batch_size=options.batch_size, streams=streams)
    print(config, file=sys.stderr)
    backbone = Backbone(
        network,
        BackboneParams(input_size=options.input_size, weights="random"),
        config.network_precision,
        config.keras_backend,
    )
    engine: Any = open_engine(config, backbone)
    images = [ImageFile(file) for file in files]
    batches = [
        images[k : k + options.batch_size] for k in range(0, len(images), options.batch_size)
    ]

    def decode_all() -> Any:
        """Decode everything, as fast as it is taken; return the last batch."""
        with (
            ThreadPoolExecutor(streams) as pool,
            decode_beside(options.batch_size, options.input_size, streams) as decode,
        ):

            def work(batch: list[ImageFile]) -> Any:
                with decode(batch) as (_, pixels):
                    return pixels.copy() if batch is batches[-1] else None

            began = time.perf_counter()
            *_, last = pool.map(work, batches)
            return len(images) / (time.perf_counter() - began), last

    def one_pass() -> dict[str, float]:
        decoding, pixels = decode_all()
        with ThreadPoolExecutor(streams) as pool:
            alone = timed(lambda: list(pool.map(engine.run, len(batches) * [pixels])))
        full = len(batches) * options.batch_size
        watched = Watched(engine)
        with gpu_use() as use:
            seconds = timed(lambda: list(compute(images, watched, options.input_size, "float16")))
        found = {
            "decoding alone": decoding,
            "network alone": full / alone,
            "files to features": len(images) / seconds,
            "engine busy": watched.busy / seconds,
            **of_jax(engine, pixels, len(batches), full / alone),
        }
        return found | ({"GPU busy": statistics.mean(use) / 100} if use else {}) | host()

    return one_pass


def timed(work: Any) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def of_jax(engine: Any, pixels: Any, batches: int, speed: float) -> dict[str, float]:
    """Measure what JAX alone tells: the way of pixels to the device, arithmetic, memory."""
    if type(engine).__name__ != "JaxEngine":
        return {}
    import jax

    program = engine.programs[0]
    device = program.device
    seconds = timed(
        lambda: [jax.device_put(pixels, device).block_until_ready() for _ in range(batches)]
    )
    operations = program.compiled.cost_analysis()["flops"] / len(pixels)
    memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
    found = {
        "transfer alone": batches * len(pixels) / seconds,
        "TFLOP/s": operations * speed / 1e12,
    }
    return found | ({"GPU MiB": memory / 2**20} if memory else {})


def host() -> dict[str, float]:
    """Return how much memory this process took at most."""
    import resource

    return {"host MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


@contextmanager
def gpu_use() -> Iterator[list[float]]:
    """Gather, five times a second, how many hundredths of the time the first GPU is busy."""
    found: list[float] = []
    try:
        teller = subprocess.Popen(
            ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits",
             "--loop-ms=200"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    except OSError:  # there is no GPU of this maker
        yield found
        return
    try:
        yield found
    finally:
        teller.terminate()
        lines, _ = teller.communicate()
        found += [float(line) for line in lines.split() if line.isdigit()]


def torch_pass(
    files: list[Path], network: str, precision: str, options: argparse.Namespace
) -> Pass:
    """Do the same with PyTorch, as one would write it for speed."""
    import timm
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = timm.create_model(NETWORKS[network], pretrained=False, num_classes=0).eval().to(device)
    model = model.to(memory_format=torch.channels_last)
    # To compile on a CPU takes a C++ compiler, and says nothing of a GPU.
    forward = torch.compile(model) if device == "cuda" else model
    loader = torch.utils.data.DataLoader(
        TorchPhotos(files, options.input_size), batch_size=options.batch_size,
        num_workers=os.cpu_count() or 1, pin_memory=device == "cuda",
    )  # fmt: skip

    def run(pixels: Any) -> Any:
        x = pixels.to(device, non_blocking=True).float().div_(127.5).sub_(1.0)
        with (
            torch.inference_mode(),
            torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            return forward(x.contiguous(memory_format=torch.channels_last))

    def one_pass() -> dict[str, float]:
        pixels = next(iter(loader))
        count = -(-len(files) // options.batch_size)
        alone = timed(lambda: [run(pixels) for _ in range(count)][-1].float().cpu())
        whole = timed(lambda: [run(pixels).float().cpu() for pixels in loader])
        speed = count * len(pixels) / alone
        return {"PyTorch alone": speed, "PyTorch from files": len(files) / whole}

    return one_pass


class TorchPhotos:
    """Photos as torchvision's users decode them, uint8 `(3, s, s)`; read in PyTorch's workers."""

    def __init__(self, files: list[Path], size: int) -> None:
        self._files, self._size = files, size

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._files)

    def __getitem__(self, place: int) -> Any:
        """Decode one: whole, shrunk to the shorter side, and its middle cut out."""
        import numpy as np
        import torch
        from PIL import Image, ImageOps

        with Image.open(self._files[place]) as image:
            square = ImageOps.fit(
                image.convert("RGB"), (self._size, self._size), Image.Resampling.BILINEAR
            )
        return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)


if __name__ == "__main__":
    main()
