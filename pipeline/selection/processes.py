"""Heads fitted in processes, one a core: threads would wait for the interpreter after each small product."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from pipeline.heads.cores import one_blas_thread
from pipeline.heads.rows import Rows
from pipeline.parallel import count_cores, map_ordered, open_processes

Job = TypeVar("Job")
Result = TypeVar("Result")

FEW = 1 << 18  # numbers: heads of so few are fitted before a process has started

_here: dict[str, Any] = {}  # in a process: the work and the rows


def fit_in_processes(
    work: Callable[[Rows, Job], Result], rows: Rows, jobs: Iterable[Job]
) -> Iterator[Result]:
    """Yield `work(rows, job)` for each job, in their order.

    Args:
        work: A function of a module; BLAS has one thread in it.
        rows: Sent to each process once.
        jobs: What differs.
    """
    count = count_cores()
    if count == 1 or rows.features.size <= FEW:
        with one_blas_thread():
            yield from (work(rows, job) for job in jobs)
        return
    with open_processes(__name__, count, partial(_prepare, work, rows)) as pool:
        yield from map_ordered(pool, _do, jobs, ahead=2 * count)


def _prepare(work: Callable[[Rows, Job], Result], rows: Rows) -> None:
    threadpool_limits(1, user_api="blas")
    _here.update(work=work, rows=rows)


def _do(job: Any) -> Any:
    return _here["work"](_here["rows"], job)
