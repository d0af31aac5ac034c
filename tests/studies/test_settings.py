from pathlib import Path

import pytest
import yaml

from pipeline import paths
from pipeline.errors import ParamsError
from pipeline.studies.settings import load_studies, parse_studies

ROOT = Path(__file__).parents[2]


def test_the_project_comes_with_settings_of_every_study() -> None:
    assert load_studies(ROOT / paths.STUDIES)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (None, "expected the sections scratch.*found NoneType"),
        ({"scrath": {}}, r"scrath: unknown key\. Known here: scratch"),
        ({"scratch": {"epochs": 0}}, r"scratch\.epochs: input should be greater .*\(found 0\)"),
        ({"scratch": {"epoch": 1}}, r"scratch\.epoch: unknown key\. .*Did you mean 'epochs'\?"),
        ({"augmentation": {"copies": [0]}}, r"augmentation\.copies\.0: .*\(found 0\)"),
        (
            {"frontier": {"candidates": {"a": {"layers": None}}}},
            r"frontier\.candidates\.a\.layers: unknown key\. .*Did you mean 'layer'\?",
        ),
        (
            {"augmentation": {"copies": [2, 1, 2]}},
            r"augmentation\.copies: .*each value once, found \[2, 1, 2\]",
        ),
        ({"finetune": {"blocks": ["all", "all"]}}, r"finetune\.blocks: .*each value once"),
        ({"frontier": {"candidates": {"a b": {}}}}, r"frontier\.candidates\.a b"),
    ],
)
def test_every_fault_is_named_by_its_key(tree: object, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        parse_studies(tree)


def test_the_curve_takes_only_blocks_whose_maps_fine_tuning_has() -> None:
    tree = yaml.safe_load((ROOT / paths.STUDIES).read_text(encoding="utf-8"))
    tree["learning_curve"]["blocks"] = 3
    with pytest.raises(ParamsError, match=r"learning_curve\.blocks is 3, expected one of finetune"):
        parse_studies(tree)
