"""Explaining answers: pictures for the images that are asked, in one file or a folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageError, NoClassMap
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.tools import explain
from pipeline.tools.explain import explain_answers
from pipeline.tools.predict import Answer
from tests.fakes import Quadrants, use_mean_colour
from tests.project import BACKBONE, draw_image, make_params
from tests.trained_project import make_trained


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project with a head on mean colours, and an engine that gives the map of these."""
    params = make_trained(tmp_path / "project", monkeypatch)
    use_mean_colour(monkeypatch, Quadrants())
    for number in range(3):
        Path(f"{number}.jpg").write_bytes(draw_image(number))
    return params


def answers_of(*numbers: int) -> list[Answer]:
    return [
        Answer(file=f"{number}.jpg", label="cat", probabilities={"cat": 0.9, "dog": 0.1})
        for number in numbers
    ]


def test_one_picture_has_a_row_an_image_and_the_answers_pass(params: Params) -> None:
    given = answers_of(0, 1, 2)
    found = list(explain_answers(given, "pets", BACKBONE, params, Path("out.png")))
    assert found == given
    one = list(explain_answers(given[:1], "pets", BACKBONE, params, Path("one.png")))
    assert len(one) == 1
    all_rows, row = (np.asarray(Image.open(name)) for name in ("out.png", "one.png"))
    assert all_rows.shape == (3 * row.shape[0], *row.shape[1:])
    np.testing.assert_array_equal(all_rows[: len(row)], row)
    seen = np.asarray(
        Image.fromarray(decode_square(Path("0.jpg").read_bytes(), 32)).resize((336, 336))
    )
    shown = row[30 : 30 + 336, 8 : 8 + 336]
    assert np.abs(shown.astype(int) - seen).max() < 3


def test_a_folder_gets_a_picture_an_image(params: Params) -> None:
    list(explain_answers(answers_of(0, 2), "pets", BACKBONE, params, Path("maps")))
    assert sorted(file.name for file in Path("maps").iterdir()) == ["001-0.png", "002-2.png"]


def test_rows_are_written_though_a_later_file_is_no_image(params: Params) -> None:
    def answers() -> Any:
        yield from answers_of(0)
        raise ImageError("cannot read x.jpg")

    with pytest.raises(ImageError, match=r"cannot read x\.jpg"):
        list(explain_answers(answers(), "pets", BACKBONE, params, Path("out.png")))
    assert Path("out.png").exists()


def test_more_images_than_a_picture_takes_need_a_folder(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "MOST_ROWS", 2)
    with pytest.raises(ImageError, match=r"the first 2 images.*name a folder"):
        list(explain_answers(answers_of(0, 1, 2), "pets", BACKBONE, params, Path("out.png")))
    assert Path("out.png").exists()


def test_no_picture_replaces_the_image_itself(params: Params) -> None:
    Path("own.png").write_bytes(Path("0.jpg").read_bytes())
    answer = Answer(file="own.png", label="cat", probabilities={"cat": 1.0})
    with pytest.raises(ImageError, match=r"own\.png would replace the image itself"):
        list(explain_answers([answer], "pets", BACKBONE, params, Path("own.png")))
    assert Path("own.png").read_bytes() == Path("0.jpg").read_bytes()


def test_another_ending_is_refused_before_anything_is_computed(params: Params) -> None:
    with pytest.raises(ImageError, match=r"--explain out\.jpg: expected a name that ends in \.png"):
        explain_answers(answers_of(0), "pets", BACKBONE, params, Path("out.jpg"))


def test_features_without_places_are_refused_before_anything_is_computed() -> None:
    params = make_params({f"backbones.{BACKBONE}.pooling": "max"})
    with pytest.raises(NoClassMap, match="pooling max keeps"):
        explain_answers([], "pets", BACKBONE, params, Path("out.png"))
