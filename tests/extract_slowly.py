"""A program that runs the stage `extract` with MeanColour, slowed down; tests start it and kill it.

python -m tests.extract_slowly <dataset> <milliseconds a batch> <rows a shard> <log of batches> [batch size]
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pipeline.params import load_params
from pipeline.stages import extract
from pipeline.store import store
from tests.fakes import MeanColour, use_mean_colour
from tests.project import BACKBONE


def main(dataset: str, milliseconds: str, rows: str, log: str, batch_size: str = "1") -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started without
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def slow_down(_: int) -> None:
        os.write(descriptor, b"x")  # one byte a batch, on the disk even if this process is killed
        time.sleep(float(milliseconds) / 1000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD_ROWS", int(rows))
        use_mean_colour(patch, MeanColour(before=slow_down, batch_size=int(batch_size)))
        print(extract.run(dataset, BACKBONE, load_params(Path("params.yaml"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
