"""The report in a browser, opened from its file: by keyboard, on a phone, in the dark, on paper, to all."""

import io
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import paths
from pipeline.page.rendering import make_environment
from tests.browser import Visit, open_browser
from tests.dag import light_stages, stage_calls
from tests.fakes import use_maps_of_colours
from tests.project import BACKBONE, SETTINGS, draw_folders, draw_image, make_project

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}
CLASSES = {
    "two classes": {"cat": 24, "dog": 24},
    "sixty classes": {f"a rather long name {one:02d}": 4 for one in range(60)},
}
BEYOND_THE_EDGE = """() => {
  const isScroller = one => /auto|scroll/.test(getComputedStyle(one).overflowX);
  const scrolls = one => one && (isScroller(one) || scrolls(one.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one))
    .map(one => one.outerHTML.slice(0, 120));
}"""


def write_report(folder: Path, classes: dict[str, int]) -> Path:
    """Run all stages on drawn images, a near-duplicate, and what is no image; two classes get two heads."""
    changes: dict[str, Any] = {"split.near_duplicates": True, "report.heat_maps": True}
    if len(classes) == 2:
        variant = SETTINGS["backbones"][BACKBONE] | {"network": BACKBONE, "input_size": 40}
        changes["backbones.variant"] = variant
    with pytest.MonkeyPatch.context() as patch:
        params = make_project(folder, patch, changes)
        draw_folders(Path("pets"), classes)
        first = Path("pets", next(iter(classes)))
        Image.open(io.BytesIO(draw_image(0))).save(first / "again.jpg", quality=70)
        (first / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
        with light_stages(), pytest.MonkeyPatch.context() as maps:
            use_maps_of_colours(maps)
            for _, call in stage_calls(params, params):
                call()
    return folder / paths.REPORT


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    return {size: write_report(folder / size, classes) for size, classes in CLASSES.items()}


@pytest.fixture(params=CLASSES)
def report(request: pytest.FixtureRequest, reports: dict[str, Path]) -> Path:
    return reports[request.param]


@pytest.fixture
def pets(browser: Any, reports: dict[str, Path]) -> Iterator[Any]:
    """The page of two classes, open."""
    page = Visit(browser, reports["two classes"]).page
    yield page
    page.close()


def test_the_page_asks_for_no_other_file_and_complains_of_nothing(
    browser: Any, report: Path
) -> None:
    visit = Visit(browser, report)
    visit.page.locator("footer, section").last.scroll_into_view_if_needed()
    assert (visit.requests, visit.complaints) == ([], [])
    assert visit.page.locator("h1").count() == 1


def test_headings_leave_out_no_level(browser: Any, report: Path) -> None:
    page = Visit(browser, report).page
    found = page.locator(":is(h1, h2, h3, h4, h5, h6):visible")
    levels = found.evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1] == []


def test_nothing_lies_beyond_the_edge_of_a_phone(browser: Any, report: Path) -> None:
    page = Visit(browser, report, viewport=PHONE).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(BEYOND_THE_EDGE) == []


def test_axe_finds_no_serious_fault_in_light_or_dark(browser: Any, report: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = Visit(browser, report, color_scheme="light").page
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    found = axe.run(page, options=options).response["violations"]
    page.emulate_media(color_scheme="dark")
    options["runOnly"] = ["color-contrast"]  # all that depends on the colours
    found += axe.run(page, options=options).response["violations"]
    serious = [
        (fault["id"], fault["nodes"][0]["html"])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_printed_page_has_every_column_of_every_table(browser: Any, report: Path) -> None:
    reader = pytest.importorskip("pypdf").PdfReader
    page = Visit(browser, report).page
    headings = page.locator("th[scope=col]").evaluate_all("all => all.map(one => one.textContent)")
    printed = reader(io.BytesIO(page.pdf(format="A4")))
    text = squeeze("".join(sheet.extract_text() for sheet in printed.pages))
    assert {one for one in headings if squeeze(one) not in text} == set()


def squeeze(text: str) -> str:
    """Return a text without spaces and ligatures, which printing puts elsewhere."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_a_picture_opens_by_keyboard_turns_and_gives_the_focus_back(pets: Any) -> None:
    pictures = pets.locator("article ul.gallery").first.locator("button.open")
    viewer = pets.get_by_role("dialog")
    pictures.first.press("Enter")
    assert viewer.is_visible()
    name = viewer.get_by_role("heading").first.inner_text()
    pets.keyboard.press("ArrowRight")
    assert viewer.get_by_role("heading").first.inner_text() != name
    pets.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert pictures.nth(1).evaluate("one => one === document.activeElement")


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_a_heat_map_opens_by_keyboard_with_words_beside_its_image(
    browser: Any, reports: dict[str, Path], viewport: dict[str, int] | None
) -> None:
    options = {"viewport": viewport} if viewport else {}
    page = Visit(browser, reports["two classes"], **options).page
    viewer = page.get_by_role("dialog")
    seen = page.locator(".seen button.open").first
    image = page.locator("figure:has(.seen) > button.open").first
    seen.press("Enter")
    shown = viewer.locator("#viewer-picture svg")
    words = shown.get_attribute("aria-label")
    assert re.search(
        r"labelled (cat|dog), as a heat map: what speaks for (cat|dog) lies mostly", words
    )
    assert "red: for " in viewer.inner_text()
    assert shown.bounding_box()["width"] > 300
    page.keyboard.press("ArrowLeft")
    assert shown.get_attribute("aria-label") == image.locator("svg").get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert image.evaluate("one => one === document.activeElement")


def test_of_many_classes_two_heat_maps_stand_side_by_side_and_some_answers_have_none(
    browser: Any, reports: dict[str, Path]
) -> None:
    page = Visit(browser, reports["sixty classes"]).page
    pair = page.locator(".seen").first.locator("figure")
    assert pair.count() == 2
    first, second = (pair.nth(one).bounding_box() for one in range(2))
    assert first["y"] == second["y"]
    assert pair.first.inner_text().startswith("for a rather long name")
    assert "blue against" not in pair.first.inner_text(), "that is said where it is large"
    assert re.search(r"Below 40 of the \d\d wrong answers on this page", page.inner_text("body"))
    page.emulate_media(media="print")
    assert pair.first.locator("svg").is_visible()


def test_the_comparison_is_sorted_by_keyboard_and_says_how(pets: Any) -> None:
    table = pets.get_by_role("region", name="Comparison").get_by_role("table")
    header = table.get_by_role("columnheader", name="Log loss")
    for direction in ("descending", "ascending"):
        header.get_by_role("button").press("Enter")
        assert header.get_attribute("aria-sort") == direction
        cells = table.locator("tbody tr:not(.group, .baseline) td[data-value]:nth-of-type(5)")
        losses = [
            float(one) for one in cells.evaluate_all("all => all.map(one => one.dataset.value)")
        ]
        assert len(losses) == 2
        assert losses == sorted(losses, reverse=direction == "descending")


def test_what_is_shown_as_more_or_less_sorts_by_its_value(browser: Any, tmp_path: Path) -> None:
    names = ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision")
    values = {
        "none": (0, 0.0),
        "most": (3, 0.9997),
        "all": (3, 1.0),
        "least": (3, 0.0003),
        "half": (3, 0.5),
    }
    text = (
        '{% from "macros.html.j2" import class_row with context %}<table class="sortable"><thead><tr>'
        '<th>Class</th>{% for _ in "1234567" %}<th class="number">x</th>{% endfor %}</tr></thead><tbody>'
        "{% for row in rows %}{{ class_row(row) }}{% endfor %}</tbody></table>"
        '<script>{% include "tables.js" %}</script>'
    )
    rows = [{"class": one, "n": n} | dict.fromkeys(names, v) for one, (n, v) in values.items()]
    file = tmp_path / "table.html"
    file.write_text(make_environment().from_string(text).render(rows=rows), encoding="utf-8")
    page = Visit(browser, file).page
    page.locator("th button").nth(6).click()
    found = page.locator("tbody th").all_inner_texts()
    assert found == ["all", "most", "half", "least", "none"]


def test_every_link_within_the_page_leads_somewhere(browser: Any, report: Path) -> None:
    page = Visit(browser, report).page
    links = page.locator("a[href^='#']").evaluate_all(
        "all => all.map(one => [one.hash, document.getElementById(decodeURIComponent(one.hash.slice(1)))])"
    )
    assert len(links) > 5
    assert [hash for hash, target in links if target is None] == []


def test_what_is_folded_opens_by_keyboard(pets: Any) -> None:
    folded = pets.locator("details:not([open])")
    assert folded.count() == 0 or toggles(folded.first)
    assert toggles(pets.locator("details[open]").first)


def toggles(details: Any) -> bool:
    """Tell whether a key opens what is closed, or closes what is open."""
    handle = details.element_handle()
    before = handle.evaluate("one => one.open")
    handle.query_selector("summary").press("Enter")
    return handle.evaluate("one => one.open") != before


def test_the_map_is_walked_by_arrow_keys_and_opens_what_it_has_reached(pets: Any) -> None:
    field, said = pets.locator(".field").first, pets.locator(".said").first
    field.focus()
    pets.keyboard.press("ArrowRight")
    first = said.inner_text()
    pets.keyboard.press("ArrowLeft")
    assert "labelled" in first
    assert said.inner_text() not in ("", first)
    pets.keyboard.press("Enter")
    viewer = pets.get_by_role("dialog")
    assert viewer.get_by_role("heading").first.inner_text() in said.inner_text()
    pets.keyboard.press("Escape")
    assert field.evaluate("one => one === document.activeElement")


def test_a_class_of_the_map_is_hidden_by_its_button_and_not_reached(pets: Any) -> None:
    toggle = pets.locator(".class-shown").first
    name, layer = toggle.inner_text().strip(), pets.locator(".field g").first
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    assert not layer.is_visible()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        pets.locator(".field").first.press(key)
        assert f"labelled {name}," not in pets.locator(".said").first.inner_text()
    toggle.click()
    assert layer.is_visible()


def test_pointing_at_the_map_shows_the_image_there(pets: Any) -> None:
    field = pets.locator(".field").first
    field.scroll_into_view_if_needed()
    place = field.evaluate(
        """one => {
          const data = JSON.parse(document.getElementById(one.parentNode.dataset.points).textContent);
          const box = one.querySelector("svg").getBoundingClientRect(), scale = box.width / 1000;
          return {x: box.left + data.x[0] * scale, y: box.top + data.y[0] * scale, path: data.path[0]};
        }"""
    )
    pets.mouse.move(place["x"], place["y"])
    card = pets.locator(".card").first
    assert card.locator("svg.picture use").count() == 1
    assert card.locator("strong").inner_text() == place["path"].split("/")[-1]
