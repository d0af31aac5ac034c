"""Kind `logistic`: multinomial logistic regression, solved exactly."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from pydantic import Field

from pipeline.errors import HeadError
from pipeline.heads.cores import on_all_cores
from pipeline.heads.folds import TRAINED_ON, assign_folds
from pipeline.heads.kind import Fit, HeadKind, KindSettings, Shapes, Watch, softmax
from pipeline.heads.networks import ClassWeight, class_weights, network_shapes, network_steps
from pipeline.heads.rows import Float, Rows, Scaler
from pipeline.predictions import log_losses

Result = TypeVar("Result")

CHOICES = tuple(float(f"{10 ** (power / 2):.1g}") for power in range(-6, 3))  # 0.001 to 10
FOLDS = 5
PART = 512  # rows that a core takes at once
# How small a gradient becomes, of what it was at the start. At 1e-10 the path still shows: in directions
# that hardly curve, the weights of two processors differ enough to be rounded apart.
ROUGH, EXACT = 1e-3, 1e-13
# Of a trial's loss: a rough minimum has no more, and on two processors differs by up to 6e-5.
DIGITS = 3
MOST_STEPS, MOST_DIRECTIONS, MOST_HALVINGS = 60, 200, 30


class LogisticSettings(KindSettings):
    """How strongly the kernel is held down.

    Attributes:
        c: As scikit-learn has it: the penalty is half the squared norm of the kernel, the loss is
            summed over the rows and multiplied by `c`. None: the best of nine, 0.001 to 10, on
            five inner folds.
        class_weight: `balanced`: all classes count alike, however many rows they have.
    """

    c: float | None = Field(default=None, gt=0)
    class_weight: ClassWeight = None


def _shapes(settings: LogisticSettings, rows: int, width: int, classes: int) -> Shapes:
    return network_shapes((), width, classes)


def _fit(rows: Rows, scaler: Scaler, settings: LogisticSettings, seed: int, watch: Watch) -> Fit:
    weights = class_weights(rows, balanced=settings.class_weight is not None)
    trials: tuple[tuple[str, float, float], ...] = ()
    c = settings.c
    if c is None:
        trials = _try_choices(rows, scaler, weights, seed)
        c = min(trials, key=lambda trial: trial[2])[1] if trials else 1.0
    problem = _Problem(rows, scaler, weights[None])
    problem.minimise(c, EXACT)
    kernel, bias = problem.solution()
    return Fit(
        tensors={"classes/kernel": kernel, "classes/bias": bias},
        trials=trials,
        chosen={"c": c} if trials else {},
    )


def _try_choices(
    rows: Rows, scaler: Scaler, weights: Float, seed: int
) -> tuple[tuple[str, float, float], ...]:
    """Return each `c` with the log loss of held-out originals; nothing where none can be held out."""
    fold = assign_folds(rows, FOLDS, seed)
    numbers = [number for number in range(FOLDS) if (fold == number).any()]
    if not numbers:
        return ()
    held_out = fold == np.array(numbers)[:, None]
    problem = _Problem(rows, scaler, np.where(held_out, 0.0, weights))
    asked = rows.original & (fold != TRAINED_ON)
    place = np.searchsorted(numbers, fold[asked])
    trials = []
    for c in CHOICES:  # each begins where the one before ended
        problem.minimise(c, ROUGH)
        loss = log_losses(problem.probabilities[asked, place], rows.labels[asked]).mean()
        trials.append(("c", c, round(float(loss), DIGITS)))
    return tuple(trials)


class _Problem:
    """Logistic regressions on the same rows, which count differently in each of `f` fits.

    All are solved together, so that a block of rows is read and scaled once: by Newton's method,
    the linear systems by conjugate gradients (Nocedal and Wright 2006, algorithm 7.1). Inside,
    features have mean 0 and deviation 1; the penalty is on the kernel as it will be used.

    Attributes:
        probabilities: float64 `(n, f, k)`, of each row in each fit.
    """

    def __init__(self, rows: Rows, scaler: Scaler, weights: Float) -> None:
        self._rows, self._scaler = rows, scaler
        fits, k = len(weights), rows.classes
        self._total = weights.sum(axis=1)
        self._weights = (weights / self._total[:, None]).T[:, :, None]  # (n, f, 1)
        # Many passes follow: float32, which is exact for features as they are kept.
        self._x = np.concatenate([x.astype(np.float32) for _, x in rows.blocks(scaler)])
        self._inside = Scaler.fit("standard", self._x)
        self._parts = [slice(at, at + PART) for at in range(0, len(rows), PART)]
        for part in self._parts:
            self._x[part] = self._inside.apply(self._x[part])
        self._penalty = np.append(self._inside.factor**2, 0.0)[:, None, None]  # the bias is free
        self._v = np.zeros((rows.width + 1, fits, k))
        self.probabilities = np.full((len(rows), fits, k), 1 / k)

    def minimise(self, c: float, tolerance: float) -> None:
        """Go on from where the last call ended, to the minimum for another `c`."""
        # Two columns share what scikit-learn's one column for two classes does alone.
        strength = (2 if self._rows.classes == 2 else 1) / (c * self._total)[:, None]
        loss, gradient = self._look(self._v, strength)
        start = self._size_at_start()
        least = tolerance * start
        for _ in range(MOST_STEPS):
            size = _norm(gradient)
            if (size <= least).all():
                return
            wanted = np.maximum(np.minimum(0.1, np.sqrt(size / start)) * size, least / 10)
            direction = self._solve(-gradient, strength, wanted)
            slope = _dot(gradient, direction)
            step = np.ones(len(size))
            before = self._v
            for _ in range(MOST_HALVINGS):
                self._v = before + step[:, None] * direction
                new_loss, new_gradient = self._look(self._v, strength)
                too_far = new_loss > loss + 1e-4 * step * slope + 1e-14 * np.abs(loss)
                if not too_far.any():
                    break
                step[too_far] /= 2
            loss, gradient = new_loss, new_gradient
        raise HeadError(
            f"logistic regression found no minimum in {MOST_STEPS} steps for head.c {c:g}: take a "
            "smaller one, or head.scaling standard (params.yaml)"
        )

    def solution(self) -> tuple[Float, Float]:
        """Return kernel `(d, k)` and bias `(k,)` of the first fit, for features as they come."""
        kernel = self._v[:-1, 0] * self._inside.factor[:, None]
        return kernel, self._v[-1, 0] - self._inside.mean @ kernel

    def _size_at_start(self) -> Float:
        """Return the size of the gradient where all weights are 0, `(f,)`, or something like it."""
        counts = np.zeros((len(self._total), self._rows.classes))
        np.add.at(counts.T, self._rows.labels, self._weights[:, :, 0])
        size: Float = np.sqrt(((counts - counts.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)) + 1
        return size

    def _look(self, v: Float, strength: Float) -> tuple[Float, Float]:
        """Return the loss of each fit `(f,)` and its gradient `(d + 1, f, k)`; keep probabilities."""

        def look(part: slice, x: Float) -> tuple[Float, Float]:
            p = softmax(_times(x, v))
            self.probabilities[part] = p
            rows, labels, weights = np.arange(len(p)), self._rows.labels[part], self._weights[part]
            right = p[rows, :, labels]
            p[rows, :, labels] = 0
            wrong = p.sum(axis=2)  # 1 - right, and exact where that is next to nothing
            p[rows, :, labels] = -wrong
            losses = np.where(
                wrong < 0.5, -np.log1p(-np.minimum(wrong, 0.5)), -np.log(np.maximum(right, 1e-300))
            )
            return (weights[:, :, 0] * losses).sum(axis=0), _products(x, p * weights)

        losses, gradients = zip(*self._over_rows(look), strict=True)
        pull = strength * self._penalty * v
        return sum(losses) + 0.5 * _dot(pull, v), sum(gradients) + pull

    def _curve(self, direction: Float, strength: Float) -> Float:
        """Return the Hessian times a direction, both `(d + 1, f, k)`."""

        def curve(part: slice, x: Float) -> Float:
            moved, p = _times(x, direction), self.probabilities[part]
            moved -= (p * moved).sum(axis=2, keepdims=True)
            moved *= p
            moved *= self._weights[part]
            return _products(x, moved)

        result: Float = sum(self._over_rows(curve), strength * self._penalty * direction)
        return result

    def _over_rows(self, work: Callable[[slice, Float], Result]) -> Iterator[Result]:
        return on_all_cores(lambda part: work(part, self._x[part].astype(np.float64)), self._parts)

    def _solve(self, target: Float, strength: Float, wanted: Float) -> Float:
        """Return the direction that the Hessian turns into a target, its rest as small as wanted."""
        scale = 1 / (0.25 + strength * self._penalty)  # features have deviation 1: a fair diagonal
        direction, rest = np.zeros_like(target), target.copy()
        scaled = scale * rest
        search, product = scaled.copy(), _dot(rest, scaled)
        for _ in range(MOST_DIRECTIONS):
            if (_norm(rest) <= wanted).all():
                break
            curved = self._curve(search, strength)
            step = _ratio(product, _dot(search, curved))[:, None]
            direction += step * search
            rest -= step * curved
            scaled = scale * rest
            product, last = _dot(rest, scaled), product
            search *= _ratio(product, last)[:, None]
            search += scaled
        return direction


def _times(x: Float, v: Float) -> Float:
    """Return rows `(b, d)` times weights `(d + 1, f, k)`: `(b, f, k)`."""
    flat = v.reshape(len(v), -1)
    result: Float = (x @ flat[:-1] + flat[-1]).reshape(len(x), *v.shape[1:])
    return result


def _products(x: Float, slopes: Float) -> Float:
    """Return the gradient `(d + 1, f, k)` of rows `(b, d)` with slopes `(b, f, k)`."""
    flat = slopes.reshape(len(x), -1)
    together = np.concatenate([x.T @ flat, flat.sum(axis=0, keepdims=True)])
    return together.reshape(-1, *slopes.shape[1:])


def _dot(a: Float, b: Float) -> Float:
    """Return the inner product of each fit, `(f,)`."""
    products: Float = np.einsum("dfk,dfk->f", a, b)
    return products


def _norm(a: Float) -> Float:
    return np.sqrt(_dot(a, a))


def _ratio(a: Float, b: Float) -> Float:
    """Return a / b, and 0 where a fit is done."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


KIND = HeadKind(
    settings=LogisticSettings,
    shapes=_shapes,
    fit=_fit,
    steps=lambda tensors, settings: network_steps(tensors, ()),
)
