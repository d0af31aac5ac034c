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
    record = Backbone(backbone, params.backbone(backbone)).weights_record()
    atomic_write_json(paths.weights_record(backbone), record)
    return f"{backbone}: weights: {record['source']}, {record['bytes']:,} bytes"
