"""Stage report_head with heat maps and without: what the page shows, and what is loaded for it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths
from pipeline.params import Params
from pipeline.stages import report, report_head
from tests.dag import light_stages, stage_calls
from tests.fakes import use_maps_of_colours
from tests.project import BACKBONE, draw_folders, make_project

ROOT = Path(__file__).parents[2]
HEAVY = ("tensorflow", "keras", "openvino", "torch", "jax", "cv2")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project whose stages ran on images of noise, of which a head gets many wrong; without heat maps."""
    folder = tmp_path_factory.mktemp("seen")
    with pytest.MonkeyPatch.context() as patch:
        params = make_project(folder, patch, {"head.kind": "lda"})
        draw_folders(Path("pets"), {"cat": 20, "dog": 20, "eel": 20})
        with light_stages(), pytest.MonkeyPatch.context() as inner:
            use_maps_of_colours(inner)
            for _, call in stage_calls(params, params):
                call()
            yield params


def page_of(params: Params, *, heat_maps: bool) -> str:
    """Write the head's part and the page, and return the page."""
    asked = params.report.model_copy(update={"heat_maps": heat_maps})
    params = params.model_copy(update={"report": asked})
    report_head.run("pets", BACKBONE, params)
    report.run(params)
    return paths.REPORT.read_text(encoding="utf-8")


def test_the_page_has_two_maps_of_each_wrong_answer_and_all_their_pictures(project: Params) -> None:
    html = page_of(project, heat_maps=True)
    part = json.loads(paths.head_part("pets", BACKBONE).read_text())
    images, maps = part["gallery"]["images"], part["gallery"]["heat_maps"]
    wrong = {one for one, image in images.items()
             if image["split"] == "val" and image["predicted"] != image["label"]}  # fmt: skip
    assert 0 < len(maps["of"]) == maps["wrong"] <= 40
    assert set(maps["of"]) <= wrong
    for sha256, (said, true) in maps["of"].items():
        assert (said["name"], true["name"]) == (
            images[sha256]["predicted"],
            images[sha256]["label"],
        )
        for one in (said, true):
            assert f'<image id="p-{one["picture"]}"' in html
            assert f'href="#p-{one["picture"]}"' in html
            assert f"what speaks for {one['name']} lies mostly {one['strongest']}" in html
    assert "Below each wrong answer, a heat map shows" in html
    assert "<code>report.heat_maps</code></th><td><code>true</code>" in html


def test_a_second_run_writes_the_same_bytes(project: Params) -> None:
    first = page_of(project, heat_maps=True), paths.head_part("pets", BACKBONE).read_bytes()
    assert (
        page_of(project, heat_maps=True),
        paths.head_part("pets", BACKBONE).read_bytes(),
    ) == first


def test_a_page_without_them_says_nothing_of_them(project: Params) -> None:
    page_of(project, heat_maps=True)
    html = page_of(project, heat_maps=False)
    assert "heat map" not in html
    assert "heat_maps" not in html
    assert 'class="seen"' not in html
    assert ".seen" not in html
    assert "heat_maps" not in paths.head_part("pets", BACKBONE).read_text()


def test_a_page_of_a_head_without_maps_says_so_in_a_sentence(
    project: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled = project.backbones[BACKBONE].model_copy(update={"pooling": "max"})
    html = page_of(project.model_copy(update={"backbones": {BACKBONE: pooled}}), heat_maps=True)
    assert "There are no heat maps: pooling max keeps of each channel" in html
    assert 'class="seen"' not in html


def test_without_them_the_stage_loads_no_networks_library(project: Params) -> None:
    code = f"""
import sys
from pipeline.params import load_params
from pipeline.stages import report_head
report_head.run("pets", "{BACKBONE}", load_params())
print(*sorted(set({HEAVY}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.stdout == "\n"
