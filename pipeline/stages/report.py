"""Stage report: the results of every dataset and backbone become one page."""

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.reporting.page import render_report
from pipeline.reporting.results import read_dataset_result


def run(params: Params) -> str:
    """Write the report for all that params.yaml names; return a line that says where it is.

    Raises:
        PipelineError: A result is missing or damaged; names the file and the stage that writes it.
    """
    results = [read_dataset_result(dataset, list(params.backbones)) for dataset in params.datasets]
    atomic_write_text(paths.REPORT, render_report(results, params))
    heads = sum(len(result.heads) for result in results)
    return f"{paths.REPORT}: {_count(heads, 'head')} on {_count(len(results), 'dataset')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
