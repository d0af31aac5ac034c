"""All studies side by side: a table and a picture a dataset, and one page of all."""

import logging
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.studies.charts import as_file
from pipeline.studies.comparison import QUOTATIONS, gather, to_csv
from pipeline.studies.page import WAYS, draw_ways, render_studies

if TYPE_CHECKING:  # so that the settings of one study change no other
    from pipeline.studies.settings import StudiesParams

log = logging.getLogger(__name__)


def run(params: Params, settings: "StudiesParams") -> str:
    """Write the tables, the pictures and the page of what the studies found; return one line a dataset.

    What has not run is said, here and on the page.

    Raises:
        StudyError: A table of results is damaged.
    """
    found, missing, lines = {}, [], []
    for dataset in params.datasets:
        found[dataset], lacking = gather(dataset, params, settings)
        missing += lacking
        table, picture = paths.comparison_file(dataset), paths.comparison_picture(dataset)
        atomic_write_text(table, to_csv([*found[dataset], *QUOTATIONS.get(dataset, ())]))
        picture.unlink(missing_ok=True)
        if ways := [one for one in found[dataset] if one.study in WAYS]:
            atomic_write_text(picture, as_file(draw_ways(dataset, ways)))
        lines.append(f"{dataset}: {len(found[dataset])} models ({table})")
    if missing:
        log.warning(
            "%d results are missing, of: %s. `dvc repro studies/dvc.yaml` runs what has not run",
            len(missing), "; ".join(missing),
        )  # fmt: skip
    atomic_write_text(paths.STUDIES_PAGE, render_studies(found, missing, settings.advice))
    return "\n".join([*lines, f"the page: {paths.STUDIES_PAGE}"])
