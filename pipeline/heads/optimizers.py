"""How a gradient moves weights: SGD, Adam and RMSprop with the constants of Keras, in place.

A step reads and writes the weights and one or two moments of the same size, so its cost is that of
memory: it goes over them piece by piece, each small enough to stay in a core's cache.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from pipeline.heads.rows import Float

Optimizer = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "cosine", "step"]
# Takes weights, gradient (which it may overwrite), moments, scratch, rate and the step, from 1.
Step = Callable[[Float, Float, list[Float], Float, Float, int], None]

PIECE = 1 << 14  # numbers: 128 KB of each array
MOMENTS = {"adam": 2, "sgd": 1, "rmsprop": 1}


def make_step(optimizer: Optimizer, momentum: float, nesterov: bool) -> Step:
    """Return what moves weights by one step of an optimizer."""
    if optimizer == "adam":
        return _adam
    if optimizer == "rmsprop":
        return _rmsprop

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

    return sgd


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
