from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import ManifestError, StudyError
from pipeline.images import decode_square
from pipeline.studies import room
from pipeline.studies.images import load_pixels, read_images
from tests.project import make_project
from tests.studies.coloured import place_coloured


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path, monkeypatch)
    place_coloured({"train": 3, "val": 2}, copies=2)


def test_originals_stand_before_their_copies_and_labels_are_classes_in_order() -> None:
    found = read_images("pets")
    assert {split: len(one) for split, one in found.items()} == {"train": 18, "val": 4}
    assert [row.copy for row in found["train"].rows] == [0, 1, 2] * 6
    assert found["train"].labels.tolist() == [0] * 9 + [1] * 9
    assert found["train"].originals.tolist() == [0, 3, 6, 9, 12, 15]


def test_pixels_are_those_of_the_only_decoder_row_for_row() -> None:
    train = read_images("pets")["train"]
    pixels = load_pixels(train, 32)
    assert pixels.shape == (18, 32, 32, 3)
    for row, square in zip(train.rows, pixels, strict=True):
        assert (square == decode_square(row.file.read_bytes(), 32)).all()


def test_what_memory_is_not_for_lies_in_a_file_that_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = read_images("pets")["train"]
    expected = load_pixels(train, 32)
    monkeypatch.setattr(room, "MOST_BYTES", 1000)
    found = load_pixels(train, 32)
    assert isinstance(found, np.memmap)
    assert (found == expected).all()
    assert list(paths.store_folder().iterdir()) == []
    assert not isinstance(room.make_room((10, 10), np.uint8), np.memmap)


def test_a_file_that_is_not_the_manifest_s_is_refused() -> None:
    train = read_images("pets")["train"]
    train.rows[4].file.write_bytes(train.rows[0].file.read_bytes())
    with pytest.raises(
        ManifestError, match=r"__copy1\.jpg is not the file that the manifest names"
    ):
        load_pixels(train, 32)


def test_a_split_without_images_is_named_with_what_to_change() -> None:
    place_coloured({"train": 3})
    with pytest.raises(StudyError, match=r"no image of val.*split\.val_fraction"):
        read_images("pets")
