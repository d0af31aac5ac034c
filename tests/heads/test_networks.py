"""Networks in NumPy: Keras trains the same ones, and several at once learn what each learns alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.errors import HeadError
from pipeline.heads.kind import softmax
from pipeline.heads.networks import (
    ORDER,
    TrainingSettings,
    _Networks,
    class_weights,
    fit_network,
    network_shapes,
    network_steps,
    train_networks,
)
from pipeline.heads.rows import Rows, Scaler, Tensors, round_weights
from pipeline.heads.steps import apply_steps
from tests.heads.examples import blobs, fit_alone, own, rows_of

SEED = 7
ROWS = blobs([50, 30, 10], width=5, noise=1.0)
NONE = Scaler.fit("none", ROWS.features)


def log_losses(tensors: Tensors, hidden: tuple[int, ...], rows: Rows) -> Any:
    p = softmax(apply_steps(network_steps(tensors, hidden), rows.features.astype(np.float64)))
    return -np.log(p[np.arange(len(rows)), rows.labels])


@pytest.fixture
def keras() -> Iterator[Any]:
    """Keras, computing in float64."""
    found = pytest.importorskip("keras", reason="Keras says what is right, and is not installed")
    floatx, policy = found.config.floatx(), found.config.dtype_policy()
    found.config.set_floatx("float64")
    found.config.set_dtype_policy("float64")
    yield found
    found.config.set_floatx(floatx)
    found.config.set_dtype_policy(policy)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "l1": 1e-3},
        {"optimizer": "rmsprop", "l2": 0.0},
        {"optimizer": "adam", "schedule": "cosine", "units": [8, 5], "class_weight": "balanced"},
        {"optimizer": "adam", "kind": "linear"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_keras_trains_the_same_network(keras: Any, changes: dict[str, Any]) -> None:
    shared = {"l2": 1e-2, "epochs": 20, "batch_size": 16, "learning_rate": 0.01}
    kind = changes.get("kind", "mlp")
    settings = own(kind, **shared | {k: v for k, v in changes.items() if k != "kind"})
    assert isinstance(settings, TrainingSettings)
    model = keras_network(keras, settings)
    orders = np.random.default_rng([SEED, ORDER])
    weights = class_weights(ROWS, balanced=settings.class_weight is not None)
    features = ROWS.features.astype(np.float64)
    losses = []
    for (tensors,) in train_networks(ROWS, NONE, [settings], SEED):
        order = orders.permutation(len(ROWS))
        model.fit(
            features[order], ROWS.labels[order], sample_weight=weights[order], shuffle=False,
            batch_size=settings.batch_size, epochs=1, verbose=0,
        )  # fmt: skip
        scores = np.asarray(model(features))
        expected = -np.log(softmax(scores)[np.arange(len(ROWS)), ROWS.labels]).mean()
        losses.append(log_losses(tensors, settings.hidden, ROWS).mean())
        assert losses[-1] == pytest.approx(expected, abs=1e-5)
    assert len(losses) == 20
    assert losses[-1] < 0.9 * losses[0]
    for found, expected in zip(tensors.values(), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def keras_network(keras: Any, settings: TrainingSettings) -> Any:
    """Return a Keras model in float64, of the same first weights, ready to be fitted."""
    penalty = keras.regularizers.L1L2(settings.l1, settings.l2)
    sizes = [*settings.hidden, ROWS.classes]
    layers = [
        keras.layers.Dense(size, "relu" if place < len(sizes) - 1 else None,
                           kernel_regularizer=penalty)
        for place, size in enumerate(sizes)
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((ROWS.width,)), *layers])
    (first,) = _Networks(ROWS.width, ROWS.classes, [settings], SEED).tensors()
    model.set_weights(list(first.values()))
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        steps = settings.epochs * -(-len(ROWS) // settings.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, settings.momentum, settings.nesterov),
    }[settings.optimizer]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    return model


@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_several_trained_at_once_learn_what_each_learns_alone(kind: str, optimizer: str) -> None:
    mlp = {"units": [9, 7]} if kind == "mlp" else {}
    dropouts = [{"dropout": rate} for rate in (0.0, 0.5, 0.3)] if kind == "mlp" else [{}] * 3
    differing = [{"learning_rate": 1e-3}, {"l2": 0.1}, {"l1": 0.01, "learning_rate": 0.05}]
    several = [
        own(kind, optimizer=optimizer, epochs=3, batch_size=7, **mlp, **one, **dropout)
        for one, dropout in zip(differing, dropouts, strict=True)
    ]
    for together in train_networks(ROWS, NONE, several, SEED):
        last = [{name: values.copy() for name, values in one.items()} for one in together]
    for settings, found in zip(several, last, strict=True):
        alone = fit_network(ROWS, NONE, settings, SEED, lambda epoch, tensors: False).tensors
        if dropouts[0] and not settings.dropout_rate:  # type: ignore[attr-defined]
            np.testing.assert_allclose(found["classes/kernel"], alone["classes/kernel"], atol=1e-9)
        for name, values in alone.items():
            assert (round_weights(found[name]) == round_weights(values)).all(), name


def test_first_weights_are_glorots_and_biases_0() -> None:
    (tensors,) = _Networks(300, 3, [own("mlp", units=[100])], SEED).tensors()
    kernel = tensors["hidden_1/kernel"]
    limit = np.sqrt(6 / 400)
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not tensors["hidden_1/bias"].any()
    assert {n: v.shape for n, v in tensors.items()} == network_shapes((100,), 300, 3)


def test_a_step_goes_down_the_numerical_gradient_of_loss_and_penalties() -> None:
    settings = own("mlp", units=[4, 3], optimizer="sgd", momentum=0.0, batch_size=90, epochs=1,
                   learning_rate=1e-3, l2=0.02, l1=0.01)  # fmt: skip
    networks = _Networks(5, 3, [settings], SEED)
    networks.biases[0].w += 0.3
    networks.biases[1].w += 0.2  # so that no unit is at its kink
    (start,) = [{n: v.copy() for n, v in one.items()} for one in networks.tensors()]
    weights = class_weights(ROWS, balanced=True)
    networks.learn(ROWS.features.astype(np.float64), ROWS.labels, weights, 1.0)

    def loss(tensors: Tensors) -> float:
        kernels = [v for n, v in tensors.items() if n.endswith("kernel")]
        pull = sum(0.02 * (v**2).sum() + 0.01 * np.abs(v).sum() for v in kernels)
        return float((weights * log_losses(tensors, (4, 3), ROWS)).mean() + pull)

    (end,) = networks.tensors()
    for name, values in start.items():
        for place in np.ndindex(values.shape):
            up, down = ({n: v.copy() for n, v in start.items()} for _ in range(2))
            up[name][place] += 1e-6
            down[name][place] -= 1e-6
            slope = (loss(up) - loss(down)) / 2e-6
            assert (values - end[name])[place] / 1e-3 == pytest.approx(slope, abs=1e-6), name


def test_a_dropped_unit_is_left_out_and_the_others_count_more() -> None:
    settings = own("mlp", units=[4000], dropout=0.25)
    networks = _Networks(5, 3, [settings], SEED)
    networks.biases[0].w += 100  # all units are on
    outputs, masks = networks._forward(ROWS.features.astype(np.float64)[:4])
    assert set(np.unique(masks[0])) == {0, 1 / 0.75}
    assert (masks[0] == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert ((outputs[0] == 0) == (masks[0] == 0)).all()
    assert (masks[0][0, 0] != masks[0][0, 1]).any()


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_chance_has_streams_of_its_own(kind: str) -> None:
    """Dropout changes neither the first weights nor the order; another seed changes all."""
    first = _Networks(5, 3, [own("mlp", dropout=0.5)], SEED).tensors()[0]
    assert (
        first["hidden_1/kernel"]
        == _Networks(5, 3, [own("mlp")], SEED).tensors()[0]["hidden_1/kernel"]
    ).all()
    one, other = (next(iter(train_networks(ROWS, NONE, [own(kind)], s)))[0] for s in (7, 8))
    assert (one["classes/kernel"] != other["classes/kernel"]).all()


def test_balanced_classes_count_alike() -> None:
    weights = class_weights(ROWS, balanced=True)
    totals = np.bincount(ROWS.labels, weights)
    np.testing.assert_allclose(totals, 30)
    assert (class_weights(ROWS, balanced=False) == 1).all()


def test_a_class_without_rows_takes_no_weight() -> None:
    rows = rows_of(np.ones((3, 1), np.float16), np.array([0, 0, 2]), 4)
    np.testing.assert_allclose(class_weights(rows, balanced=True), [0.75, 0.75, 1.5])


@pytest.mark.parametrize("rate", [1e4, 1e30, 1e300])
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_divergence_is_told_and_names_the_key(kind: str, rate: float) -> None:
    with pytest.raises(HeadError, match=r"training diverged: .* Lower head\.learning_rate, 1"):
        fit_alone(kind, ROWS, optimizer="sgd", learning_rate=rate, l2=1.0, epochs=100)


def test_watch_ends_training_and_sees_each_epoch_once() -> None:
    seen = []

    def watch(epoch: int, tensors: Tensors) -> bool:
        seen.append((epoch, tensors["classes/bias"].copy()))
        return epoch == 4

    fit = fit_network(ROWS, NONE, own("linear"), SEED, watch)
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    assert (fit.tensors["classes/bias"] == seen[-1][1]).all()
    assert (seen[0][1] != seen[1][1]).any()


def test_large_matrices_move_piece_by_piece_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_alone("mlp", ROWS, units=[40, 30], dropout=0.5, l2=0.01, l1=0.01).tensors
    monkeypatch.setattr("pipeline.heads.optimizers.PIECE", 64)
    pieces = fit_alone("mlp", ROWS, units=[40, 30], dropout=0.5, l2=0.01, l1=0.01).tensors
    for name, values in whole.items():
        assert np.allclose(values, pieces[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("l2", "classes", "expected"),
    [(None, 2, 1.3e-2), (None, 5, 1.3e-2), (None, 100, 6.5e-4), (1e-3, 100, 1e-3), (0.0, 2, 0.0)],
)
def test_of_many_classes_each_is_held_less_unless_it_is_said_how_much(
    l2: float | None, classes: int, expected: float
) -> None:
    assert own("linear", l2=l2).penalty(classes) == pytest.approx(expected, rel=1e-12)


def test_the_penalty_is_that_of_the_number_of_classes() -> None:
    rows = blobs([6] * 10)
    given, unsaid = (fit_alone("linear", rows, l2=l2).tensors for l2 in (6.5e-3, None))
    assert all((given[name] == unsaid[name]).all() for name in given)
