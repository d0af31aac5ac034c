"""Stage report_head: what the report says of a head."""

import json

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.reporting.results import read_head_result
from pipeline.reporting.views import head_view


def run(dataset: str, backbone: str, params: Params) -> str:
    """Write one head's part of the report; return a line that says where it is.

    Raises:
        PipelineError: A result is missing or damaged; names the file and the stage that writes it.
    """
    params.dataset(dataset), params.backbone(backbone)
    path = paths.head_part(dataset, backbone)
    atomic_write_text(path, json.dumps(head_view(read_head_result(dataset, backbone))))
    return f"{dataset}/{backbone}: {path}"
