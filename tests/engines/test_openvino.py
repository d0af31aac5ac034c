"""The engine of OpenVINO beside what all engines agree in."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import signal, threading
from types import SimpleNamespace
import pipeline
from pipeline.engines.openvino import OpenVinoEngine
import keras, numpy
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
backbone = SimpleNamespace(model=model, input_size=8, name="small", needs_openvino=False)
engines = [OpenVinoEngine(SimpleNamespace(batch_size=1, streams=1, precision="float32"), backbone)]
print(engines[0].run(numpy.zeros((1, 8, 8, 3), numpy.uint8)).shape)
signal.signal(signal.SIGTERM, lambda *_: print("told"))
thread = threading.Thread(target=engines.clear)
thread.start(), thread.join()
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_told_after_another_thread_gave_the_engine_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "(1, 6, 6, 4)\ntold\n"), done.stderr
