"""How a study trains a network of Keras, and asks it: the same steps each time, on a CPU too."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.predictions import log_losses
from pipeline.studies.images import Images
from pipeline.studies.results import Result

if TYPE_CHECKING:
    import keras

ASKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """What a network learns from, row for row.

    Attributes:
        inputs: What it takes, `(n, ...)`: pixels, maps or features; an array or a file.
        labels: int64 `(n,)`.
        classes: How many there are, `k`.
        first: int64 `(m,)`, the row of each original that counts; its copies follow it.
        variants: int64 `(m,)`, as how many rows it is there, itself and its copies.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    classes: int
    first: NDArray[np.int64]
    variants: NDArray[np.int64]

    @classmethod
    def of(cls, images: Images, inputs: NDArray[Any]) -> Self:
        """Let all images count; `inputs` are theirs, row for row."""
        first = images.originals
        variants = np.diff(first, append=len(images))
        return cls(
            inputs=inputs,
            labels=images.labels,
            classes=images.classes,
            first=first,
            variants=variants,
        )

    def take(self, originals: NDArray[np.int64]) -> "Examples":
        """Let some originals count, of those that do now, with their copies; nothing is moved."""
        return replace(self, first=self.first[originals], variants=self.variants[originals])

    @property
    def images_a_class(self) -> float:
        """Mean number of originals that a class has."""
        return len(self.first) / self.classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long a network is trained.

    Attributes:
        epochs: Passes over the originals.
        least_steps: So many steps at least, by more passes, where there are few images.
        batch_size: Images a step.
        seed: Of their order.
    """

    epochs: int
    least_steps: int
    batch_size: int
    seed: int

    def steps(self, originals: int) -> int:
        """Return how many steps are taken."""
        a_pass = -(-originals // self.batch_size)
        return a_pass * max(self.epochs, -(-self.least_steps // a_pass))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Weights that learn at one rate.

    Attributes:
        variables: Of the network.
        rate: Of Adam at the first step; it falls to 0 by a cosine.
    """

    variables: Sequence["keras.Variable"]
    rate: float


def train_network(
    network: "keras.Model",
    parts: Sequence[Part],
    examples: Examples,
    course: Course,
    *,
    training: bool = True,
) -> None:
    """Train a network in place, by cross-entropy.

    An epoch has each original once: as itself in the first, as its first copy in the second,
    and so on.

    Args:
        network: From inputs to scores float32 `(b, k)`.
        parts: What learns; all else stays, if not in training.
        examples: From what.
        course: How long.
        training: Does it run as Keras trains, with dropout and the statistics of each batch? Else
            it runs as when it is asked.
    """
    import keras
    import tensorflow as tf

    steps = course.steps(len(examples.first))
    optimizers = []
    for part in parts:
        rate = keras.optimizers.schedules.CosineDecay(part.rate, steps)
        optimizer = keras.optimizers.Adam(rate)
        optimizer.build(list(part.variables))
        optimizers.append(optimizer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(inputs: Any, labels: Any) -> None:
        values = [[variable.value for variable in part.variables] for part in parts]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            value = loss(labels, network(inputs, training=training))
        gradients = tape.gradient(value, values)
        for optimizer, part, gradient in zip(optimizers, parts, gradients, strict=True):
            optimizer.apply(gradient, list(part.variables))

    with _same_each_time():
        compiled = _compile(step, examples.inputs, 2)
        for rows in _batches(examples, course, steps):
            compiled(tf.constant(examples.inputs[rows]), tf.constant(examples.labels[rows]))


@contextmanager
def _same_each_time() -> Iterator[None]:
    """Let TensorFlow choose kernels that add up in one order, whatever its threads do."""
    from tensorflow.python.framework import config

    config.enable_op_determinism()
    try:
        yield
    finally:
        config.disable_op_determinism()


def _compile(function: Callable[..., Any], inputs: NDArray[Any], arguments: int) -> Any:
    """Compile a function of batches of inputs, of any size, and of as many labels or of none."""
    import tensorflow as tf

    batches = tf.TensorSpec((None, *inputs.shape[1:]), inputs.dtype)
    signature = [batches, tf.TensorSpec([None], tf.int64)][:arguments]
    return tf.function(function, input_signature=signature).get_concrete_function()


def _batches(examples: Examples, course: Course, steps: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step, in another order each epoch."""
    rng = np.random.default_rng(course.seed)
    taken = epoch = 0
    while taken < steps:
        order = rng.permutation(len(examples.first))
        rows = examples.first[order] + epoch % examples.variants[order]
        for start in range(0, len(rows), course.batch_size):
            yield rows[start : start + course.batch_size]
            taken += 1
        epoch += 1


def run_network(network: "keras.Model", inputs: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    """Yield what a network gives, float32 `(b, ...)`, for inputs `(n, ...)`, some at a time."""
    import tensorflow as tf

    def run(batch: Any) -> Any:
        return network(batch, training=False)

    compiled = _compile(run, inputs, 1)
    for start in range(0, len(inputs), ASKED_AT_ONCE):
        yield compiled(tf.constant(inputs[start : start + ASKED_AT_ONCE])).numpy()


def ask_network(network: "keras.Model", inputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probabilities that a network's scores stand for, float64 `(n, k)`."""
    import tensorflow as tf

    scores = np.concatenate(list(run_network(network, inputs)))
    probabilities: NDArray[np.float64] = tf.nn.softmax(scores.astype(np.float64)).numpy()
    return probabilities


def to_result(
    recipe: str,
    train: Examples,
    seed: int,
    seconds: float | None,
    probabilities: NDArray[np.float64],
    val: Examples,
) -> Result:
    """Return how a model did that was trained on some examples and asked for others, all of them.

    Args:
        recipe: What it is.
        train: What it learned from.
        seed: Of what was random.
        seconds: What it took; None: not measured.
        probabilities: float64 `(n, k)`, what it says of val.
        val: What is true.
    """
    return Result(
        recipe=recipe,
        images_a_class=train.images_a_class,
        seed=seed,
        n=len(val.labels),
        accuracy=float((probabilities.argmax(axis=1) == val.labels).mean()),
        log_loss=float(log_losses(probabilities, val.labels).mean()),
        seconds=seconds,
    )
