"""Fully connected networks, trained by gradient descent, several of one shape at once.

Networks that differ in how they are regularized and how fast they learn, but not in shape and
batches, share each batch: the first layer of all of them is one matrix product.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import HeadError
from pipeline.heads.cores import count_cores
from pipeline.heads.kind import Fit, KindSettings, Shapes, Watch, softmax
from pipeline.heads.optimizers import MOMENTS, PIECE, Optimizer, Schedule, decay, make_step
from pipeline.heads.rows import Float, Rows, Scaler, Tensors
from pipeline.parallel import map_ordered

ClassWeight = Literal["balanced"] | None

# The settings in which networks that are trained together may differ.
MAY_DIFFER = frozenset({"l1", "l2", "learning_rate", "dropout"})

Gradient = Callable[[slice], Float]  # makes a piece of it, along the first axis

# Each use of random numbers has a stream of its own: more of one leaves the others as they were.
INITIAL, ORDER, DROPOUT = 0, 1, 2
LARGEST_WEIGHT = 1e15  # beyond it training has diverged, and float32 would soon hold it no more


class TrainingSettings(KindSettings):
    """How a network is trained by gradient descent."""

    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(ge=0)
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
    with ThreadPoolExecutor(count_cores()) as pool:
        for epoch, (tensors,) in enumerate(train_networks(rows, scaler, [settings], seed, pool), 1):
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


def network_scores(tensors: Tensors, hidden: Sequence[int], x: Float) -> Float:
    """Return what the last layer gives, float64 `(b, k)`, before softmax."""
    *inner, last = _layer_names(len(hidden))
    for name in inner:
        x = np.maximum(x @ tensors[f"{name}/kernel"] + tensors[f"{name}/bias"], 0)
    scores: Float = x @ tensors[f"{last}/kernel"] + tensors[f"{last}/bias"]
    return scores


def train_networks(
    rows: Rows,
    scaler: Scaler,
    settings: Sequence[TrainingSettings],
    seed: int,
    pool: Executor | None = None,
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
        pool: Threads that share the work of each step; it is cut alike without them.

    Yields:
        After each epoch the tensors of each network: views, which the next epoch changes.

    Raises:
        HeadError: A weight is beyond all bounds.
    """
    first = settings[0]
    networks = _Networks(rows.width, rows.classes, settings, seed, pool)
    orders = np.random.default_rng([seed, ORDER])
    weights = class_weights(rows, balanced=first.class_weight is not None)
    for epoch in range(first.epochs):
        order = orders.permutation(len(rows))
        parts = [order[at : at + first.batch_size] for at in range(0, len(rows), first.batch_size)]

        def read(part: NDArray[np.int64]) -> Float:
            return scaler.apply(rows.features[part])

        ready = map_ordered(pool, read, parts, ahead=2) if pool else map(read, parts)
        for number, (part, x) in enumerate(zip(parts, ready, strict=True), epoch * len(parts)):
            factor = decay(first.schedule, number / (len(parts) * first.epochs))
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
        self,
        width: int,
        classes: int,
        settings: Sequence[TrainingSettings],
        seed: int,
        pool: Executor | None = None,
    ) -> None:
        first, heads = settings[0], len(settings)
        rng = np.random.default_rng([seed, INITIAL])
        self.kernels, self.biases = [], []
        for layer, (fan_in, fan_out) in enumerate(pairwise([width, *first.hidden, classes])):
            limit = np.sqrt(6 / (fan_in + fan_out))
            kernel = rng.uniform(-limit, limit, (fan_in, fan_out))
            axis = 1 if layer == 0 else 0
            self.kernels.append(np.repeat(np.expand_dims(kernel, axis), heads, axis))
            self.biases.append(np.zeros((heads, 1, fan_out)))
        self._heads, self._layers = heads, len(self.kernels)
        self._dropout_rng = np.random.default_rng([seed, DROPOUT])
        self._step = make_step(first.optimizer, first.momentum, first.nesterov)
        self._steps = 0

        def of_each(values: Sequence[float]) -> Float:
            return np.array(values, np.float64)[:, None, None]

        self._rate = of_each([one.learning_rate for one in settings])
        self._l1 = of_each([one.l1 for one in settings])
        self._l2 = of_each([one.l2 for one in settings])
        self._dropout = of_each([one.dropout_rate for one in settings])
        self._moments = {
            id(w): [np.zeros_like(w) for _ in range(MOMENTS[first.optimizer])]
            for w in [*self.kernels, *self.biases]
        }
        self._pool, self._cores = pool, count_cores()

    @np.errstate(over="ignore", invalid="ignore")  # the weights tell, at the end of the epoch
    def learn(self, x: Float, labels: NDArray[np.int64], weights: Float, factor: float) -> None:
        """Take one step on a batch `(b, d)`, the learning rates multiplied by a factor."""
        outputs, masks = self._forward(x)
        slope = softmax(outputs[-1])
        slope[:, np.arange(len(labels)), labels] -= 1
        slope *= (weights / len(labels))[:, None]
        self._steps += 1
        for layer in reversed(range(self._layers)):
            bias_gradient = slope.sum(axis=1, keepdims=True)
            kernel, bias = self.kernels[layer], self.biases[layer]
            if layer == 0:
                gradient = _products(x, slope)
            else:
                gradient = (outputs[layer - 1].swapaxes(1, 2) @ slope).__getitem__
                slope = slope @ kernel.swapaxes(1, 2)
                slope *= masks[layer - 1]
            self._move(kernel, gradient, factor, is_kernel=True)
            self._move(bias, bias_gradient.__getitem__, factor, is_kernel=False)

    def _forward(self, x: Float) -> tuple[list[Float], list[Float]]:
        """Return each layer's outputs `(h, b, u)`, and for hidden ones the slope of each output."""
        outputs: list[Float] = []
        masks: list[Float] = []
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if layer == 0:
                together = x @ kernel.reshape(len(kernel), -1)
                values = together.reshape(len(x), self._heads, -1).swapaxes(0, 1)
            else:
                values = outputs[-1] @ kernel
            values += bias
            if layer < self._layers - 1:
                mask = (values > 0).astype(np.float64)
                if self._dropout.any():
                    drawn = self._dropout_rng.random(values.shape[1:])
                    mask *= (drawn >= self._dropout) / (1 - self._dropout)
                values *= mask
                masks.append(mask)
            outputs.append(values)
        return outputs, masks

    def _move(self, w: Float, gradient: Gradient, factor: float, *, is_kernel: bool) -> None:
        """Let the optimizer move one array, piece by piece along its first axis, on all cores.

        A piece of the gradient is made just before it is used, so that it is still in the cache.
        """
        step = max(1, PIECE // w[0].size)
        pieces = [slice(start, start + step) for start in range(0, len(w), step)]
        first = w is self.kernels[0]

        @np.errstate(over="ignore", invalid="ignore")  # the weights tell, at the end of the epoch
        def move(piece: slice) -> None:
            # the heads are the second axis of the first kernel, else the first
            heads = (slice(None), slice(None), 0) if first else (piece,)
            some, g = w[piece], gradient(piece)
            scratch = np.empty(some.shape)
            if is_kernel and self._l2.any():
                np.multiply(some, 2 * self._l2[heads], out=scratch)
                g += scratch
            if is_kernel and self._l1.any():
                np.sign(some, out=scratch)
                scratch *= self._l1[heads]
                g += scratch
            moments = [moment[piece] for moment in self._moments[id(w)]]
            self._step(some, g, moments, scratch, self._rate[heads] * factor, self._steps)

        def move_all(some: list[slice]) -> None:
            for piece in some:
                move(piece)

        parts = [part for core in range(self._cores) if (part := pieces[core :: self._cores])]
        if self._pool and len(parts) > 1:
            list(self._pool.map(move_all, parts))
        else:
            move_all(pieces)

    def are_bounded(self) -> bool:
        """Is every weight a number, and none beyond reason?"""
        every = [*self.kernels, *self.biases]
        return all(bool((np.abs(w) < LARGEST_WEIGHT).all()) for w in every)

    def tensors(self) -> list[Tensors]:
        """Return views of each network's weights, by name."""
        names = _layer_names(self._layers - 1)
        found: list[Tensors] = []
        for head in range(self._heads):
            tensors: dict[str, Any] = {}
            for layer, name in enumerate(names):
                kernel = self.kernels[layer]
                tensors[f"{name}/kernel"] = kernel[:, head] if layer == 0 else kernel[head]
                tensors[f"{name}/bias"] = self.biases[layer][head, 0]
            found.append(tensors)
        return found


def _products(x: Float, slope: Float) -> Gradient:
    """Return what makes pieces `(p, h, u)` of the first kernel's gradient, of slopes `(h, b, u)`."""
    together = np.ascontiguousarray(slope.swapaxes(0, 1))
    flat = together.reshape(len(x), -1)

    def piece_of(piece: slice) -> Float:
        gradient: Float = (x.T[piece] @ flat).reshape(-1, *together.shape[1:])
        return gradient

    return piece_of


def _layer_names(hidden: int) -> list[str]:
    return [*(f"hidden_{number}" for number in range(1, hidden + 1)), "classes"]
