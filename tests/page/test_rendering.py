"""The page's small decisions, one by one."""

import pytest

from pipeline.page.rendering import _flat, _lowest_of_scale, _percent, _settings
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
    keys = [setting.key for setting in _settings(make_params({"synsets": {"cat": ["n02123045"]}}))]
    assert "head.kind" in keys
    assert [key for key in keys if "synsets" in key] == []


def test_settings_show_no_query_of_a_url() -> None:
    tree = {"archive": "https://me:hush@example.org/x.zip?download=hush"}
    assert list(_flat(tree)) == [("archive", "https://example.org/x.zip")]


def test_a_share_is_a_percentage_with_a_narrow_space() -> None:
    assert _percent(0.9876) == "98.8\u202f%"
    assert _percent(0.9876, 0) == "99\u202f%"
