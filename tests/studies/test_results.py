from pathlib import Path

import pytest

from pipeline.errors import StudyError
from pipeline.studies.results import Result, read_results, write_results

RESULTS = [
    Result(recipe="a, b", images_a_class=5, seed=7, n=10, accuracy=0.5, log_loss=0.7),
    Result(
        recipe="c", images_a_class=2.5, seed=8, n=10, accuracy=1.0, log_loss=1e-9, seconds=0.125
    ),
]


@pytest.mark.parametrize("results", [RESULTS, []])
def test_what_is_written_is_read_back(tmp_path: Path, results: list[Result]) -> None:
    write_results(tmp_path / "new" / "a.csv", results)
    assert read_results(tmp_path / "new" / "a.csv") == results


def test_a_missing_table_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a\.csv .*run `dvc repro studies/dvc\.yaml`"):
        read_results(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "row", ["a,1,7,10,much,0.5,", "a,1,7,10,0.5", "a,1,7.5,10,0.5,0.5,", ",,,,,,"]
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: str) -> None:
    write_results(tmp_path / "a.csv", RESULTS)
    with (tmp_path / "a.csv").open("a") as stream:
        stream.write(f"{row}\n")
    with pytest.raises(StudyError, match=r"a\.csv, line 4: expected recipe"):
        read_results(tmp_path / "a.csv")
