"""Predictions for the tests of metrics and curves: written by hand, and any."""

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from pipeline.predictions import Predictions

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


def table(
    labels: Iterable[int],
    probabilities: ArrayLike,
    split: str = "val",
    classes: tuple[str, ...] = LETTERS,
) -> Predictions:
    """Return predictions for classes a, b, ... as many as there are columns."""
    p = np.asarray(probabilities, np.float64)
    return Predictions(
        splits=(split,) * len(p),
        sha256=tuple(str(row) for row in range(len(p))),
        path=tuple(f"{split}/{row}.jpg" for row in range(len(p))),
        labels=np.array(list(labels), np.int64),
        classes=classes[: p.shape[1]],
        probabilities=p,
    )


def binary(labels: Sequence[int], second: Sequence[float]) -> Predictions:
    """Return predictions for classes a and b, by the probability of b."""
    return table(labels, [[1 - p, p] for p in second])


@st.composite
def any_predictions(draw: st.DrawFn) -> Predictions:
    """Any predictions, also of one image, of one class, with many equals, or as sure as can be."""
    k, n = draw(st.integers(2, 4)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    p = rng.dirichlet(np.full(k, draw(st.sampled_from([0.01, 0.5, 5.0]))), n)
    kind = draw(st.sampled_from(["any", "equals", "sure"]))
    if kind == "equals":
        p = np.round(p, 1)
        p[:, -1] = np.maximum(0, 1 - p[:, :-1].sum(axis=1))
        p /= p.sum(axis=1, keepdims=True)
    if kind == "sure":
        p = np.eye(k)[rng.integers(0, k, n)]
    return table(rng.integers(0, draw(st.integers(1, k)), n), p)


def two_predictions() -> Predictions:
    """Return a table of one image of train and one of val; the head is right about both."""
    return Predictions(
        splits=("train", "val"),
        sha256=("aa", "bb"),
        path=("train/cat/1.jpg", "val/dog/2.jpg"),
        labels=np.array([0, 1]),
        classes=("cat", "dog"),
        probabilities=np.array([[0.9, 0.1], [0.25, 0.75]], np.float32),
    )
