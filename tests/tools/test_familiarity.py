"""What is like the training images is told from what is not; near-duplicates vouch for nobody."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.heads.rows import Rows
from pipeline.tools.familiarity import FALSE_ALARMS, NEAREST, Familiarity
from tests.sample_features import rows_of

SEED = 7


def cosine_to_the_fifth(x: np.ndarray, known: np.ndarray) -> float:
    x, known = x.astype(np.float64), known.astype(np.float64)
    cosines = known @ x / np.linalg.norm(known, axis=1) / np.linalg.norm(x)
    return float(np.sort(cosines)[-NEAREST])


def test_the_similarity_is_the_cosine_to_the_fifth_nearest_original() -> None:
    rows, asked = rows_of(20), rows_of(30).features[-7:]
    found = Familiarity.learn(rows, SEED).similarities(asked)
    originals = rows.features[rows.original]
    assert found == pytest.approx([cosine_to_the_fifth(one, originals) for one in asked])


def test_blocks_of_known_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, asked = rows_of(40, copies=0), rows_of(50).features[-9:]
    whole = Familiarity.learn(rows, SEED)
    monkeypatch.setattr("pipeline.heads.rows.BLOCK_VALUES", 7 * rows.width)
    cut = Familiarity.learn(rows, SEED)
    assert cut.bound == pytest.approx(whole.bound)
    assert cut.similarities(asked) == pytest.approx(whole.similarities(asked))


def test_of_many_images_some_are_known_and_of_wide_features_fewer_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, asked = rows_of(100, copies=0), rows_of(120).features[-30:]
    whole = Familiarity.learn(rows, SEED)
    monkeypatch.setattr("pipeline.tools.familiarity.KNOWN", 40)
    some = Familiarity.learn(rows, SEED)
    assert len(some.rows) == 40
    assert (some.similarities(asked) <= whole.similarities(asked) + 1e-12).all()
    monkeypatch.setattr("pipeline.tools.familiarity.ASKED_NUMBERS", 20 * rows.width)
    assert Familiarity.learn(rows, SEED).bound != some.bound


def test_few_of_the_same_kind_are_called_unlike_and_all_of_another() -> None:
    rows = rows_of(600, copies=0, width=12)
    known, new = rows.take(np.arange(len(rows)) < 800), rows.take(np.arange(len(rows)) >= 800)
    familiarity = Familiarity.learn(known, SEED)
    alarms = (familiarity.similarities(new.features) < familiarity.bound).mean()
    assert alarms <= 4 * FALSE_ALARMS
    other = -np.abs(new.features)
    assert (familiarity.similarities(other) < familiarity.bound).mean() > 0.95


def test_copies_and_near_duplicates_do_not_make_an_image_look_familiar() -> None:
    rows = rows_of(100, copies=2)
    alone = Familiarity.learn(rows.originals(), SEED)
    assert Familiarity.learn(rows, SEED).bound == alone.bound
    doubled = rows.join(rows)  # each image four times, all in its group
    sixfold = doubled.join(doubled).join(doubled)
    assert Familiarity.learn(sixfold, SEED).bound >= alone.bound
    same_group = replace(rows, groups=np.full(len(rows), rows.groups[0]))
    assert Familiarity.learn(same_group, SEED).bound == -1, "nobody is left to be compared with"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_known_images_will_do(count: int) -> None:
    rows = rows_of(3)
    few: Rows = rows.take(np.arange(len(rows)) < count)
    found = Familiarity.learn(few, SEED).similarities(rows.features)
    assert np.isfinite(found).all()
    assert (np.abs(found) <= 1 + 1e-9).all()


def test_maps_are_taken_as_they_are_trained_on() -> None:
    rows = rows_of(20, width=8)
    familiarity = Familiarity.learn(rows, SEED)
    maps = rows.features.reshape(-1, 2, 2, 2)
    assert (familiarity.similarities(maps) == familiarity.similarities(rows.features)).all()
