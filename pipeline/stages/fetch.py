"""Stage `fetch`: a dataset's source gives one verified archive."""

import json
from dataclasses import asdict

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.sources import obtain


def run(dataset: str, params: Params) -> str:
    """Put the archive and its provenance in place; return one line that says so."""
    settings = params.dataset(dataset)
    found = obtain(dataset, settings.source, settings.archive, paths.raw_folder(dataset))
    atomic_write_text(
        paths.provenance_file(dataset), json.dumps(asdict(found), indent=2, sort_keys=True) + "\n"
    )
    return f"{dataset}: {found.file}, {found.bytes:,} bytes, sha256 {found.sha256[:12]}, from {found.source}"
