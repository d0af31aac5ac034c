"""Stage plots_page: the page that `dvc plots` fills, with all of Vega in it, so that it needs no network.

DVC's own page loads Vega, which draws the plots, from the internet; `.dvc/config` names this one in
its place. A stage of its own, because to put Vega together takes seconds and is needed once.
"""

from pathlib import Path

from vl_convert import javascript_bundle

from pipeline import paths
from pipeline.files import atomic_write_text

PAGE = Path(__file__).with_suffix(".html")


def run() -> str:
    """Write the page; return a line that says where it is."""
    vega = javascript_bundle("window.vegaEmbed = vegaEmbed;")
    page = PAGE.read_text(encoding="utf-8").replace("VEGA", vega)
    atomic_write_text(paths.PLOTS_PAGE, page)
    return f"{paths.PLOTS_PAGE}: the page that `dvc plots` fills"
