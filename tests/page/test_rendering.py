"""The page's small decisions, one by one."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline.page import rendering
from pipeline.page.rendering import _flat, _lowest_of_scale, _settings, make_environment
from tests.project import make_params


@pytest.mark.parametrize(
    ("bounds", "lowest"),
    [([0.96, 0.99], 0.9), ([0.83], 0.8), ([0.8], 0.8), ([1.0], 0.9), ([0.0], 0.0)],
)
def test_the_scale_begins_at_the_tenth_below_the_lowest_bound(
    bounds: list[float], lowest: float
) -> None:
    assert _lowest_of_scale(bounds) == pytest.approx(lowest)


def test_settings_are_flat_and_written_as_yaml() -> None:
    tree = {"head": {"units": 8, "l2": 1e-4}, "datasets": {"own": {"archive": None}}, "flip": False}
    assert list(_flat(tree)) == [
        ("head.units", "8"), ("head.l2", "0.0001"), ("datasets.own.archive", "null"), ("flip", "false"),
    ]  # fmt: skip


def test_what_no_stage_reads_is_no_setting_of_the_results() -> None:
    params = make_params(
        {"synsets": {"cat": ["n02123045"]}, "features.store": "/mnt/team/features"}
    )
    keys = [setting.key for setting in _settings(params)]
    assert "head.kind" in keys
    assert [key for key in keys if key.startswith(("features", "synsets"))] == []


def test_settings_show_no_query_of_a_url() -> None:
    tree = {"archive": "https://me:hush@example.org/x.zip?download=hush"}
    assert list(_flat(tree)) == [("archive", "https://example.org/x.zip")]


def test_templates_are_compiled_once_and_anew_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)
    (tmp_path / "a").write_text("{{ 1 }}")
    assert make_environment().get_template("a").render() == "1"
    (kept,) = (tmp_path / "__pycache__").iterdir()
    before = kept.stat().st_mtime_ns
    assert make_environment().get_template("a").render() == "1"
    assert kept.stat().st_mtime_ns == before
    (tmp_path / "a").write_text("{{ 2 }}")
    assert make_environment().get_template("a").render() == "2"


def test_templates_need_no_place_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)
    monkeypatch.setattr(rendering.os, "access", lambda path, mode: False)
    (tmp_path / "a").write_text("{{ 1 }}")
    assert make_environment().get_template("a").render() == "1"
    shutil.rmtree(tmp_path / "__pycache__")
    (tmp_path / "__pycache__").write_text("in the way")
    assert make_environment().get_template("a").render() == "1"


@pytest.mark.parametrize(("n", "figures"), [(3, 6), (0, 0)])
def test_a_class_without_images_has_no_figures(n: int, figures: int) -> None:
    names = ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision")
    row = {"class": "cat", "n": n} | dict.fromkeys(names, 0.5)
    text = '{% from "macros.html.j2" import class_row with context %}{{ class_row(row) }}'
    html = make_environment().from_string(text).render(row=row)
    assert (html.count("0.500"), html.count(">\u2013<")) == (figures, 6 - figures)


def test_of_many_heads_the_best_are_told_first() -> None:
    def head(backbone: str, accuracy: float) -> dict[str, object]:
        metrics = {"val": {"accuracy": accuracy}}
        return {"backbone": backbone, "kind": "mlp", "story": "right", "metrics": metrics}

    heads = [head("a", 0.7), head("b", 0.9), head("c", 0.7), head("d", 0.95)]
    datasets = [{"name": "pets", "heads": heads, "is_drawn": False}]
    shown = make_environment().get_template("short.html.j2").render(datasets=datasets)
    assert re.findall(r"#pets/(\w)", shown) == ["d", "b", "a", "c"]
    assert shown.index("1 more") < shown.index("#pets/c")
