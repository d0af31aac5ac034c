"""All studies side by side: a table and a picture a dataset, and one page of all."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.params import Params
from pipeline.studies.charts import as_file
from pipeline.studies.comparison import QUOTATIONS, Entry, gather, to_csv
from pipeline.studies.page import draw_ways, find_ways, render_studies

if TYPE_CHECKING:  # so that the settings of one study change no other
    from pipeline.studies.settings import StudiesParams

log = logging.getLogger(__name__)


def run(
    params: Params,
    settings: "StudiesParams",
    of_other_settings: Sequence[str] = (),
    by_hand: Sequence[str] = (),
) -> str:
    """Write the tables, the pictures and the page of what the studies found; return one line a dataset.

    What has not run, and what may not belong together, is said, here and on the page.

    Args:
        params: All settings of the pipeline.
        settings: Those of the studies.
        of_other_settings: Tables of results that were made with other settings or features than now.
        by_hand: Those of which nothing tells with which.

    Raises:
        StudyError: A table of results is damaged.
    """
    found = {name: gather(name, params, settings) for name in params.datasets}
    lines = [_write(dataset, one.entries) for dataset, one in found.items()]
    if missing := [name for one in found.values() for name in one.missing]:
        log.warning(
            "%d results are missing, of: %s. `dvc repro studies/dvc.yaml` runs what has not run",
            len(missing), "; ".join(missing),
        )  # fmt: skip
    if others := [name for one in found.values() for name in one.of_other_split]:
        log.warning(
            "%d results are of another split than there is now, and left out: %s. "
            "`dvc repro studies/dvc.yaml` runs them again",
            len(others), "; ".join(others),
        )  # fmt: skip
    if of_other_settings:
        log.warning(
            "made with other settings or features than there are now (studies/dvc.lock): %s. "
            "`dvc repro studies/dvc.yaml` makes them anew",
            "; ".join(of_other_settings),
        )
    if by_hand:
        log.warning(
            "run by hand, so that nothing tells with which settings: %s. `dvc repro studies/dvc.yaml` runs "
            "them with those that there are now",
            "; ".join(by_hand),
        )
    page = render_studies(found, settings.advice, of_other_settings, by_hand)
    atomic_write_text(paths.STUDIES_PAGE, page)
    return "\n".join([*lines, f"the page: {paths.STUDIES_PAGE}"])


def _write(dataset: str, entries: Sequence[Entry]) -> str:
    """Write a dataset's table and, where there is something to draw, its picture; return a line."""
    table, picture = paths.comparison_file(dataset), paths.comparison_picture(dataset)
    atomic_write_text(table, to_csv([*entries, *QUOTATIONS.get(dataset, ())]))
    picture.unlink(missing_ok=True)
    if ways := find_ways(entries):
        atomic_write_text(picture, as_file(draw_ways(dataset, ways)))
    return f"{dataset}, models: {len(entries):,} ({table})"
