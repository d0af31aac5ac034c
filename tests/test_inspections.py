"""The table of inspections: what is written is read back, and what is no such table is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InspectionError
from pipeline.inspections import COLUMNS, Inspections, read_inspections, write_inspections


def table(**changes: Any) -> Inspections:
    columns: dict[str, Any] = {
        "sha256": ("a", "b"),
        "path": ("train/cat/a, é.jpg", "val/dog/b.jpg"),
        "split": ("train", "val"),
        "label": ("cat", "dog"),
        "suggested": ("dog", "dog"),
        "quality": np.array([0.012345678, 1.0]),
        "suspect": np.array([True, False]),
        "outlier": np.array([0.25, 0.0]),
        "is_outlier": np.array([False, True]),
        "x": np.array([-3.5, np.nan]),
        "y": np.array([1e-9, np.nan]),
        "neighbours": (("b", "a"), ()),
    }
    return Inspections(**{**columns, **changes})


@pytest.mark.parametrize("block", [1, 1000])
def test_what_is_written_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    path = tmp_path / "new" / "t.csv"
    monkeypatch.setattr("pipeline.inspections.BLOCK", block)
    write_inspections(path, table())
    found, expected = read_inspections(path), table()
    for column in COLUMNS:
        one, other = getattr(found, column), getattr(expected, column)
        if isinstance(other, np.ndarray) and other.dtype == np.float64:
            assert np.allclose(one, other, rtol=1e-5, equal_nan=True), column
        else:
            assert list(one) == list(other), column
    assert path.read_text().splitlines()[1:] == [
        'a,"train/cat/a, é.jpg",train,cat,dog,0.0123457,1,0.25,0,-3.5,1e-09,b a',
        "b,val/dog/b.jpg,val,dog,dog,1,0,0,1,,,",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": ("cat",)}, "different lengths"),
        ({"quality": np.array([0.5, 1.5])}, "row 1, column quality"),
        ({"quality": np.array([np.nan, 1])}, "row 0, column quality"),
        ({"outlier": np.array([0, np.inf])}, "row 1, column outlier"),
        ({"x": np.array([np.inf, 0])}, "row 0, column x"),
        ({"y": np.array([0.0, 1.0])}, "row 1, column x: expected finite with y"),
        ({"sha256": ("a", "a")}, "row 1, column sha256: an image is there twice"),
        ({"neighbours": ((), ("a", "c"))}, "row 1, column neighbours: no image of this table"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InspectionError, match=message):
        table(**changes)


@pytest.mark.parametrize("block", [1, 1000])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sha256,path", "sha256,place", "its columns should be sha256, path"),
        (",1e-09,b a", "", r"row 0 has 10 cells, expected 12\. Run the stage inspect"),
        (",1,0.25", ",yes,0.25", "row 0, column suspect: 'yes' is neither 0 nor 1"),
        ("0.0123457", "low", "row 0, column quality: 'low' is not a number"),
        ("dog,1,0,0,1,,,", "dog,1,0,0,1,,", r"row 1 has 11 cells, expected 12\."),
        ("dog,1,0,0,1", "dog,1,0,far,1", "row 1, column outlier: 'far' is not a number"),
        ("0.0123457", "", "row 0, column quality: expected a number"),
        ("dog,1,0,0,1", 'dog,"1,0,0,1', "unexpected end of data"),
    ],
)
def test_a_damaged_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str, block: int
) -> None:
    monkeypatch.setattr("pipeline.inspections.BLOCK", block)
    path = tmp_path / "t.csv"
    write_inspections(path, table())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InspectionError, match=message):
        read_inspections(path)


def test_a_missing_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(InspectionError, match=r"there are no inspections at .* The stage inspect"):
        read_inspections(tmp_path / "t.csv")
