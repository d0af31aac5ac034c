"""Wrong labels are found by heads that have not seen them, and tiny data sets are taken as they are."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.heads.rows import Rows
from pipeline.inspection import suspects
from pipeline.inspection.suspects import OutOfFoldHeads, choose_recipe, judge_labels
from tests.heads.examples import blobs, rows_of


def with_wrong_labels(rows: Rows, wrong: list[int]) -> Rows:
    labels = rows.labels.copy()
    labels[wrong] = (labels[wrong] + 1) % rows.classes
    return replace(rows, labels=labels)


@pytest.fixture(params=["logistic", "lda"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The heads of few images and classes, and those of many."""
    if request.param == "lda":
        monkeypatch.setattr(suspects, "choose_recipe", lambda *size: suspects.LDA)
    return str(request.param)


def test_changed_labels_have_the_lowest_quality_and_their_own_class_is_suggested() -> None:
    rows, wrong = blobs([60, 60, 60]), [3, 50, 117, 160]
    verdicts = judge_labels(with_wrong_labels(rows, wrong))
    assert set(np.argsort(verdicts.quality)[:4]) == set(wrong)
    assert verdicts.suggested[wrong].tolist() == rows.labels[wrong].tolist()
    assert set(np.flatnonzero(verdicts.suspect)) <= set(wrong)
    assert verdicts.suspect.sum() >= 3
    assert verdicts.judged.all()


def test_right_labels_are_not_suspect() -> None:
    rows = blobs([60, 60])
    verdicts = judge_labels(rows)
    assert not verdicts.suspect.any()
    assert (verdicts.suggested == rows.labels).all()
    assert verdicts.quality.min() > 0.5


def test_near_duplicates_with_the_same_wrong_label_do_not_vouch_for_one_another() -> None:
    rows = blobs([40, 40])
    wrong = [5, 6, 7, 8]
    features = rows.features.copy()
    features[wrong] = features[5]
    labels = rows.labels.copy()
    labels[wrong] = 1 - labels[5]
    groups = np.arange(80)
    groups[wrong] = 5
    verdicts = judge_labels(rows_of(features, labels, 2, groups))
    assert set(np.argsort(verdicts.quality)[:4]) == set(wrong)


def test_the_heads_are_of_the_kind_that_was_chosen(kind: str) -> None:
    heads = OutOfFoldHeads.fit(blobs([20, 20])).heads.values()
    assert {head.kind for head in heads} == {kind}


@pytest.mark.parametrize(
    ("images", "classes", "width", "chosen"),
    [
        (2_000, 2, 1280, "logistic"), (50_000, 2, 1280, "logistic"), (50_001, 2, 1280, "lda"),
        (500, 10, 1280, "logistic"), (500, 11, 1280, "lda"), (500, 11, 4097, "logistic"),
    ],
)  # fmt: skip
def test_many_images_or_classes_are_judged_by_heads_that_take_no_steps(
    images: int, classes: int, width: int, chosen: str
) -> None:
    assert choose_recipe(images, classes, width).kind == chosen


def test_no_head_has_seen_an_image_that_it_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = blobs([20, 20])
    fitted, fit = [], suspects.fit_head
    monkeypatch.setattr(suspects, "fit_head", lambda *one: fitted.append(one[0]) or fit(*one))
    heads = OutOfFoldHeads.fit(rows)
    probabilities = heads.probabilities(rows, np.arange(len(rows)))
    assert (heads.folds >= 0).all()
    assert sum(len(rows) - len(some) for some in fitted) == len(rows)
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("cells", [1, 4 * 70, 4 * 130])
def test_verdicts_do_not_depend_on_how_many_classes_are_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    chance = np.random.default_rng(0)
    rows = blobs([60, 5, 60, 1], noise=1.5)
    rows = with_wrong_labels(rows, chance.choice(len(rows), 20, replace=False).tolist())
    whole = judge_labels(rows)
    assert whole.suspect.sum() > 5
    monkeypatch.setattr(suspects, "CELLS", cells)
    parts = judge_labels(rows)
    assert parts.suspect.tolist() == whole.suspect.tolist()
    assert parts.suggested.tolist() == whole.suggested.tolist()
    assert parts.judged.tolist() == whole.judged.tolist()
    assert np.allclose(parts.quality, whole.quality, rtol=1e-12)


@pytest.mark.parametrize(
    ("images", "expected"),
    [(1, [[1, 2, 4, 5], [0, 3]]), (3, [[1, 2, 4, 5], [0, 3]]), (6, [[0, 1, 2, 3, 4, 5]])],
)
def test_a_batch_holds_two_whole_classes_or_more(
    monkeypatch: pytest.MonkeyPatch, images: int, expected: list[list[int]]
) -> None:
    rows = rows_of(np.ones((6, 1), np.float32), np.array([2, 0, 1, 4, 0, 0]), 5)
    monkeypatch.setattr(suspects, "CELLS", 5 * images)
    assert [batch.tolist() for batch in suspects._batches_of_classes(rows)] == expected


def test_of_many_images_each_class_has_its_share_in_what_a_head_is_fitted_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, wrong = blobs([200, 100]), [3, 50, 117, 160]
    fitted, fit = [], suspects.fit_head
    monkeypatch.setattr(suspects, "fit_head", lambda *one: fitted.append(one[0]) or fit(*one))
    monkeypatch.setattr(suspects, "MOST_FITTED", 60)
    verdicts = judge_labels(with_wrong_labels(rows, wrong))
    assert [len(some) for some in fitted] == [60] * 5
    assert all(abs(np.bincount(some.labels)[0] - 40) <= 3 for some in fitted)
    assert set(np.argsort(verdicts.quality)[:4]) == set(wrong)
    assert verdicts.judged.all()


@pytest.mark.parametrize("groups", [[0, 1], [0, 1, 2], [0, 0, 1, 1]])
def test_a_label_that_no_other_image_can_vouch_for_is_taken_for_right(groups: list[int]) -> None:
    labels = np.array([0, 1, 1, 1][: len(groups)]) if len(groups) < 4 else np.array([0, 0, 1, 1])
    verdicts = judge_labels(rows_of(np.eye(len(groups), 3, dtype=np.float32), labels, 2, groups))
    alone = ~verdicts.judged
    assert alone.any()
    assert (verdicts.quality[alone] == 1).all()
    assert (verdicts.suggested[alone] == labels[alone]).all()
    assert not verdicts.suspect[alone].any()


def test_features_that_are_all_the_same_make_no_label_better_than_another() -> None:
    rows = rows_of(np.ones((40, 4), np.float32), np.arange(40) % 2, 2)
    verdicts = judge_labels(rows)
    assert np.isfinite(verdicts.quality).all()
    assert np.allclose(verdicts.quality, 0.5, atol=0.2)
