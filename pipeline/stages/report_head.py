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
            Or heat maps are asked for, and the network cannot be built or its features are others now.
    """
    params.dataset(dataset), params.backbone(backbone)
    path = paths.head_part(dataset, backbone)
    result = read_head_result(dataset, backbone)
    heat_maps = None
    if params.report.heat_maps:
        from pipeline.explanations.heat_maps import draw_heat_maps  # what builds a network

        heat_maps = draw_heat_maps(result.gallery, dataset, backbone, params)
    atomic_write_text(path, json.dumps(head_view(result, heat_maps)))
    return f"{dataset}/{backbone}: {path}"
