"""Work on rows in processes: in order, as it would be done here, BLAS in one thread, and none stays."""

import os
from multiprocessing import active_children

import pytest
from threadpoolctl import threadpool_info

from pipeline.errors import HeadError
from pipeline.heads.rows import Rows
from pipeline.selection import processes
from pipeline.selection.processes import fit_in_processes
from pipeline.selection.sweep import score_recipes
from tests.sample_features import rows_of
from tests.selection.test_sweep import recipes_of


@pytest.fixture(autouse=True)
def with_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FEW", 0)
    monkeypatch.setattr(processes, "count_cores", lambda: 2)


def look_around(rows: Rows, job: int) -> tuple[int, int, int, set[int]]:
    threads = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    return job, len(rows), os.getpid(), threads


def refuse(rows: Rows, job: int) -> int:
    raise HeadError(f"job {job} cannot be done")


def test_each_job_is_done_in_its_turn_in_another_process_with_one_thread_of_blas() -> None:
    numbers, lengths, processes_seen, threads = zip(
        *fit_in_processes(look_around, rows_of(5), range(20)), strict=True
    )
    assert numbers == tuple(range(20))
    assert set(lengths) == {len(rows_of(5))}
    assert os.getpid() not in processes_seen
    assert all(one == {1} for one in threads)
    assert not active_children()


def test_few_rows_are_not_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FEW", 1 << 18)
    assert {one[2] for one in fit_in_processes(look_around, rows_of(5), range(3))} == {os.getpid()}


def test_an_error_comes_out_as_it_was() -> None:
    with pytest.raises(HeadError, match="job 0 cannot be done"):
        list(fit_in_processes(refuse, rows_of(5), range(3)))
    assert not active_children()


def test_a_sweep_in_processes_is_the_sweep_here(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [*recipes_of("mlp"), *recipes_of("linear")]
    there = list(score_recipes(rows_of(20), recipes, 2, 7))
    monkeypatch.setattr(processes, "FEW", 1 << 18)
    assert there == list(score_recipes(rows_of(20), recipes, 2, 7))
