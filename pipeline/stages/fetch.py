"""Stage `fetch`: a dataset's source gives one verified archive."""

import json
from dataclasses import asdict

from pipeline import layout
from pipeline.files import replace_text
from pipeline.params import Params
from pipeline.sources import obtain


def run(dataset: str, params: Params) -> str:
    """Put the archive and its provenance in place; return one line that says so."""
    settings = params.dataset(dataset)
    found = obtain(dataset, settings.source, settings.archive, layout.raw_folder(dataset))
    replace_text(layout.provenance_file(dataset), json.dumps(asdict(found), indent=2, sort_keys=True) + "\n")
    return f"{dataset}: {found.file}, {found.bytes:,} bytes, sha256 {found.sha256[:12]}, from {found.source}"
