"""Cross-validation: groups stay together, copies are never asked, and the same seed gives the same."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.errors import HeadError, ParamsError
from pipeline.heads.folds import assign_folds, assign_holdout, draw_share
from pipeline.heads.training import Recipe
from pipeline.selection.crossvalidation import OUTER, crossvalidate
from pipeline.tools.crossvalidate import compare_kinds, format_table
from tests.project import make_params
from tests.sample_features import rows_of


def recipe(**changes: object) -> Recipe:
    return Recipe.of(make_params({f"head.{key}": value for key, value in changes.items()}).head)


def test_every_original_is_asked_once_in_each_repeat() -> None:
    rows = rows_of(30)
    records = list(crossvalidate(rows, [recipe(kind="centroid")], folds=4, repeats=3, seed=7))
    asked = Counter[int]()
    for record in records:
        asked[record.repeat] += record.asked
    assert asked == dict.fromkeys(range(3), 60)
    assert {record.fold for record in records} == set(range(4))


def test_a_head_is_not_fitted_to_what_it_is_asked() -> None:
    """The label of each group is drawn, so only who has seen a group knows it."""
    rows = rows_of(60, width=8)
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(60, 8)), 4, axis=0).astype(np.float16)
    labels = np.repeat(rng.integers(0, 2, 60), 4)
    known = replace(rows, features=features, labels=labels)
    records = crossvalidate(known, [recipe(kind="knn", k=1)], folds=5, repeats=2, seed=7)
    assert np.mean([record.accuracy for record in records]) < 0.7


def test_images_that_no_round_asks_about_are_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = rows_of(20, copies=0)
    list(crossvalidate(rows, [recipe(kind="centroid")], folds=2, repeats=3, seed=7))
    assert caplog.text == ""
    rare = rows.groups == rows.groups[0]
    labels = np.where(rare, 2, rows.labels)
    list(
        crossvalidate(
            replace(rows, labels=labels, classes=3), [recipe(kind="centroid")], 2, repeats=3, seed=7
        )
    )
    asked = f"in 3 of 3 rounds of folds up to {rare.sum()} of {len(rows)} images are never asked"
    assert asked in caplog.text


def test_a_smaller_share_has_fewer_images_and_each_class() -> None:
    rows = rows_of(40, copies=0)
    shares = [draw_share(rows, fraction) for fraction in (0.0, 0.01, 0.2, 0.7, 1.0)]
    assert [int(one.sum()) for one in shares] == sorted(int(one.sum()) for one in shares)
    assert all((one <= other).all() for one, other in pairwise(shares))
    assert len(np.unique(rows.groups[shares[0]])) == 2
    assert set(rows.labels[shares[0]]) == {0, 1}
    assert shares[-1].all()


def test_the_same_seed_gives_the_same_and_another_deals_anew() -> None:
    rows = rows_of(20)
    first, again, other = (
        list(crossvalidate(rows, [recipe(epochs=2)], folds=3, repeats=1, seed=seed))
        for seed in (7, 7, 8)
    )
    assert first == again
    assert [one.asked for one in first] != [one.asked for one in other]


def test_images_held_out_inside_a_fit_do_not_depend_on_the_folds_around_it() -> None:
    rows = rows_of(400, copies=0)
    for fold in range(5):
        kept = rows.take(assign_folds(rows, 5, 7, OUTER) != fold)
        share = assign_holdout(kept, 0.1, seed=7).mean()
        assert 0.05 < share < 0.15


def test_a_share_grows_with_its_fraction_and_keeps_groups_and_classes_whole() -> None:
    rows = rows_of(100, classes=4)
    fifth, half = draw_share(rows, 0.2), draw_share(rows, 0.5)
    assert not (fifth & ~half).any()
    assert 0.1 < fifth.mean() < 0.3
    assert draw_share(rows, 1.0).all()
    assert not set(rows.groups[fifth]) & set(rows.groups[~fifth])
    assert set(rows.labels[draw_share(rows, 0.0)]) == set(range(4))


def test_kinds_are_compared_in_one_table() -> None:
    found = compare_kinds(rows_of(20), make_params().head, ["lda", "centroid"], folds=2, repeats=2)
    assert {kind: len(records) for kind, records in found.items()} == {"lda": 4, "centroid": 4}
    table = format_table(found).splitlines()
    assert [line.split()[1] for line in table] == ["kind", "--------", "lda", "centroid"]
    assert "|     40 |   1.0000 |" in table[2]
    columns = {tuple(at for at, sign in enumerate(line) if sign == "|") for line in table}
    assert len(columns) == 1, "aligned"


def test_an_unknown_kind_and_too_few_images_are_said() -> None:
    settings = make_params().head
    with pytest.raises(ParamsError, match=r"'centrid'.*Did you mean 'centroid'"):
        compare_kinds(rows_of(4), settings, ["centrid"])
    with pytest.raises(HeadError, match="of 8 images none can be held out"):
        compare_kinds(rows_of(2), settings, ["centroid"], folds=2, repeats=1)


def test_settings_that_a_kind_does_not_go_with_are_refused() -> None:
    settings = make_params({"head.kind": "knn", "head.patience": 2, "head.holdout": 0.0}).head
    with pytest.raises(ParamsError, match=r"(?s)kind linear: .*holdout"):
        compare_kinds(rows_of(20), settings, ["knn", "linear"], folds=2, repeats=1)
