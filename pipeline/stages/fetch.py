"""Stage `fetch`: a dataset's source gives one verified archive."""

from pipeline import paths
from pipeline.parallel import Progress, no_progress
from pipeline.params import Params
from pipeline.provenance import write_provenance
from pipeline.sources import obtain


def run(dataset: str, params: Params, progress: Progress = no_progress) -> str:
    """Put the archive and its provenance in place; return one line that says so.

    Args:
        dataset: Name.
        params: All settings.
        progress: Shows how far the drawing is, where the source is `drawn`.
    """
    settings = params.dataset(dataset)
    folder = paths.raw_folder(dataset)
    found = obtain(dataset, settings.source, settings.archive, folder, progress)
    write_provenance(paths.provenance_file(dataset), found)
    return f"{dataset}: {found.file}, {found.bytes:,} bytes, sha256 {found.sha256[:12]}, from {found.source}"
