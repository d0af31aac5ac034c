"""How fast and how frugal heads are fitted, beside Keras on the same rows: one table, measured in one run.

    python benchmarks/heads.py --rounds 3
    python benchmarks/heads.py --quick          # small sizes: shows that it works, measures little

Each measurement is a process of its own; ours and Keras' take turns, so that what slows the machine slows
both. `train` counts whole processes, with what they load; the others only the fits, and of Keras
two of them, one after another. Figures are medians over the rounds, ratios those within a round,
peak memory the largest. Rows are drawn: correlated, never negative, in float16, as features are.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil

UNITS, BATCH = 128, 64
KERAS_HEADS = 2
Figures = dict[str, float]


def main() -> None:
    """Print a line a measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument(
        "--only", choices=["train", "sweep", "exact"], action="append", help="leave out the others"
    )
    options = parser.parse_args()
    parts = options.only or ["train", "sweep", "exact"]
    print(f"{'':50} {'seconds':>9} {'of Keras':>9} {'peak MiB':>9} {'Keras':>9}")
    if "train" in parts:
        for rows in (200,) if options.quick else (4821, 20_000):
            compare_train(rows, 2 if options.quick else 30, options.rounds)
    if "sweep" in parts:
        rows, epochs = (200, 1) if options.quick else (3000, 10)
        compare_sweep("mlp", 8 if options.quick else 64, rows, epochs, options.rounds)
        compare_sweep("linear", 8 if options.quick else 256, rows, epochs, options.rounds)
    if "exact" in parts:
        rows = 200 if options.quick else 25_000
        for classes in (2, 5):
            time_exact("logistic", rows, classes, options.rounds)
            time_exact("lda", rows, classes, options.rounds)


def compare_train(rows: int, epochs: int, rounds: int) -> None:
    """Compare processes that load rows, fit one mlp and predict."""
    pairs = [
        [run(role, rows=rows, epochs=epochs) for role in ("train", "keras_train")]
        for _ in range(rounds)
    ]
    title = f"train mlp, {rows:,} rows, {epochs} epochs: process"
    show(title, [(ours["wall"], keras["wall"], ours, keras) for ours, keras in pairs])


def compare_sweep(kind: str, heads: int, rows: int, epochs: int, rounds: int) -> None:
    """Compare a head of a sweep's blocks with a `fit` of Keras."""
    sizes = {"rows": rows, "epochs": epochs}
    pairs = [
        [
            run(f"sweep_{kind}", heads=heads, **sizes),
            run(f"keras_{kind}", heads=KERAS_HEADS, **sizes),
        ]
        for _ in range(rounds)
    ]
    each = [
        (ours["seconds"] / heads, keras["seconds"] / KERAS_HEADS, ours, keras)
        for ours, keras in pairs
    ]
    show(f"{heads} {kind} heads, {rows:,} rows, {epochs} epochs: a head", each)
    times = statistics.median(keras / ours for ours, keras, *_ in each)
    print(f"{'':50} {times:.1f} times as fast a head", flush=True)


def time_exact(kind: str, rows: int, classes: int, rounds: int) -> None:
    """Time a kind that is solved exactly, with all that it chooses."""
    runs = [run(kind, rows=rows, classes=classes) for _ in range(rounds)]
    seconds = statistics.median(one["seconds"] for one in runs)
    peak = max(one["peak_mib"] for one in runs)
    print(
        f"{f'{kind}, {rows:,} rows, {classes} classes':50} {seconds:9.3f} {'':9} {peak:9.0f}",
        flush=True,
    )


def show(title: str, pairs: list[tuple[float, float, Figures, Figures]]) -> None:
    """Print medians of what was measured in turns."""
    seconds = statistics.median(pair[0] for pair in pairs)
    ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    ours = max(pair[2]["peak_mib"] for pair in pairs)
    keras = max(pair[3]["peak_mib"] for pair in pairs)
    print(f"{title:50} {seconds:9.3f} {ratio:9.3f} {ours:9.0f} {keras:9.0f}", flush=True)


def run(role: str, **sizes: int) -> Figures:
    """Run one role in a process of its own; its fits' seconds, the whole's, and its peak memory.

    Memory is that of all its processes, what they share counted once, looked at every 0.1 s.
    """
    began, peak = time.perf_counter(), 0
    command = [sys.executable, __file__, role, json.dumps(sizes)]
    running = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [running, *running.children(recursive=True)]
            peak = max(peak, sum(one.memory_full_info().pss for one in family))
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    if running.returncode:
        raise SystemExit(f"{role} failed")
    return {"seconds": float(running.stdout.read()), "wall": seconds, "peak_mib": peak / 2**20}


def draw_rows(rows: int, classes: int = 2, width: int = 1280) -> Any:
    """Return float16 features `(rows, width)`, made of 64 hidden causes, and int64 labels `(rows,)`."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    causes = rng.normal(size=(rows, 64)) + rng.normal(size=(classes, 64))[labels] / 4
    mixing = rng.normal(size=(64, width)) / 8
    features = np.empty((rows, width), np.float16)
    for start in range(0, rows, 1000):
        some = slice(start, start + 1000)
        mixed = causes[some] @ mixing
        features[some] = np.maximum(mixed + 0.3 * rng.normal(size=mixed.shape), 0)
    return features, labels


def our_rows(rows: int, classes: int = 2) -> Any:
    """Return rows as heads take them, each image a group of its own."""
    import numpy as np

    from pipeline.heads.rows import Rows

    features, labels = draw_rows(rows, classes)
    return Rows(
        features=features,
        labels=labels,
        groups=np.array([f"{number:064}".encode() for number in range(rows)]),
        original=np.ones(rows, np.bool_),
        classes=classes,
    )


def recipe(kind: str, epochs: int = 1, l2: float = 1e-4) -> Any:
    """Return how a head is fitted, with nothing to decide but what its kind must."""
    from pipeline.heads.kind import known_kinds
    from pipeline.heads.training import Recipe

    settings = {
        "units": UNITS, "dropout": 0.3, "l2": l2, "optimizer": "adam", "learning_rate": 1e-3,
        "batch_size": BATCH, "epochs": epochs, "patience": 0,
    }  # fmt: skip
    record = known_kinds()[kind].settings
    own = record(**{key: settings[key] for key in settings.keys() & record.model_fields.keys()})
    return Recipe(kind=kind, own=own)


def train(rows: int, epochs: int) -> None:
    """Fit one mlp and predict."""
    from pipeline.heads.training import fit_head

    data = our_rows(rows)
    fit_head(data, recipe("mlp", epochs)).head.probabilities(data.features)


def prepare_sweep(kind: str, heads: int, rows: int, epochs: int) -> Callable[[], None]:
    """Return what fits heads as a sweep does."""
    from pipeline.selection.processes import fit_in_processes
    from pipeline.selection.sweep import fit_block, make_blocks

    data = our_rows(rows)
    recipes = [recipe(kind, epochs, l2=number * 1e-5) for number in range(heads)]
    blocks = make_blocks(recipes, data.width, data.classes)

    def work() -> None:
        assert sum(map(len, fit_in_processes(fit_block, data, blocks))) == heads

    return work


def prepare_exact(kind: str, rows: int, classes: int) -> Callable[[], None]:
    """Return what fits one head."""
    from pipeline.heads.training import fit_head

    data, how = our_rows(rows, classes), recipe(kind)

    def work() -> None:
        fit_head(data, how)

    return work


def build_keras(kind: str, width: int) -> Any:
    """Return the same network in Keras, compiled."""
    import keras

    def regularizer() -> Any:
        return keras.regularizers.L2(1e-4)

    hidden = [
        keras.layers.Dense(UNITS, activation="relu", kernel_regularizer=regularizer()),
        keras.layers.Dropout(0.3),
    ]
    last = keras.layers.Dense(2, activation="softmax", kernel_regularizer=regularizer())
    model = keras.Sequential([keras.Input((width,)), *(hidden if kind == "mlp" else []), last])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


def keras_train(rows: int, epochs: int) -> None:
    """Fit one mlp with Keras and predict."""
    features, labels = draw_rows(rows)
    features = features.astype("float32")
    model = build_keras("mlp", features.shape[1])
    model.fit(features, labels, batch_size=BATCH, epochs=epochs, verbose=0)
    model.predict(features, verbose=0)


def prepare_keras(kind: str, heads: int, rows: int, epochs: int) -> Callable[[], None]:
    """Return what fits heads with Keras, one after another; one was fitted before, to warm up."""
    features, labels = draw_rows(rows)
    features = features.astype("float32")

    def fit(epochs: int) -> None:
        model = build_keras(kind, features.shape[1])
        model.fit(features, labels, batch_size=BATCH, epochs=epochs, verbose=0)

    fit(1)

    def work() -> None:
        for _ in range(heads):
            fit(epochs)

    return work


# Each returns what is timed.
ROLES: dict[str, Callable[..., Callable[[], None]]] = {
    "train": partial(partial, train),
    "keras_train": partial(partial, keras_train),
    "sweep_mlp": partial(prepare_sweep, "mlp"),
    "sweep_linear": partial(prepare_sweep, "linear"),
    "keras_mlp": partial(prepare_keras, "mlp"),
    "keras_linear": partial(prepare_keras, "linear"),
    "logistic": partial(prepare_exact, "logistic"),
    "lda": partial(prepare_exact, "lda"),
}


def measure(role: str, sizes: dict[str, int]) -> None:
    """Do one role's work, and print what it took."""
    work = ROLES[role](**sizes)
    began = time.perf_counter()
    work()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ROLES:
        measure(sys.argv[1], json.loads(sys.argv[2]))
    else:
        main()
