"""Fully connected networks, trained by gradient descent, several of one shape at once.

Networks that differ in how they are regularized and how fast they learn, but not in shape and
batches, share each batch: the first layer of all of them is one matrix product.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import HeadError
from pipeline.heads.kind import Fit, KindSettings, Shapes, Watch, softmax
from pipeline.heads.optimizers import Gradient, Optimizer, Parameter, Schedule, decay, make_rule
from pipeline.heads.rows import Float, Rows, Scaler, Tensors
from pipeline.heads.steps import Affine, Relu, Step

ClassWeight = Literal["balanced"] | None

# The settings in which networks that are trained together may differ.
MAY_DIFFER = frozenset({"l1", "l2", "learning_rate", "dropout"})

L2, L2_CLASSES = 1.3e-2, 5  # the weight of the kernels' squares, of so many classes at most

# Each use of random numbers has a stream of its own: more of one leaves the others as they were.
INITIAL, ORDER, DROPOUT = 0, 1, 2
LARGEST_WEIGHT = 1e15  # beyond it training has diverged, and float32 would soon hold it no more


class TrainingSettings(KindSettings):
    """How a network is trained by gradient descent; `l2` None: `L2`, and of many classes less."""

    l1: float = Field(default=0.0, ge=0)
    l2: float | None = Field(default=None, ge=0)
    optimizer: Optimizer
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    learning_rate: float = Field(gt=0)
    schedule: Schedule = "constant"
    batch_size: int = Field(ge=1, le=65536)
    epochs: int = Field(ge=1, le=10000)
    patience: int = Field(ge=0)
    restarts: int = Field(default=1, ge=1, le=100)
    class_weight: ClassWeight = None

    def penalty(self, classes: int) -> float:
        """Return the weight of the kernels' squares.

        The more classes there are, the smaller the share of each in the loss, and so what holds its weights
        is to be.
        """
        return L2 * min(1.0, L2_CLASSES / classes) if self.l2 is None else self.l2

    @property
    def needs_holdout(self) -> bool:
        """Is it decided when to stop, or which seed is best?"""
        return self.patience > 0 or self.restarts > 1

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return ()

    @property
    def dropout_rate(self) -> float:
        """Share of hidden units that a step leaves out."""
        return 0.0


def fit_network(
    rows: Rows, scaler: Scaler, settings: TrainingSettings, seed: int, watch: Watch
) -> Fit:
    """Train one network for all its epochs, or until `watch` has seen enough."""
    tensors: Tensors = {}
    for epoch, (tensors,) in enumerate(train_networks(rows, scaler, [settings], seed), 1):
        if watch(epoch, tensors):
            break
    return Fit(tensors=tensors)


def network_shapes(hidden: Sequence[int], width: int, classes: int) -> Shapes:
    """Return the shapes of a network's tensors by name."""
    sizes = [width, *hidden, classes]
    shapes: Shapes = {}
    for name, (fan_in, fan_out) in zip(_layer_names(len(hidden)), pairwise(sizes), strict=True):
        shapes |= {f"{name}/kernel": (fan_in, fan_out), f"{name}/bias": (fan_out,)}
    return shapes


def network_steps(tensors: Tensors, hidden: Sequence[int]) -> list[Step]:
    """Return the layers of a network, the last one's units before softmax."""
    *inner, last = [
        Affine(kernel=tensors[f"{name}/kernel"], bias=tensors[f"{name}/bias"])
        for name in _layer_names(len(hidden))
    ]
    return [*(step for layer in inner for step in (layer, Relu())), last]


def train_networks(
    rows: Rows,
    scaler: Scaler,
    settings: Sequence[TrainingSettings],
    seed: int,
) -> Iterator[list[Tensors]]:
    """Train networks of one shape on the same batches.

    The loss is cross-entropy, weighted by class where asked for, plus `l1` times the sum of
    the kernels' sizes and `l2` times that of their squares. Kernels begin as Glorot and Bengio
    2010 have them, biases at 0.

    Args:
        rows: What they learn.
        scaler: Applied to each batch.
        settings: Of each; the same but for MAY_DIFFER.
        seed: Of first weights, order and dropout.

    Yields:
        After each epoch the tensors of each network: views, which the next epoch changes.

    Raises:
        HeadError: A weight is beyond all bounds.
    """
    first = settings[0]
    networks = _Networks(rows.width, rows.classes, settings, seed)
    orders = np.random.default_rng([seed, ORDER])
    weights = class_weights(rows, balanced=first.class_weight is not None)
    batch = np.empty((min(first.batch_size, len(rows)), rows.width))
    for epoch in range(first.epochs):
        order = orders.permutation(len(rows))
        parts = [order[at : at + first.batch_size] for at in range(0, len(rows), first.batch_size)]

        for number, part in enumerate(parts, epoch * len(parts)):
            factor = decay(first.schedule, number / (len(parts) * first.epochs))
            x = scaler.apply(rows.features[part], out=batch[: len(part)])
            networks.learn(x, rows.labels[part], weights[part], factor)
        if not networks.are_bounded():
            raise HeadError(
                f"training diverged: a weight is beyond {LARGEST_WEIGHT:g} after epoch {epoch + 1}. "
                f"Lower head.learning_rate, {first.learning_rate:g} now (params.yaml)"
            )
        yield networks.tensors()


def class_weights(rows: Rows, *, balanced: bool) -> Float:
    """Return how much each row counts, float64 `(n,)`: 1, or such that all classes count alike."""
    if not balanced:
        return np.ones(len(rows))
    counts = np.bincount(rows.labels, minlength=rows.classes)
    weights: Float = (len(rows) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[rows.labels]
    return weights


class _Networks:
    """The weights of `h` networks and how they learn.

    The first kernel is `(d, h, u)`, so that it is one matrix `(d, h * u)`; the others are
    `(h, u, v)`, biases `(h, 1, u)`.
    """

    def __init__(
        self, width: int, classes: int, settings: Sequence[TrainingSettings], seed: int
    ) -> None:
        first, self._heads = settings[0], len(settings)

        def of_each(values: Iterable[float]) -> Float:
            of_all = np.array(list(values), np.float64)[:, None, None]
            return of_all[:1] if (of_all == of_all[0]).all() else of_all  # faster as one number

        rule = make_rule(first.optimizer, first.momentum, first.nesterov)
        rate = of_each(one.learning_rate for one in settings)
        l1 = of_each(one.l1 for one in settings)
        l2 = of_each(one.penalty(classes) for one in settings)
        rng = np.random.default_rng([seed, INITIAL])
        self.kernels: list[Parameter] = []
        self.biases: list[Parameter] = []
        for layer, (fan_in, fan_out) in enumerate(pairwise([width, *first.hidden, classes])):
            limit = np.sqrt(6 / (fan_in + fan_out))
            kernel = rng.uniform(-limit, limit, (fan_in, fan_out))
            axis = 1 if layer == 0 else 0
            every = np.repeat(np.expand_dims(kernel, axis), self._heads, axis)
            own = (np.swapaxes(values, 0, axis) for values in (rate, l1, l2))
            self.kernels.append(Parameter(every, rule, *own))
            self.biases.append(Parameter(np.zeros((self._heads, 1, fan_out)), rule, rate))
        self._dropout = of_each(one.dropout_rate for one in settings)
        self._dropout_rng = np.random.default_rng([seed, DROPOUT])
        self._steps = 0

    @np.errstate(over="ignore", invalid="ignore")  # the weights tell, at the end of the epoch
    def learn(self, x: Float, labels: NDArray[np.int64], weights: Float, factor: float) -> None:
        """Take one step on a batch `(b, d)`, the learning rates multiplied by a factor."""
        outputs, masks = self._forward(x)
        slope = softmax(outputs[-1])
        slope[:, np.arange(len(labels)), labels] -= 1
        slope *= (weights / len(labels))[:, None]
        self._steps += 1
        for layer in reversed(range(len(self.kernels))):
            kernel, bias = self.kernels[layer], self.biases[layer]
            bias.move(_pieces_of(slope.sum(axis=1, keepdims=True)), factor, self._steps)
            if layer == 0:
                kernel.move(_products(x, slope), factor, self._steps)
            else:
                gradient = outputs[layer - 1].swapaxes(1, 2) @ slope
                slope = slope @ kernel.w.swapaxes(1, 2)
                slope *= masks[layer - 1]
                kernel.move(_pieces_of(gradient), factor, self._steps)

    def _forward(self, x: Float) -> tuple[list[Float], list[Float]]:
        """Return each layer's outputs `(h, b, u)`, and for hidden ones the slope of each output."""
        outputs: list[Float] = []
        masks: list[Float] = []
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if layer == 0:
                together = x @ kernel.w.reshape(len(kernel.w), -1)
                values = together.reshape(len(x), self._heads, -1).swapaxes(0, 1)
            else:
                values = outputs[-1] @ kernel.w
            values += bias.w
            if layer < len(self.kernels) - 1:
                on = values > 0
                if self._dropout.any():
                    on &= self._dropout_rng.random(values.shape[1:]) >= self._dropout
                mask = on.astype(np.float64)
                mask *= 1 / (1 - self._dropout)
                values *= mask
                masks.append(mask)
            outputs.append(values)
        return outputs, masks

    def are_bounded(self) -> bool:
        """Is every weight a number, and none beyond reason?"""
        every = [*self.kernels, *self.biases]
        return all(bool((np.abs(one.w) < LARGEST_WEIGHT).all()) for one in every)

    def tensors(self) -> list[Tensors]:
        """Return views of each network's weights, by name."""
        names = _layer_names(len(self.kernels) - 1)
        found: list[Tensors] = []
        for head in range(self._heads):
            tensors: dict[str, Any] = {}
            for layer, name in enumerate(names):
                kernel = self.kernels[layer].w
                tensors[f"{name}/kernel"] = kernel[:, head] if layer == 0 else kernel[head]
                tensors[f"{name}/bias"] = self.biases[layer].w[head, 0]
            found.append(tensors)
        return found


def _products(x: Float, slope: Float) -> Gradient:
    """Return what makes pieces `(p, h, u)` of the first kernel's gradient, of slopes `(h, b, u)`."""
    flat = np.ascontiguousarray(slope.swapaxes(0, 1)).reshape(len(x), -1)
    return lambda piece, out: np.matmul(x.T[piece], flat, out=out.reshape(len(out), -1))


def _pieces_of(gradient: Float) -> Gradient:
    return lambda piece, out: np.copyto(out, gradient[piece])


def _layer_names(hidden: int) -> list[str]:
    return [*(f"hidden_{number}" for number in range(1, hidden + 1)), "classes"]
