"""Stage `weights`: a backbone's weights are found or downloaded, checked, and written down."""

import logging
from typing import Any

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.backbones.conversion_check import check_graph
from pipeline.backbones.scaling_check import check_scaling
from pipeline.catalogue.backbones import OWN
from pipeline.files import atomic_write_json
from pipeline.params import Params

CHECKED = ("a file", "a folder", "keras.applications")
log = logging.getLogger(__name__)


def run(backbone: str, params: Params) -> str:
    """Get one backbone's weights and write what they are, so that DVC sees them; return one line.

    Raises:
        BackboneError: The weights cannot be had, are damaged, or do not fit the network.
    """
    networks = [Backbone(backbone, one) for one in params.backbone(backbone).networks]
    records = [one.weights_record() for one in networks]
    compared = [_compare(one) for one in networks]
    found = "; ".join(
        f"{record['source']}, {record['bytes']:,} bytes{_look_at_scaling(network, record)}{said}"
        for network, record, said in zip(networks, records, compared, strict=True)
    )
    atomic_write_json(
        paths.weights_record(backbone), records[0] if len(records) == 1 else {"networks": records}
    )
    return f"{backbone}: weights: {found}"


def _look_at_scaling(network: Backbone, record: dict[str, Any]) -> str:
    """Say how the network's scaling fits its weights, and warn where it does not.

    Weights of pip are those of which the tests say it; random ones were not trained.
    """
    if record["source"] not in CHECKED:
        return ""
    found = check_scaling(network)
    if found.doubt:
        key = "scaling" if network.network == OWN else "weights"
        log.warning(
            "%s: %s. Features will be poor if so (params.yaml, backbones.%s.%s)",
            network.name, found.doubt, network.name, key,
        )  # fmt: skip
    return f"; {found.text}"


def _compare(network: Backbone) -> str:
    """Say whether OpenVINO computes a network that is no Keras model as another library does."""
    return f"; {check_graph(network)}" if network.needs_openvino else ""
