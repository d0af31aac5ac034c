"""Stage report_dataset: what the report says of a dataset."""

import json

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.reporting.results import read_dataset_result
from pipeline.reporting.views import dataset_view


def run(dataset: str, params: Params) -> str:
    """Write one dataset's part of the report; return a line that says where it is.

    Raises:
        PipelineError: A result is missing or damaged; names the file and the stage that writes it.
    """
    params.dataset(dataset)
    path = paths.dataset_part(dataset)
    atomic_write_text(path, json.dumps(dataset_view(read_dataset_result(dataset))))
    return f"{dataset}: {path}"
