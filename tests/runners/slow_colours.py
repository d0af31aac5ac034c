"""What workers of Ray open in tests: MeanColour, as slow as wanted, which tells who it is."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import compute
from tests.fakes import MeanColour


@dataclass(frozen=True)
class SlowColours:
    """Opens itself; each process that computes leaves a file named by its number.

    Attributes:
        folder: Where the processes leave their files.
        seconds: What an image takes.
        together: How many processes must have work before the first one begins with it.
    """

    folder: Path
    seconds: float = 0.0
    together: int = 1

    def open(self) -> "SlowColours":
        return self

    def extract(self, images: Iterable[ImageFile]) -> Iterator[tuple[Any, Any]]:
        self.folder.mkdir(exist_ok=True)
        (self.folder / str(os.getpid())).touch()
        while len(self.processes()) < self.together:
            time.sleep(0.01)
        engine = MeanColour(streams=1, before=lambda _: time.sleep(self.seconds))
        return compute(images, engine, 32, "float32")

    def processes(self) -> list[int]:
        """Return the numbers of the processes that have computed."""
        return [int(file.name) for file in self.folder.glob("*")]
