"""The page of `dvc plots`: it has all that it draws with, and draws the plots that the stages write."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc_render import render_html
from dvc_render.vega import VegaRenderer

from pipeline import paths
from pipeline.stages import plots_page
from tests.browser import Visit, open_browser

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLOTS = ROOT / "plots" / "flowers" / "efficientnet_lite0"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
REVISIONS = ("workspace", "HEAD")


def read_rows(name: str) -> list[dict[str, str]]:
    with (PLOTS / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def fill(entry: dict[str, Any]) -> VegaRenderer:
    """Return a plot of dvc.yaml, filled as DVC fills it for two revisions."""
    [(path, options)] = entry.items()
    name = Path(path).name
    rows = [row | {"rev": rev} for rev in REVISIONS for row in read_rows(name)]
    return VegaRenderer(rows, name, template_dir=ROOT / ".dvc" / "plots", **options)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plots_page.run()
    plots = [entry for stage in ("train", "evaluate") for entry in STAGES[stage]["plots"]]
    render_html([fill(entry) for entry in plots], folder / "index.html", folder / paths.PLOTS_PAGE)
    return folder / "index.html"


@pytest.fixture(scope="module")
def visit(page: Path) -> Iterator[Visit]:
    with open_browser() as browser:
        visit = Visit(browser, page)
        visit.page.wait_for_function("document.querySelectorAll('svg.marks').length == 5")
        yield visit


def test_no_script_is_elsewhere(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    assert "src=" not in html.split("<script>")[0]
    assert "<script src" not in html
    assert "{plot_divs}" not in html


def test_the_browser_draws_all_plots_and_asks_for_nothing(visit: Visit) -> None:
    assert (visit.requests, visit.complaints) == ([], [])
    assert visit.page.locator("svg.marks path[aria-label]").count() > 20


def test_a_plot_says_what_it_shows_and_of_which_revisions(visit: Visit) -> None:
    found = visit.page.locator("svg.marks text").all_text_contents()
    for title in (
        "ROC, each class against the rest",
        "false positive rate",
        "accuracy",
        *REVISIONS,
    ):
        assert title in found


def test_the_confusion_has_its_counts_written_for_each_revision(visit: Visit) -> None:
    counts = Counter((row["actual"], row["predicted"]) for row in read_rows("confusion.csv"))
    cells = visit.page.locator("svg:has-text('Confusion') .mark-text.role-mark text")
    assert sorted(cells.all_text_contents()) == sorted([str(n) for n in counts.values()] * 2)
