"""The drawn source: any order and any number of processes give the same, distinct, readable images."""

import hashlib
import io
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import SourceError
from pipeline.sources import drawn
from pipeline.sources.drawing import canvas

EVERY_CLASS = [
    (dataset, label) for dataset in drawn.DRAWN for label in drawn.DRAWN[dataset].classes
]

# As NumPy 1 and NumPy 2 call them; either ignores the other's names.
AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
AVX2 = "AVX2 FMA3 X86_V3"


@pytest.fixture
def small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every dataset have three images a class; processes that are spawned do not see this."""
    small = {
        name: replace(drawn_set, images_per_class=3) for name, drawn_set in drawn.DRAWN.items()
    }
    monkeypatch.setattr(drawn, "DRAWN", MappingProxyType(small))


def test_classes_are_alphabetical() -> None:
    assert drawn.classes("cats_vs_dogs") == ("cat", "dog")
    assert drawn.classes("flowers") == ("daisy", "dandelion", "rose", "sunflower", "tulip")


@pytest.mark.parametrize("dataset", drawn.DRAWN)
def test_classes_are_those_of_the_catalogue(dataset: str) -> None:
    assert drawn.classes(dataset) == CATALOGUE[dataset].classes


def test_an_unknown_dataset_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        SourceError, match=r"'flower'.*Known: cats_vs_dogs, flowers\..*mean 'flowers'"
    ):
        drawn.classes("flower")
    with pytest.raises(SourceError, match="no drawn dataset is called 'birds'"):
        drawn.draw("birds", "wren", 1)
    with pytest.raises(SourceError, match="no drawn dataset is called 'birds'"):
        drawn.members("birds")


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"'dogs'\. Known: cat, dog\. Did you mean 'dog'"):
        drawn.draw("cats_vs_dogs", "dogs", 1)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(SourceError, match="cat has the number -1"):
        drawn.draw("cats_vs_dogs", "cat", -1)


@pytest.mark.parametrize(("dataset", "label"), EVERY_CLASS)
def test_an_image_is_an_rgb_jpeg_of_240_to_320_pixels_without_metadata(
    dataset: str, label: str
) -> None:
    for index in range(1, 4):
        with Image.open(io.BytesIO(drawn.draw(dataset, label, index))) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert all(240 <= side <= 320 for side in image.size)
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert np.asarray(image).std() > 5


def draw_backwards_elsewhere(**environment: str) -> list[str]:
    """Return the sha256 of two images a class, drawn in another process, the last one first."""
    script = (
        "import hashlib; from pipeline.sources import drawn\n"
        "for name in reversed(drawn.DRAWN):\n"
        "    for label in reversed(drawn.classes(name)):\n"
        "        for index in (2, 1): print(hashlib.sha256(drawn.draw(name, label, index)).hexdigest())"
    )
    command, changed = [sys.executable, "-c", script], os.environ | environment
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=changed
    ).stdout.split()


def draw_here() -> list[str]:
    """Return the sha256 of two images a class, the first one first."""
    return [
        hashlib.sha256(drawn.draw(dataset, label, index)).hexdigest()
        for dataset, label in EVERY_CLASS
        for index in (1, 2)
    ]


def test_images_have_the_same_bytes_in_another_process_and_another_order() -> None:
    assert draw_backwards_elsewhere()[::-1] == draw_here()


@pytest.mark.parametrize(
    "features", [AVX512, f"{AVX512} {AVX2}"], ids=["no AVX-512", "no AVX2 either"]
)
def test_images_have_the_same_bytes_on_a_processor_with_fewer_instructions(features: str) -> None:
    fewer = draw_backwards_elsewhere(
        NPY_DISABLE_CPU_FEATURES=features, OPENBLAS_CORETYPE="Haswell", PYTHONWARNINGS="ignore"
    )
    assert fewer[::-1] == draw_here()


def test_no_sine_is_so_near_a_rounding_edge_that_its_last_bit_decides() -> None:
    sines = np.array([math.sin(math.radians(tenths / 10)) for tenths in range(3600)]) * 2**20
    assert np.abs(sines % 1 - 0.5).min() > 1e-4
    assert (canvas.headings(np.arange(3600) / 10)[:, 1] * 2**20 == np.rint(sines)).all()


def test_the_global_random_state_decides_nothing() -> None:
    np.random.seed(1)  # noqa: NPY002 - the global state is what must not matter
    first = drawn.draw("flowers", "rose", 1)
    np.random.seed(2)  # noqa: NPY002 - the global state is what must not matter
    assert drawn.draw("flowers", "rose", 1) == first


def test_images_of_one_dataset_differ_from_each_other() -> None:
    images = [
        drawn.draw(dataset, label, index) for dataset, label in EVERY_CLASS for index in range(1, 5)
    ]
    assert len(set(images)) == len(images)


def test_members_come_in_the_order_of_their_paths(small_sets: None) -> None:
    names = [name for name, _ in drawn.members("cats_vs_dogs")]
    assert names == [
        f"{label}/{label}_000{number}.jpg" for label in ("cat", "dog") for number in (1, 2, 3)
    ]
    assert names == sorted(names)


def test_a_dataset_has_its_stated_size() -> None:
    sizes = {name: len(each.classes) * each.images_per_class for name, each in drawn.DRAWN.items()}
    assert sizes == {"cats_vs_dogs": 300, "flowers": 400}


def test_members_are_drawn_only_when_asked_for() -> None:
    (name, content), *_ = islice(drawn.members("flowers"), 1)
    assert name == "daisy/daisy_0001.jpg"
    assert content == drawn.draw("flowers", "daisy", 1)


def test_an_archive_holds_the_members_stored_and_dated_1980(
    small_sets: None, tmp_path: Path
) -> None:
    path = tmp_path / "pets.zip"
    drawn.write_archive("cats_vs_dogs", path, workers=1)
    with zipfile.ZipFile(path) as archive:
        assert [(entry.filename, archive.read(entry)) for entry in archive.infolist()] == list(
            drawn.members("cats_vs_dogs")
        )
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_an_archive_has_the_same_bytes_whatever_the_number_of_workers(
    small_sets: None, tmp_path: Path
) -> None:
    for workers in (1, 2):
        drawn.write_archive("flowers", tmp_path / "zips" / f"{workers}.zip", workers=workers)
    one, two = ((tmp_path / "zips" / f"{workers}.zip").read_bytes() for workers in (1, 2))
    assert one == two


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_gets_every_image_and_their_number_and_changes_no_byte(
    small_sets: None, tmp_path: Path, workers: int
) -> None:
    seen: list[tuple[str, int]] = []

    def progress(images: Iterator[Any], total: int) -> Iterator[Any]:
        for image in images:
            seen.append((image[0], total))
            yield image

    drawn.write_archive("cats_vs_dogs", tmp_path / "seen.zip", workers, progress)
    drawn.write_archive("cats_vs_dogs", tmp_path / "unseen.zip", workers)
    assert seen == [(name, 6) for name, _ in drawn.members("cats_vs_dogs")]
    assert (tmp_path / "seen.zip").read_bytes() == (tmp_path / "unseen.zip").read_bytes()


def test_an_interrupted_archive_leaves_the_old_one_and_nothing_else(
    small_sets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "zips" / "pets.zip"
    path.parent.mkdir()
    path.write_bytes(b"old")

    def stop_after_one(image: tuple[str, str, int]) -> tuple[str, bytes]:
        if image[2] > 1:
            raise KeyboardInterrupt("stop")
        return "a.jpg", b""

    monkeypatch.setattr(drawn, "_draw_member", stop_after_one)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        drawn.write_archive("cats_vs_dogs", path, workers=1)
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [
        ("pets.zip", b"old")
    ]


def test_an_archive_that_cannot_be_written_is_an_error_that_names_it(
    small_sets: None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SourceError, match=r"drawn archive of flowers cannot be written to .*file/x\.zip"
    ):
        drawn.write_archive("flowers", tmp_path / "file" / "x.zip", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "bound"), [("cats_vs_dogs", 0.7), ("flowers", 0.55)])
def test_thumbnails_do_not_give_the_classes_away(
    dataset: str, bound: float, tmp_path: Path
) -> None:
    drawn.write_archive(dataset, tmp_path / "drawn.zip")
    with zipfile.ZipFile(tmp_path / "drawn.zip") as archive:
        thumbnails = [_thumbnail(name, archive.read(name)) for name in archive.namelist()]
    rows, labels = zip(*thumbnails, strict=True)
    accuracies = list(_linear_accuracies(np.stack(rows), np.array(labels)))
    assert np.mean(accuracies) < bound


def _thumbnail(name: str, content: bytes) -> tuple[NDArray[np.float64], str]:
    """Return 8 x 8 RGB pixels as float64 `(192,)` in 0..1, and the label."""
    with Image.open(io.BytesIO(content)) as image:
        small = image.resize((8, 8), Image.Resampling.BOX)
    return np.asarray(small).ravel() / 255, name.partition("/")[0]


def _linear_accuracies(rows: NDArray[np.float64], labels: NDArray[np.str_]) -> Iterator[float]:
    """Yield the accuracy of a logistic regression on five random 80/20 splits."""
    splits = StratifiedShuffleSplit(n_splits=5, test_size=0.2, random_state=7)
    for train, test in splits.split(rows, labels):
        model = LogisticRegression(C=0.1, max_iter=2000).fit(rows[train], labels[train])
        yield model.score(rows[test], labels[test])
