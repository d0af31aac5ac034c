"""Kind `lda`: linear discriminant analysis in closed form, its covariance shrunk."""

from collections.abc import Callable

import numpy as np
from pydantic import Field

from pipeline.errors import HeadError
from pipeline.heads.cores import on_all_cores
from pipeline.heads.kind import Fit, HeadKind, KindSettings, Shapes, Watch
from pipeline.heads.networks import network_shapes, network_steps
from pipeline.heads.rows import Float, Rows, Scaler, block_slices, deviations

WIDEST = 16_384  # a covariance of so many features takes 2 GB
WIDE = 2048  # and of so many 32 MB


class LdaSettings(KindSettings):
    """How far the covariance is drawn to a multiple of the identity; None: by Ledoit and Wolf.

    Reference:
        Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
        matrices" (Journal of Multivariate Analysis 88); as scikit-learn, each feature is brought
        to deviation 1 in its class before.
    """

    shrinkage: float | None = Field(default=None, ge=0, le=1)


def _shapes(settings: LdaSettings, rows: int, width: int, classes: int) -> Shapes:
    return network_shapes((), width, classes)


def _fit(rows: Rows, scaler: Scaler, settings: LdaSettings, seed: int, watch: Watch) -> Fit:
    if rows.width > WIDEST:
        raise HeadError(
            f"a head of kind lda takes features of at most {WIDEST:,} numbers, found {rows.width:,}: "
            "set the backbone's pooling to avg, or head.kind to another (params.yaml)"
        )
    counts = np.bincount(rows.labels, minlength=rows.classes)
    means = np.zeros((rows.classes, rows.width))
    covariance = np.zeros((rows.width, rows.width))
    for label in np.flatnonzero(counts):
        of_class = rows.take(rows.labels == label)
        means[label], own = _shrunk_covariance(of_class, scaler, settings.shrinkage)
        own *= counts[label] / len(rows)
        covariance += own
    diagonal = np.diag_indices(rows.width)
    covariance[diagonal] *= 1 + 1e-10  # so that features that say the same can be told apart
    covariance[diagonal] += covariance[diagonal] == 0
    kernel = np.linalg.solve(covariance, means.T).astype(np.float64, copy=False)
    priors = np.log(np.maximum(counts, 1) / len(rows))
    bias = priors - 0.5 * (means.T * kernel).sum(axis=0)
    return Fit(tensors={"classes/kernel": kernel, "classes/bias": bias})


def _shrunk_covariance(rows: Rows, scaler: Scaler, shrinkage: float | None) -> tuple[Float, Float]:
    """Return mean `(d,)` and shrunk covariance `(d, d)` of the rows of one class."""
    n = len(rows)
    mean = _sum(rows, scaler, lambda x: x.sum(axis=0)) / n

    def multiply(x: Float) -> Float:
        x -= mean
        products: Float = x.T @ x
        return products

    products = _sum(rows, scaler, multiply)
    products /= n
    if shrinkage is not None:
        return mean, _shrink(products, shrinkage)
    deviation = deviations(np.diag(products), mean)
    products /= deviation
    products /= deviation[:, None]

    def square(x: Float) -> Float:
        x -= mean
        x /= deviation
        lengths: Float = np.einsum("bd,bd->b", x, x)
        return lengths @ lengths

    squares = float(_sum(rows, scaler, square))
    products = _shrink(products, _ledoit_wolf(products, squares, n))
    products *= deviation
    products *= deviation[:, None]
    return mean, products


def _sum(rows: Rows, scaler: Scaler, work: Callable[[Float], Float]) -> Float:
    """Return the sum of `work(x)` over all blocks of scaled rows, always added up in the same order."""
    blocks = block_slices(len(rows), rows.width)
    run = on_all_cores if rows.width <= WIDE else map  # each core has a covariance of its own
    parts = iter(run(lambda block: work(scaler.apply(rows.features[block])), blocks))
    total = next(parts)
    for part in parts:
        total += part
    return total


def _shrink(covariance: Float, shrinkage: float) -> Float:
    """Draw a covariance to the multiple of the identity with the same trace, in place."""
    middle = np.trace(covariance) / len(covariance)
    covariance *= 1 - shrinkage
    covariance[np.diag_indices(len(covariance))] += shrinkage * middle
    return covariance


def _ledoit_wolf(covariance: Float, squares: float, n: int) -> float:
    """Return the shrinkage that comes nearest to the true covariance on average.

    Args:
        covariance: `(d, d)`, of rows whose mean is 0.
        squares: The sum of the rows' squared squared lengths.
        n: How many rows.
    """
    d = len(covariance)
    middle = np.trace(covariance) / d
    size = float((covariance**2).sum())
    noise = (squares / n - size) / (d * n)
    spread = (size - d * middle**2) / d
    return 0.0 if spread <= 0 else float(min(max(noise, 0.0), spread) / spread)


KIND = HeadKind(
    settings=LdaSettings,
    shapes=_shapes,
    fit=_fit,
    steps=lambda tensors, settings: network_steps(tensors, ()),
    needs_temperature=True,
)
