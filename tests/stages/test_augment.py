"""Stage augment: every training image gets its copies, the same bytes however many processes make them."""

import io
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.errors import ManifestError
from pipeline.manifest import CopyRow, read_copies
from pipeline.params import Params
from pipeline.runners import pool
from pipeline.stages import augment
from tests.project import draw_image, make_params, make_project, place
from tests.sample_images import encode, scene

ROOT = Path(__file__).parents[2]
IMAGES = {
    "train/cat/a.jpg": draw_image(1),
    "train/cat/b.png": encode(scene(), "PNG"),
    "train/dog/c.jpg": draw_image(2),
    "train/dog/d.gif": encode(scene(seed=3).convert("P"), "GIF"),
    "val/cat/e.jpg": draw_image(4),
    "val/dog/f.jpg": draw_image(5),
    "test/cat/g.jpg": draw_image(6),
}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project whose images are split; copies: 2."""
    params = make_project(tmp_path / "project", monkeypatch, {"augment.copies": 2})
    place("pets", IMAGES)
    return params


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process make the copies: starting others takes seconds."""
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))


def copies() -> list[CopyRow]:
    return list(read_copies(paths.copies_file("pets")))


def results() -> dict[str, bytes]:
    files = sorted(file for file in Path("data/augmented").rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.usefixtures("in_process")
def test_each_training_image_gets_its_copies_and_no_other_image_any(params: Params) -> None:
    assert augment.run("pets", params) == "pets: 8 copies, 2 of each training image"
    stems = ["cat/a", "cat/b", "dog/c", "dog/d"]
    expected = [f"train/{stem}__copy{number}.jpg" for stem in stems for number in (1, 2)]
    assert [row.path for row in copies()] == expected
    assert sorted(results()) == sorted(
        str(paths.augmented_folder("pets") / name) for name in [*expected, "copies.csv"]
    )
    parents = {path: sha256(data).hexdigest() for path, data in IMAGES.items()}
    for row in copies():
        data = (paths.augmented_folder("pets") / row.path).read_bytes()
        assert row.sha256 == sha256(data).hexdigest()
        assert row.parent in {key for path, key in parents.items() if path.startswith("train/")}


@pytest.mark.usefixtures("in_process")
def test_a_copy_has_its_parents_size_and_looks_like_it(params: Params) -> None:
    augment.run(
        "pets", make_params({"augment.copies": 2, "augment.rotate": 5, "augment.flip": False})
    )
    with Image.open(paths.augmented_folder("pets") / "train/cat/b__copy1.jpg") as image:
        assert image.format == "JPEG"
        assert image.size == (60, 44)
        assert 0 < np.abs(np.asarray(image, float) - np.asarray(scene())).mean() < 60


@pytest.mark.usefixtures("in_process")
def test_all_copies_differ(params: Params) -> None:
    augment.run("pets", params)
    assert len({row.sha256 for row in copies()}) == 8


@pytest.mark.usefixtures("in_process")
def test_with_nothing_to_change_a_copy_is_the_image_again(params: Params) -> None:
    augment.run(
        "pets",
        make_params(
            {f"augment.{key}": 0 for key in ("rotate", "shift", "zoom")} | {"augment.flip": False}
        ),
    )
    stream = io.BytesIO()
    scene().save(stream, "JPEG", quality=augment.JPEG_QUALITY)
    assert (
        paths.augmented_folder("pets") / "train/cat/b__copy1.jpg"
    ).read_bytes() == stream.getvalue()


@pytest.mark.usefixtures("in_process")
def test_without_copies_there_is_an_empty_table(params: Params) -> None:
    augment.run("pets", params)
    assert (
        augment.run("pets", make_params({"augment.copies": 0}))
        == "pets: 0 copies, 0 of each training image"
    )
    assert copies() == []
    assert list(results()) == [str(paths.copies_file("pets"))]


@pytest.mark.usefixtures("in_process")
def test_another_copy_more_leaves_the_first_ones_as_they_are(params: Params) -> None:
    augment.run("pets", params)
    before = {row.path: row.sha256 for row in copies()}
    augment.run("pets", make_params({"augment.copies": 3}))
    after = {row.path: row.sha256 for row in copies()}
    assert len(after) == 12
    assert before.items() <= after.items()


def test_the_bytes_are_the_same_whatever_the_number_of_processes(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
        augment.run("pets", params)
    alone = results()
    for processes in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda processes=processes: processes)
        augment.run("pets", params)
        assert results() == alone


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(("name", "after"), [("augment", 0), ("augment", 5), ("write_copies", 0)])
def test_stopped_and_run_again_it_gives_the_same_results(
    params: Params, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    augment.run("pets", params)
    whole, function, calls = results(), getattr(augment, name), iter(range(99))

    def stop(*args: Any, **kwargs: Any) -> Any:
        if next(calls) >= after:
            raise KeyboardInterrupt("Ctrl-C")
        return function(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(augment, name, stop)
        with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
            augment.run("pets", params)
    assert results() == whole
    augment.run("pets", params)
    assert results() == whole


@pytest.mark.slow
def test_killed_and_run_again_it_gives_the_same_results(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os, signal
from pipeline.params import load_params
from pipeline.stages import augment
if __name__ == "__main__":
    map_ordered = augment.map_ordered
    def kill(*args, **kwargs):
        for number, result in enumerate(map_ordered(*args, **kwargs)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield result
    augment.map_ordered = kill
    augment.run("pets", load_params())
"""
    Path("kill.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "kill.py"], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any(".pets.tmp" in name for name in results())
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
    augment.run("pets", params)
    found = results()
    assert len(found) == 9
    subprocess.run(["rm", "-r", "data/augmented"], check=True)
    augment.run("pets", params)
    assert results() == found


@pytest.mark.usefixtures("in_process")
def test_an_image_that_is_missing_or_another_is_named(params: Params) -> None:
    augment.run("pets", params)
    before = results()
    image = paths.split_folder("pets") / "train/dog/c.jpg"
    image.write_bytes(draw_image(99))
    with pytest.raises(
        ManifestError, match=r"train/dog/c\.jpg is not the file that the manifest names: run"
    ):
        augment.run("pets", params)
    image.unlink()
    with pytest.raises(
        ManifestError, match=r"cannot read .*train/dog/c\.jpg: No such file.* Run the stage split"
    ):
        augment.run("pets", params)
    paths.manifest_file("pets").unlink()
    with pytest.raises(ManifestError, match=r"pets\.csv is missing: run the stage split first"):
        augment.run("pets", params)
    assert results() == before
