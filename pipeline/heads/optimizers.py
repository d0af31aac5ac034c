"""How a gradient moves weights: SGD, Adam and RMSprop with the constants of Keras, in place.

A step reads and writes the weights and one or two moments of the same size, so its cost is that of
memory: it goes over them piece by piece, each small enough to stay in a core's cache. Threads would
not help: each waits for the interpreter after every piece of every operation.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from pipeline.heads.rows import Float

Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "cosine", "step"]
# Takes weights, gradient (which it may overwrite), moments, scratch, rate and the step, from 1.
Step = Callable[[Float, Float, list[Float], Float, Float, int], None]

Gradient = Callable[[slice, Float], object]  # writes a piece of it, along the first axis

PIECE = 1 << 15  # numbers: 256 KB of each array


class Rule(NamedTuple):
    """How weights are moved, and how many arrays of their size are remembered for that, zeros at first."""

    step: Step
    moments: int


class Parameter:
    """An array that is learned, and how its gradient moves it.

    Args:
        w: Its first values `(p, ...)`, changed in place.
        rule: How an optimizer takes a step.
        rate: Learning rates that fit `w` by broadcasting.
        l1: As many factors of the sum of sizes in the loss; none without.
        l2: As many factors of the sum of squares in the loss; none without.
    """

    def __init__(
        self, w: Float, rule: Rule, rate: Float, l1: Float | None = None, l2: Float | None = None
    ) -> None:
        self.w = w
        self._rule, self._rate = rule, rate
        self._l1 = l1 if l1 is not None and l1.any() else None
        self._l2 = l2 if l2 is not None and l2.any() else None
        self._moments = [np.zeros_like(w) for _ in range(rule.moments)]
        length = max(1, PIECE // w[0].size)
        self._pieces = [slice(start, start + length) for start in range(0, len(w), length)]
        self._room = [np.empty_like(w[:length]) for _ in range(2)]

    def move(self, gradient: Gradient, factor: float, t: int) -> None:
        """Take step `t`, from 1, the learning rates multiplied by a factor.

        A piece of the gradient is made just before it is used, so that it is still in the cache.
        """
        for piece in self._pieces:
            w, moments = self.w[piece], [one[piece] for one in self._moments]
            g, scratch = (one[: len(w)] for one in self._room)
            gradient(piece, g)
            if self._l2 is not None:
                np.multiply(w, 2 * _piece_of(self._l2, piece), out=scratch)
                g += scratch
            if self._l1 is not None:
                np.sign(w, out=scratch)
                scratch *= _piece_of(self._l1, piece)
                g += scratch
            self._rule.step(w, g, moments, scratch, _piece_of(self._rate, piece) * factor, t)


def _piece_of(values: Float, piece: slice) -> Float:
    """Return what belongs to a piece, of values that fit the whole by broadcasting."""
    return values if len(values) == 1 else values[piece]


def make_rule(optimizer: Optimizer, momentum: float, nesterov: bool) -> Rule:
    """Return how an optimizer moves weights."""
    if optimizer == "adam":
        return Rule(_adam, moments=2)
    if optimizer == "rmsprop":
        return Rule(_rmsprop, moments=1)

    def sgd(w: Float, g: Float, moments: list[Float], scratch: Float, rate: Float, t: int) -> None:
        (velocity,) = moments
        g *= rate
        velocity *= momentum
        velocity -= g
        w += velocity
        if nesterov:  # Nesterov 1983, as Sutskever et al. 2013 write it: look ahead by the momentum
            np.multiply(velocity, momentum, out=scratch)
            scratch -= g
            scratch -= velocity
            w += scratch

    return Rule(sgd, moments=1)


def _adam(w: Float, g: Float, moments: list[Float], scratch: Float, rate: Float, t: int) -> None:
    """Kingma and Ba 2015 (arXiv:1412.6980).

    The moments are kept as plain sums, `m / (1 - beta)`, which saves passes over memory; the
    factors left out are put into the rate and epsilon.
    """
    beta1, beta2, epsilon = 0.9, 0.999, 1e-7
    first, second = moments
    first *= beta1
    first += g
    g *= g
    second *= beta2
    second += g
    np.sqrt(second, out=scratch)
    scratch += epsilon / math.sqrt(1 - beta2)
    np.divide(first, scratch, out=scratch)
    correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
    scratch *= rate * (correction * (1 - beta1) / math.sqrt(1 - beta2))
    w -= scratch


def _rmsprop(w: Float, g: Float, moments: list[Float], scratch: Float, rate: Float, t: int) -> None:
    """Tieleman and Hinton 2012, Coursera lecture 6.5."""
    rho, epsilon = 0.9, 1e-7
    (mean_square,) = moments
    np.multiply(g, g, out=scratch)
    scratch *= 1 - rho
    mean_square *= rho
    mean_square += scratch
    np.add(mean_square, epsilon, out=scratch)
    np.sqrt(scratch, out=scratch)
    np.divide(g, scratch, out=scratch)
    scratch *= rate
    w -= scratch


def decay(schedule: Schedule, progress: float) -> float:
    """Return the factor of the learning rate after a share of all steps, 0 <= progress < 1.

    `cosine` falls to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts); `step`
    divides by 10 at one half and at three quarters (He et al. 2016, arXiv:1512.03385).
    """
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if schedule == "step":
        return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
    return 1.0
