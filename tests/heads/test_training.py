"""Fitting a head: what is decided, on which images, and that any odd data gives a head or a message."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.heads import training
from pipeline.heads.folds import assign_holdout
from pipeline.heads.head import Head
from pipeline.heads.rows import Rows, round_weights
from pipeline.heads.training import Outcome, fit_again, fit_head, measure
from tests.heads.examples import KINDS, blobs, own, recipe, rows_of

NOISY = blobs([60, 50, 40], noise=1.5)


def same(one: Head, other: Head) -> bool:
    return one.temperature == other.temperature and all(
        np.array_equal(one.tensors[name], other.tensors[name])
        for name in one.tensors.keys() | other.tensors.keys()
    )


def accuracy(head: Head, rows: Rows) -> float:
    found = head.probabilities(rows.features)
    assert found.shape == (len(rows), rows.classes)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    return float((found.argmax(axis=1) == rows.labels).mean())


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_learns_classes_that_lie_apart(kind: str, classes: int, scaling: str) -> None:
    outcome = fit_head(blobs([25] * classes, copies=1), recipe(kind, scaling=scaling))
    assert accuracy(outcome.head, blobs([20] * classes, seed=1)) > 0.95


def few(kind: str) -> Rows:
    """Return rows that most data sets are unlike, by name."""
    chance = np.random.default_rng(0)
    if kind == "one class 100 times the other":
        return blobs([400, 4])
    if kind == "two images a class":
        return blobs([2, 2, 2])
    if kind == "one image a class":
        return blobs([1, 1])
    if kind == "one original a class, with copies":
        return blobs([1, 1, 1], copies=4)
    if kind == "width 1":
        return rows_of(
            np.repeat([-1.0, 1.0], 20)[:, None].astype(np.float16), np.repeat([0, 1], 20)
        )
    if kind == "300 classes":
        corners = chance.normal(0, 1, (300, 40))
        labels = np.repeat(np.arange(300), 3)
        return rows_of(
            (corners[labels] + chance.normal(0, 0.1, (900, 40))).astype(np.float16), labels
        )
    if kind == "constant features":
        rows = blobs([20, 20])
        constant = np.full((40, 3), [0.0, 0.1, 7.0], np.float16)
        return rows_of(np.concatenate([rows.features, constant], axis=1), rows.labels)
    if kind == "a feature of 10,000":
        rows = blobs([20, 20])
        large = (10_000 + chance.normal(0, 8, (40, 1))).astype(np.float16)
        return rows_of(np.concatenate([rows.features, large], axis=1), rows.labels)
    if kind == "features all the same":
        return rows_of(np.ones((20, 3), np.float16), np.arange(20) % 2)
    if kind == "all zeros":
        return rows_of(np.zeros((20, 3), np.float16), np.arange(20) % 2)
    if kind == "the largest and smallest float16":
        values = np.where(np.arange(20) % 2, 65504.0, 6e-8)[:, None]
        return rows_of(np.repeat(values, 3, axis=1).astype(np.float16), np.arange(20) % 2)
    if kind == "float32 beyond float16":
        values = np.where(np.arange(20) % 2, 1e8, -1e8)[:, None]
        return rows_of(np.repeat(values, 3, axis=1).astype(np.float32), np.arange(20) % 2)
    if kind == "every feature twice":
        rows = blobs([20, 20])
        return rows_of(np.repeat(rows.features, 2, axis=1), rows.labels)
    if kind == "a class without rows":
        rows = blobs([20, 20])
        return rows_of(rows.features, rows.labels * 2, 4)
    if kind == "all images near-duplicates of one another":
        rows = blobs([20, 20])
        return rows_of(rows.features, rows.labels, groups=[0] * 40)
    raise KeyError(kind)


ODD = (
    "one class 100 times the other", "two images a class", "one image a class",
    "one original a class, with copies", "width 1", "300 classes", "constant features",
    "a feature of 10,000", "features all the same", "all zeros", "the largest and smallest float16",
    "float32 beyond float16", "every feature twice", "a class without rows",
    "all images near-duplicates of one another",
)  # fmt: skip
# What a kind cannot tell apart: a cosine sees no length, two images held out stop a network at once.
BLIND = {
    ("knn", "the largest and smallest float16"),
    ("knn", "a feature of 10,000"),
    ("linear", "two images a class"),
    ("mlp", "two images a class"),
}
UNSCALED = ("a feature of 10,000", "the largest and smallest float16", "float32 beyond float16")
NOTHING_TO_LEARN = ("features all the same", "all zeros")


@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_data_gives_a_sane_head_or_a_message(kind: str, odd: str, scaling: str) -> None:
    rows, many = few(odd), odd == "300 classes"
    changes: dict[str, Any] = {
        "knn": {"k": 1},
        "linear": {"patience": 8, "restarts": 2, "class_weight": "balanced"},
        "mlp": {"patience": 8, "restarts": 2, "units": [32], "l2": 1e-4},
        "logistic": {"c": None},
    }.get(kind, {})
    if many:
        changes = {"mlp": {"units": [32]}, "knn": {"k": 1}}.get(kind, {})
    asked = recipe(kind, scaling=scaling, calibrate=not many, **changes)
    head = fit_head(rows, asked).head
    found = accuracy(head, rows)
    for values in head.saved_tensors().values():
        assert np.isfinite(values).all()
    if odd not in NOTHING_TO_LEARN and (kind, odd) not in BLIND:
        assert found > 0.9 or (odd in UNSCALED and scaling == "none")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_head_and_another_seed_another_network(kind: str) -> None:
    one, again, other = (fit_head(NOISY, recipe(kind, seed=seed)).head for seed in (7, 7, 8))
    assert same(one, again)
    if kind in ("linear", "mlp"):
        assert not same(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_temperature_are_rounded_as_they_are_saved(kind: str) -> None:
    head = fit_head(NOISY, recipe(kind, scaling="standard", calibrate=True)).head
    for values in [*head.tensors.values(), head.scaler.factor]:
        assert (round_weights(values) == values).all()
    assert head.temperature == float(f"{head.temperature:.4g}") != 1
    back = Head.from_saved(
        kind, head.settings, "standard", 6, head.saved_tensors(), head.temperature
    )
    assert (back.probabilities(NOISY.features) == head.probabilities(NOISY.features)).all()


# --- what images held out decide ---

STOPPING: dict[str, Any] = {"patience": 5, "epochs": 200, "units": [64], "learning_rate": 0.05}


@pytest.fixture(scope="module")
def stopped() -> Outcome:
    return fit_head(NOISY, recipe("mlp", **STOPPING))


def test_training_stops_patience_epochs_after_the_best(stopped: Outcome) -> None:
    losses = [loss for loss, _ in stopped.holdout]
    best = 1 + losses.index(min(losses))
    assert stopped.chosen == {"epochs": best}
    assert len(losses) == best + 5 < 200


def test_the_head_is_fitted_anew_to_all_rows_for_the_best_number_of_epochs(
    stopped: Outcome,
) -> None:
    epochs = int(stopped.chosen["epochs"])
    # The schedule is constant, so that many epochs of 200 are the same as all of so many.
    plain = fit_head(NOISY, recipe("mlp", **{**STOPPING, "patience": 0, "epochs": epochs}))
    assert same(stopped.head, plain.head)
    assert plain.chosen == {}


def test_the_curve_is_of_the_images_held_out_by_a_head_that_has_not_seen_them(
    stopped: Outcome,
) -> None:
    held_out = assign_holdout(NOISY, 0.25, 7)
    curve = []
    settings = {**STOPPING, "patience": 0, "epochs": 4}  # the last is rounded
    fit_head(
        NOISY.take(~held_out),
        recipe("mlp", **settings),
        lambda epoch, head: curve.append(measure(head, NOISY.take(held_out))),
    )
    np.testing.assert_allclose(curve[:3], stopped.holdout[:3], atol=1e-6)


def test_copies_of_images_held_out_are_neither_learnt_nor_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = blobs([20, 20], noise=1.5, copies=2)
    asked = []
    real = training.measure

    def measuring(head: Head, some: Rows) -> tuple[float, float]:
        asked.append(some)
        return real(head, some)

    monkeypatch.setattr(training, "measure", measuring)
    fit_head(rows, recipe("linear", patience=3))
    held_out = assign_holdout(rows, 0.25, 7)
    assert all(some.original.all() for some in asked)
    assert set(asked[0].groups) == set(rows.groups[held_out])


def test_restarts_pick_the_seed_with_the_lowest_loss() -> None:
    asked = recipe("mlp", restarts=4, epochs=5)
    outcome = fit_head(NOISY, asked)
    assert [name for name, _, _ in outcome.trials] == ["seed"] * 4
    assert [seed for _, seed, _ in outcome.trials] == [7, 8, 9, 10]
    best = min(outcome.trials, key=lambda trial: trial[2])
    assert outcome.chosen == {"seed": best[1]}
    assert best[1] != 7  # or nothing was shown
    assert outcome.holdout[-1][0] == best[2]
    assert len({loss for _, _, loss in outcome.trials}) == 4
    alone = fit_head(NOISY, recipe("mlp", epochs=5, seed=int(best[1]))).head
    assert same(outcome.head, alone)


def test_restarts_and_patience_choose_together() -> None:
    outcome = fit_head(NOISY, recipe("mlp", **STOPPING, restarts=2))
    assert set(outcome.chosen) == {"seed", "epochs"}
    assert min(loss for loss, _ in outcome.holdout) == min(loss for _, _, loss in outcome.trials)


def test_where_nothing_can_be_held_out_all_epochs_are_run() -> None:
    outcome = fit_head(blobs([1, 1]), recipe("linear", patience=2, restarts=3, epochs=9))
    assert (outcome.chosen, outcome.trials, outcome.holdout) == ({}, (), ())


def test_look_sees_each_epoch_once_and_a_kind_without_epochs_once() -> None:
    for kind, expected in (("mlp", list(range(1, 5))), ("lda", [1]), ("knn", [1])):
        seen: list[int] = []
        changes = {"epochs": 4} if kind == "mlp" else {}
        fit_head(NOISY, recipe(kind, **changes), lambda epoch, head, seen=seen: seen.append(epoch))
        assert seen == expected


def test_looking_changes_nothing() -> None:
    asked = recipe("mlp", epochs=4, dropout=0.5)
    looked = fit_head(NOISY, asked, lambda epoch, head: measure(head, NOISY) and None)
    assert same(looked.head, fit_head(NOISY, asked).head)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_again_takes_what_was_decided(kind: str) -> None:
    changes: dict[str, Any] = {"logistic": {"c": None}, "mlp": {**STOPPING, "restarts": 2}}.get(
        kind, {}
    )
    asked = recipe(kind, calibrate=True, scaling="standard", **changes)
    outcome = fit_head(NOISY, asked)
    assert same(fit_again(NOISY, asked, outcome), outcome.head)
    more = fit_again(NOISY.join(blobs([30] * 3, noise=1.5, seed=1)), asked, outcome)
    assert not same(more, outcome.head)
    assert more.temperature == outcome.head.temperature
    assert more.settings == outcome.head.settings


# --- temperature ---


def test_scipy_finds_the_same_temperature() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    chance = np.random.default_rng(0)
    for spread, sharp in ((1.0, 1.0), (20.0, 0.1), (0.01, 100.0), (5.0, 3.0)):
        scores = chance.normal(0, spread, (300, 4))
        noise = chance.gumbel(size=scores.shape) / sharp
        labels = (scores + noise).argmax(axis=1)

        def loss(log: float, scores: Any = scores, labels: Any = labels) -> float:
            scaled = scores * np.exp(-log)
            scaled -= scaled.max(axis=1, keepdims=True)
            rows = np.arange(len(labels))
            return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels]).mean())

        best = optimize.minimize_scalar(
            loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}
        )
        found = 1 / training._fit_factor(scores, labels)
        assert found == pytest.approx(np.exp(best.x), rel=1e-4)


@pytest.mark.parametrize("separable", [True, False])
def test_a_temperature_stays_within_bounds_where_there_is_no_best(separable: bool) -> None:
    scores = np.eye(2)[[0, 1] * 5] * 3
    labels = np.array([0, 1] * 5) if separable else np.array([1, 0] * 5)
    assert 1e-3 <= training._fit_factor(scores, labels) <= 1e3
    assert 1e-3 <= training._fit_factor(np.zeros((10, 2)), labels) <= 1e3


def test_a_head_too_sure_of_itself_is_made_less_so() -> None:
    rows, others = blobs([60, 60], noise=2.5), blobs([200, 200], noise=2.5, seed=1)
    wild = {"units": [64], "epochs": 150}
    plain = fit_head(rows, recipe("mlp", **wild))
    calm = fit_head(rows, recipe("mlp", calibrate=True, **wild))
    assert calm.chosen["temperature"] == calm.head.temperature > 1.2
    assert measure(calm.head, others)[0] < measure(plain.head, others)[0]
    assert measure(calm.head, others)[1] == measure(plain.head, others)[1]


@pytest.mark.parametrize("kind", KINDS)
def test_only_kinds_that_need_it_have_a_temperature_unasked(kind: str) -> None:
    assert ("temperature" in fit_head(NOISY, recipe(kind)).chosen) == (kind in ("lda", "centroid"))


def test_many_rows_are_calibrated_on_one_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    several = fit_head(NOISY, recipe("lda")).head.temperature
    monkeypatch.setattr(training, "MANY_ROWS", 10)
    one = fit_head(NOISY, recipe("lda")).head.temperature
    assert one != several
    assert one == pytest.approx(several, rel=0.6)


def test_where_nothing_can_be_held_out_the_temperature_is_1() -> None:
    assert fit_head(blobs([1, 1]), recipe("centroid")).head.temperature == 1


# --- measure ---


def test_measure_of_rows_in_blocks_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    head = fit_head(NOISY, recipe("logistic")).head
    at_once = measure(head, NOISY)
    monkeypatch.setattr("pipeline.heads.rows.BLOCK_VALUES", 7 * NOISY.width)
    assert measure(head, NOISY) == pytest.approx(at_once, rel=1e-12)


def test_measure_is_log_loss_and_accuracy_by_hand() -> None:
    head = fit_head(NOISY, recipe("logistic")).head
    p = head.probabilities(NOISY.features)[np.arange(len(NOISY)), NOISY.labels]
    loss, share = measure(head, NOISY)
    assert loss == pytest.approx(-np.log(p).mean())
    assert share == accuracy(head, NOISY)
    assert 0.5 < share < 1


def test_copies_are_not_measured() -> None:
    head = fit_head(NOISY, recipe("logistic")).head
    rows = blobs([9, 9, 9], noise=1.5, copies=2)
    as_copies = replace(rows, original=~rows.original)
    assert measure(head, rows) == measure(head, rows.originals())
    assert measure(head, rows) != measure(head, as_copies)


def test_one_sure_mistake_costs_16_nats_not_infinity() -> None:
    head = fit_head(blobs([9, 9], noise=0.01), recipe("logistic", c=1e4)).head
    rows = blobs([9, 9], noise=0.01)
    far = rows_of(rows.features * np.float16(1000), 1 - rows.labels)
    assert measure(head, far)[0] == pytest.approx(-np.log(1e-7))


def test_losses_that_decide_have_six_digits(stopped: Outcome) -> None:
    assert all(loss == round(loss, 6) for loss, _ in stopped.holdout)


def test_a_schedule_reaches_its_end_only_at_the_last_epoch() -> None:
    """Half of a cosine of 20 epochs is no cosine of 10: the rate does not depend on when one stops."""
    heads = []
    for epochs in (10, 20):
        seen: list[Head] = []
        fit_head(NOISY, recipe("linear", schedule="cosine", epochs=epochs),
                 lambda epoch, head, seen=seen: seen.append(head.rounded()))  # fmt: skip
        heads.append(seen)
    assert not same(heads[0][9], heads[1][9])
    last = [
        np.abs(b.tensors["classes/kernel"] - a.tensors["classes/kernel"]).max()
        for a, b in pairwise(heads[1])
    ]
    assert last[-1] < last[0] / 20


def test_settings_are_those_of_the_kind() -> None:
    outcome = fit_head(NOISY, recipe("mlp"))
    assert outcome.head.settings == own("mlp")
