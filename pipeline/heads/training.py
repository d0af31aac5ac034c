"""Fitting a head: val decides nothing, so what must be decided is decided inside train.

A part of the training images is held out, or folds of them in turn; then the head is fitted anew
on all of them, with what was decided.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.cores import one_blas_thread
from pipeline.heads.folds import assign_folds, assign_holdout
from pipeline.heads.head import Head, rounded_temperature
from pipeline.heads.kind import Fit, KindSettings, known_kinds, softmax
from pipeline.heads.networks import TrainingSettings
from pipeline.heads.rows import Float, Rows, Scaler, Scaling, Tensors
from pipeline.params import HeadParams
from pipeline.predictions import log_losses

CALIBRATION_FOLDS = 5
MANY_ROWS = 10_000  # of so many, a tenth tells a temperature well enough
DIGITS = 6  # of a log loss that decides: noise in its last bits must not

Look = Callable[[int, Head], bool | None]
Trial = tuple[str, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a head is fitted.

    Attributes:
        kind: Name of the kind.
        own: The settings of that kind.
        scaling: How features are scaled.
        holdout: Share of the training images that decide when to stop and which seed is best.
        calibrate: Is a temperature fitted, even where the kind needs none?
        seed: Of everything that is drawn.
    """

    kind: str
    own: KindSettings
    scaling: Scaling = "none"
    holdout: float = 0.1
    calibrate: bool = False
    seed: int = 7

    @classmethod
    def of(cls, settings: HeadParams) -> Self:
        """Return what the section `head` of params.yaml asks for."""
        return cls(
            kind=settings.kind,
            own=settings.own_settings(),
            scaling=settings.scaling,
            holdout=settings.holdout,
            calibrate=settings.calibrate,
            seed=settings.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What fitting gives.

    Attributes:
        head: As it is saved, its weights rounded.
        chosen: What was decided inside train: `epochs`, `seed`, `temperature`, or a setting.
        trials: What was tried for that: setting, value, log loss of images held out.
        holdout: Log loss and accuracy of the images held out after each epoch, with the chosen seed.
    """

    head: Head
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    holdout: tuple[tuple[float, float], ...] = ()


def fit_head(
    rows: Rows, recipe: Recipe, look: Callable[[int, Head], None] | None = None
) -> Outcome:
    """Fit a head to training rows in memory.

    The same rows and recipe give the same weights to the last bit: sums are made in float64, and
    of a weight no more is kept than what another processor's rounding leaves as it is.

    Args:
        rows: Originals and their copies.
        recipe: How.
        look: Called after each epoch with its number, from 1, and the head as it is then; after
            the last, which is the first for a kind that knows no epochs, with the head of the outcome.

    Raises:
        HeadError: The settings do not lead to a head; says which to change.
    """
    with one_blas_thread():
        chosen, trials, curve = _decide(rows, recipe)
        last = int(chosen.get("epochs", getattr(recipe.own, "epochs", 1)))

        def look_on_the_way(epoch: int, head: Head) -> None:
            if look and epoch < last:
                look(epoch, head)

        head, fit = _fit(rows, recipe, chosen, look_on_the_way)
        recipe, chosen = replace(recipe, own=head.settings), {**chosen, **fit.chosen}
        if recipe.calibrate or known_kinds()[recipe.kind].needs_temperature:
            chosen["temperature"] = _find_temperature(rows, recipe, chosen)
            head = replace(head, temperature=chosen["temperature"])
        head = head.rounded()
        if look:
            look(last, head)
    return Outcome(head=head, chosen=chosen, trials=(*trials, *fit.trials), holdout=curve)


def fit_again(rows: Rows, recipe: Recipe, outcome: Outcome) -> Head:
    """Fit the head of an outcome to other rows, with what was decided then."""
    with one_blas_thread():
        head, _ = _fit(rows, replace(recipe, own=outcome.head.settings), outcome.chosen, None)
    return replace(head, temperature=outcome.head.temperature).rounded()


def measure(head: Head, rows: Rows) -> tuple[float, float]:
    """Return log loss (nats) and accuracy of a head on the originals among rows, as the metrics have them."""
    losses, is_right = [], []
    for part in rows.original_blocks():
        probabilities, labels = head.probabilities(rows.features[part]), rows.labels[part]
        losses.append(log_losses(probabilities, labels))
        is_right.append(probabilities.argmax(axis=1) == labels)
    return float(np.concatenate(losses).mean()), float(np.concatenate(is_right).mean())


def _decide(
    rows: Rows, recipe: Recipe
) -> tuple[dict[str, float], tuple[Trial, ...], tuple[tuple[float, float], ...]]:
    """Let images held out say when to stop and which seed is best.

    Returns:
        What was chosen, what was tried, and the curve of the chosen one; all empty where the
        settings leave nothing to decide, or nothing can be held out.
    """
    own = recipe.own
    if not isinstance(own, TrainingSettings) or not own.needs_holdout:
        return {}, (), ()
    held_out = assign_holdout(rows, recipe.holdout, recipe.seed)
    asked = rows.take(held_out & rows.original)
    if not len(asked):
        return {}, (), ()
    kept = rows.take(~held_out)
    runs = []
    for seed in range(recipe.seed, recipe.seed + own.restarts):
        curve: list[tuple[float, float]] = []

        def look(epoch: int, head: Head, curve: list[tuple[float, float]] = curve) -> bool:
            loss, accuracy = measure(head, asked)
            curve.append((round(loss, DIGITS), accuracy))
            return bool(own.patience) and epoch - _best(curve) >= own.patience

        _fit(kept, recipe, {"seed": seed}, look)
        epochs = _best(curve) if own.patience else len(curve)
        runs.append((curve[epochs - 1][0], seed, epochs, tuple(curve)))
    _, seed, epochs, best_curve = min(runs)
    chosen: dict[str, float] = {"seed": seed} if own.restarts > 1 else {}
    if own.patience:
        chosen["epochs"] = epochs
    return chosen, tuple(("seed", float(run[1]), run[0]) for run in runs), best_curve


def _best(curve: Sequence[tuple[float, float]]) -> int:
    """Return the epoch, from 1, with the lowest loss; of equals the first."""
    return 1 + min(range(len(curve)), key=lambda place: curve[place][0])


def _fit(
    rows: Rows, recipe: Recipe, chosen: Mapping[str, float], look: Look | None
) -> tuple[Head, Fit]:
    """Fit a head, for as many epochs and with the seed that were chosen; weights as they come."""
    scaler = Scaler.fit(recipe.scaling, rows.features)
    last = chosen.get("epochs")

    def watch(epoch: int, tensors: Tensors) -> bool:
        enough = look and look(epoch, _head(recipe, recipe.own, scaler, tensors))
        return bool(enough) or epoch == last

    kind = known_kinds()[recipe.kind]
    fit = kind.fit(rows, scaler, recipe.own, int(chosen.get("seed", recipe.seed)), watch)
    head = _head(recipe, recipe.own.model_copy(update=dict(fit.chosen)), scaler, fit.tensors)
    return head, fit


def _head(recipe: Recipe, own: KindSettings, scaler: Scaler, tensors: Tensors) -> Head:
    return Head(kind=recipe.kind, settings=own, scaler=scaler, tensors=tensors)


def _find_temperature(rows: Rows, recipe: Recipe, chosen: Mapping[str, float]) -> float:
    """Return the temperature that fits best the scores of images held out; 1 where there are none.

    Reference:
        Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).
    """
    if len(rows) > MANY_ROWS:
        folds = [assign_holdout(rows, 1 / CALIBRATION_FOLDS / 2, recipe.seed)]
    else:
        number = assign_folds(rows, CALIBRATION_FOLDS, recipe.seed)
        folds = [number == fold for fold in range(CALIBRATION_FOLDS)]
    scores, labels = [], []
    for held_out in folds:
        asked = rows.take(held_out & rows.original)
        if len(asked):
            head, _ = _fit(rows.take(~held_out), recipe, chosen, None)
            scores.append(head.scores(asked.features))
            labels.append(asked.labels)
    if not scores:
        return 1.0
    return rounded_temperature(1 / _fit_factor(np.concatenate(scores), np.concatenate(labels)))


def _fit_factor(scores: Float, labels: NDArray[np.int64]) -> float:
    """Return the factor of scores `(n, k)` with the least log loss, by Newton's method."""
    scores = scores - scores.max(axis=1, keepdims=True)
    right = scores[np.arange(len(labels)), labels].mean()
    factor = 1 / max(float(scores.std()), 1e-9)  # the loss is convex in it: any start will do
    low, high = 1e-3, 1e3
    for _ in range(100):
        p = softmax(factor * scores)
        mean = (p * scores).sum(axis=1)
        slope = float(mean.mean() - right)
        bend = float((p * scores**2).sum(axis=1).mean() - (mean**2).mean())
        low, high = (factor, high) if slope < 0 else (low, factor)
        wanted = factor - slope / bend if bend > 0 else np.sqrt(low * high)
        wanted = wanted if low < wanted < high else np.sqrt(low * high)
        if abs(wanted - factor) < 1e-9 * factor:
            break
        factor = float(wanted)
    return factor
