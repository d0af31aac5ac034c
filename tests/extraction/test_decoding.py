"""Processes decode what this one would, into its memory; an error, Ctrl-C or a kill leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ImageError, ManifestError, PipelineError
from pipeline.extraction.decoding import CHUNK, Decode, ImageFile, decode_beside, decode_here
from tests.fakes import SlowFile
from tests.project import draw_image

SIZE, BATCH = 32, 2 * CHUNK + 3


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[ImageFile]:
    folder = tmp_path_factory.mktemp("images")
    for number in range(3 * BATCH):
        (folder / f"{number}.jpg").write_bytes(draw_image(number))
    return [ImageFile(folder / f"{number}.jpg") for number in range(3 * BATCH)]


@pytest.fixture(scope="module")
def beside() -> Iterator[Decode]:
    with decode_beside(BATCH, SIZE, count=2) as decode:
        yield decode


def _copies(decode: Decode, images: list[ImageFile]) -> Any:
    with decode(images) as (keys, pixels):
        return keys.copy(), pixels.copy()


def _decoded_here(images: list[ImageFile]) -> Any:
    with decode_here(BATCH, SIZE) as decode:
        return _copies(decode, images)


def test_batches_are_those_that_are_decoded_here(beside: Decode, images: list[ImageFile]) -> None:
    starts = (0, BATCH, 2 * BATCH)
    with ThreadPoolExecutor(3) as pool:  # one more than there is memory for
        found = pool.map(lambda k: _copies(beside, images[k : k + BATCH]), starts)
        for start, (keys, pixels) in zip(starts, found, strict=True):
            expected = _decoded_here(images[start : start + BATCH])
            np.testing.assert_array_equal(keys, expected[0])
            np.testing.assert_array_equal(pixels, expected[1])


def test_a_batch_that_is_not_full_is_black_where_others_were(
    beside: Decode, images: list[ImageFile]
) -> None:
    for _ in range(2):  # for both places
        _copies(beside, images[:BATCH])
    for _ in range(2):
        _, pixels = _copies(beside, images[:5])
        np.testing.assert_array_equal(pixels, _decoded_here(images[:5])[1])
        assert not pixels[5:].any()


def test_an_error_names_its_image_and_the_next_batch_is_right(
    beside: Decode, images: list[ImageFile], tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    bad = ImageFile(tmp_path / "bad.jpg")
    for place in (0, CHUNK, BATCH - 1):
        batch = [*images[:place], bad, *images[place + 1 : BATCH]]
        with pytest.raises(ImageError, match=rf"cannot decode {bad.path}: not an image"):
            _copies(beside, batch)
        _, pixels = _copies(beside, images[BATCH : 2 * BATCH])
        np.testing.assert_array_equal(pixels, _decoded_here(images[BATCH : 2 * BATCH])[1])
    with pytest.raises(ManifestError, match="is not the file that the manifest names"):
        _copies(beside, [images[0]._replace(sha256="0" * 64)])


def test_who_stops_waits_for_none_that_has_not_begun() -> None:
    before = set(active_children())
    images = [
        ImageFile(SlowFile(0.1)) for _ in range(100 * CHUNK)
    ]  # minutes, if they were waited for
    with (
        ThreadPoolExecutor(1) as pool,
        decode_beside(len(images), SIZE, count=1) as decode,
    ):
        decoding = pool.submit(_copies, decode, images)
        time.sleep(1)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert isinstance(decoding.exception(), CancelledError)
    assert not set(active_children()) - before


def test_a_process_that_is_killed_ends_the_work_with_a_word(images: list[ImageFile]) -> None:
    before = set(active_children())
    with decode_beside(BATCH, SIZE, count=1) as decode:
        _copies(decode, images[:BATCH])
        os.kill(min(one.pid or 0 for one in set(active_children()) - before), signal.SIGKILL)
        with pytest.raises(PipelineError, match="a process that decodes images was killed"):
            list(map(partial(_copies, decode), 1000 * [images[:BATCH]]))


def test_processes_end_with_the_one_that_computes_even_if_it_is_killed(
    tmp_path: Path, images: list[ImageFile]
) -> None:
    code = f"""
import os, signal
from pathlib import Path
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import compute
from tests.fakes import MeanColour
if __name__ == "__main__":
    files = [ImageFile(path) for path in Path({str(images[0].path.parent)!r}).iterdir()]
    batches = compute(files, MeanColour(batch_size=8), 32, "float32")
    print(len(next(batches)[0]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "kill.py").write_text(code)
    # This waits until nobody holds the pipe any more, so it would wait for a process that stays behind.
    killed = subprocess.run(
        [sys.executable, "kill.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == b"8\n"
