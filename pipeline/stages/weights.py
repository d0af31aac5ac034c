"""Stage `weights`: a backbone's weights are found or downloaded, checked, and written down."""

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.files import atomic_write_json
from pipeline.params import Params


def run(backbone: str, params: Params) -> str:
    """Get one backbone's weights and write what they are, so that DVC sees them; return one line.

    Raises:
        BackboneError: The weights cannot be had, are damaged, or do not fit the network.
    """
    records = [
        Backbone(backbone, one).weights_record() for one in params.backbone(backbone).networks
    ]
    atomic_write_json(
        paths.weights_record(backbone), records[0] if len(records) == 1 else {"networks": records}
    )
    found = "; ".join(f"{record['source']}, {record['bytes']:,} bytes" for record in records)
    return f"{backbone}: weights: {found}"
