"""Source `mirror`: the catalogue's own copy of a dataset, which needs no account."""

from pathlib import Path

from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import SourceError
from pipeline.sources.downloads import download
from pipeline.urls import url_file_name


def fetch_mirror(dataset: str, working: Path) -> tuple[Path, str]:
    """Download the dataset's archive into the working folder and compare its sha256.

    Returns:
        The file and its URL.

    Raises:
        SourceError: The dataset has no mirror, or the file cannot be had or is another.
    """
    known = CATALOGUE.get(dataset)
    if known is None or known.mirror is None:
        with_one = ", ".join(name for name, entry in CATALOGUE.items() if entry.mirror)
        raise SourceError(
            f"{dataset} has no mirror; these have: {with_one} (params.yaml, datasets.{dataset}.source)"
        )
    file = working / url_file_name(known.mirror.url)
    try:
        download(known.mirror.url, file, known.mirror.sha256)
    except SourceError as error:
        raise SourceError(
            f"{error} Or get the archive ({known.mirror.bytes:,} bytes) in another way and name it "
            f"(params.yaml, datasets.{dataset}: source: archive, archive: <its path>)."
        ) from error
    return file, known.mirror.url
