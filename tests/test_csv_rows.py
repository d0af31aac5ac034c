import csv
import io
import random

import pytest

from pipeline.csv_rows import split_rows

NAMES = ["cat", "", "a,b", 'say "miau"', "two\nlines", "a\r\nb", "ü", '"', ",", " x "]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_are_those_that_pythons_reader_finds(end: str) -> None:
    dice = random.Random(5)
    rows = [[dice.choice(NAMES) for _ in range(dice.randint(2, 5))] for _ in range(500)]
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end).writerows(rows)
    text = stream.getvalue()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows
    assert list(split_rows(io.StringIO(text, newline=""))) == rows


def test_what_is_behind_the_cells_asked_for_is_one_more() -> None:
    lines = iter(["a,b,1,2,3\n", '"a,""x""",b,1,2,3\n', '"two\n', 'lines",b,1,2,3\n', "\n"])
    assert list(split_rows(lines, 2)) == [
        ["a", "b", "1,2,3"],
        ['a,"x"', "b", "1,2,3"],
        ["two\nlines", "b", "1,2,3"],
        [""],
    ]


@pytest.mark.parametrize("line", ['a,"b"c,d\n', 'a,"b\n', "a,b", "a,b\r", '"a,b",c'])
def test_a_quoted_cell_that_is_not_as_it_should_be_and_a_cut_line_are_told(line: str) -> None:
    with pytest.raises(csv.Error):
        list(split_rows(iter([line])))
