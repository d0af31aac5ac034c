"""How a process that is timed listens: it gets ready, then does what each line on stdin asks.

It is asked for the features of a folder of photos, `cold` (with nothing kept), `warm` (the same again),
`more` (some photos were added), or to fit a `head` on the features that it has. It answers with seconds.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 224
Features = Callable[[Path, str], Any]  # photos, what is asked -> (n, 1280)
HEAD_UNITS, HEAD_EPOCHS, HEAD_BATCH = 128, 15, 128


def photos_of(folder: Path) -> list[Path]:
    """Return the photos of a folder of classes, in order."""
    return sorted(folder.glob("*/*"))


def labels_of(folder: Path) -> Any:
    """Return the number of each photo's class, int64 `(n,)`."""
    names = [path.parent.name for path in photos_of(folder)]
    classes = sorted(set(names))
    return np.array([classes.index(name) for name in names])


def serve(
    packages: tuple[str, ...], features: Features, head: Callable[[Any, Any], None] | None = None
) -> None:
    """Say what is ready, and answer until stdin ends."""
    answer({"versions": [f"{name} {version(name)}" for name in packages]})
    for line in sys.stdin:
        asked = json.loads(line)
        photos, what = Path(asked["photos"]), asked["what"]
        began = time.perf_counter()
        if what != "head":
            kept = features(photos, what)
        elif head is not None:
            head(kept, labels_of(photos))
        seconds = time.perf_counter() - began
        assert len(kept) == len(photos_of(photos)), f"{len(kept)} features"
        first = [float(value) for value in np.asarray(kept[0][:3], np.float64)]
        answer({"seconds": None if what == "head" and head is None else seconds, "first": first})


def answer(told: dict[str, Any]) -> None:
    """Write one line where the driver reads, past what libraries print."""
    print(f"\n>{json.dumps(told)}", flush=True)


def open_square(path: Path) -> Any:
    """Read a photo with Pillow, uint8 `(224, 224, 3)`."""
    from PIL import Image

    with Image.open(path) as image:
        return square(image)


def square(image: Any) -> Any:
    """Bring an image of Pillow's to the network's size, leaving out detail while a JPEG is decoded."""
    if hasattr(image, "draft"):
        image.draft("RGB", (SIZE, SIZE))
    return np.asarray(image.convert("RGB").resize((SIZE, SIZE)))


def compile_openvino(file: str) -> Any:
    """Return the network in float32 for all cores: `(b, 224, 224, 3)`, 0..255, to `(b, 1280)`."""
    import openvino

    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(file, "CPU", settings)
