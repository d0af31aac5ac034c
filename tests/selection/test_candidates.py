"""sweep.yaml: its faults come in one message, and a head is tried once."""

from typing import Any

import pytest

from pipeline.errors import ParamsError
from pipeline.heads.training import Recipe
from pipeline.params import HeadParams
from pipeline.selection.candidates import FIXED, make_recipes, parse_sweep, settings_of
from tests.project import make_params

BASE: HeadParams = make_params({"head.patience": 5, "head.calibrate": True}).head


def recipes(settings: dict[str, list[Any]], **others: Any) -> tuple[Recipe, ...]:
    tree = {"method": "grid", "settings": settings, **others}
    return make_recipes(parse_sweep(tree, BASE), BASE)


def test_a_grid_is_every_combination_in_order() -> None:
    found = recipes({"kind": ["mlp"], "units": [4, [8, 4]], "l2": [0, 0.1]})
    assert [(settings_of(one)["units"], settings_of(one)["l2"]) for one in found] == [
        (4, 0.0), (4, 0.1), ([8, 4], 0.0), ([8, 4], 0.1),
    ]  # fmt: skip


def test_what_a_kind_does_not_know_makes_no_other_head() -> None:
    found = recipes({"kind": ["mlp", "linear", "lda"], "units": [4, 8], "l2": [0.0, 0.1]})
    assert [one.kind for one in found] == ["mlp"] * 4 + ["linear"] * 2 + ["lda"]


def test_random_draws_different_heads_the_same_ones_for_a_seed() -> None:
    settings = {"kind": ["mlp", "centroid"], "units": list(range(1, 30)), "l2": [0.0, 0.1]}
    first, again, other = (
        recipes(settings, method="random", trials=20, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert set(first) != set(other)
    assert len(set(first)) == 20
    assert len(recipes({"l2": [0.0, 0.1]}, method="random", trials=20)) == 2


def test_no_head_of_a_sweep_stops_early_or_begins_anew() -> None:
    (one,) = recipes({"l2": [0.1]})
    assert not one.calibrate
    assert {key: getattr(one.own, key) for key in ("patience", "restarts")} == {
        key: FIXED[key] for key in ("patience", "restarts")
    }


def test_all_faults_come_in_one_message() -> None:
    tree = {
        "method": "random",
        "fold": 3,
        "settings": {
            "unit": [3], "units": [0, [3, 0]], "l2": ["a"], "patience": [3], "kind": ["mpl"], "dropout": [],
        },
    }  # fmt: skip
    with pytest.raises(ParamsError) as caught:
        parse_sweep(tree, BASE)
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 faults:"
    for number, said in enumerate(
        (
            "fold: unknown key. Known here: method, trials, folds, seed, settings. Did you mean 'folds'?",
            "settings.unit: no key of head.",
            "settings.units.0: input should be a whole number from 1 to 65536, or a list",
            "settings.units.1: ",
            "settings.l2.0: input should be a valid number (found 'a')",
            "settings.patience: not to be tried",
            "settings.kind.0: input should be 'centroid', 'knn'",
            "settings.dropout: no values",
        ),
        1,
    ):
        assert lines[number].strip().startswith(said)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (None, "no settings: expected a mapping with the keys method, .*; found nothing"),
        ([], "no settings: .*; found list"),
        ({"settings": {"l2": [0.0]}}, "method: missing"),
        ({"method": "grid", "settings": {}}, "settings: "),
        (
            {"method": "grid", "settings": {"l2": 0.0}},
            r"settings\.l2: input should be a valid list",
        ),
        ({"method": "grid", "trials": 3, "settings": {"l2": [0.0]}}, "trials: .*'grid' has none"),
        ({"method": "random", "settings": {"l2": [0.0]}}, "trials: .*needs the key trials"),
        ({"method": "grid", "settings": {1: [0.0]}}, "quotation marks"),
        (
            {
                "method": "grid",
                "settings": {key: [*range(1, 60)] for key in ("k", "epochs", "units")},
            },
            "205,379 combinations, 100,000 at most",
        ),
    ],
)
def test_a_fault_is_said_in_words(tree: object, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        parse_sweep(tree, BASE)
