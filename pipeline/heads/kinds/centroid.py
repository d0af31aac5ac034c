"""Kind `centroid`: the nearest class mean, after centring and scaling to length 1."""

import numpy as np

from pipeline.heads.kind import Fit, HeadKind, KindSettings, Shapes, Watch
from pipeline.heads.networks import class_weights
from pipeline.heads.rows import Rows, Scaler, Tensors, to_unit_length
from pipeline.heads.steps import Affine, Standardize, Step, UnitLength


class CentroidSettings(KindSettings):
    """No settings.

    Reference:
        Wang et al. 2019, "SimpleShot" (arXiv:1911.04623), its CL2N.
    """


def _shapes(settings: CentroidSettings, rows: int, width: int, classes: int) -> Shapes:
    return {"centre": (width,), "centroids": (classes, width)}


def _fit(rows: Rows, scaler: Scaler, settings: CentroidSettings, seed: int, watch: Watch) -> Fit:
    # The middle of the classes: that of the images would lie within the largest, all directions alike.
    weights = class_weights(rows, balanced=True)
    centre, sums = np.zeros(rows.width), np.zeros((rows.classes, rows.width))
    for where, x in rows.blocks(scaler):
        centre += weights[where] @ x / len(rows)
    for where, x in rows.blocks(scaler):
        np.add.at(sums, rows.labels[where], to_unit_length(x - centre))
    counts = np.bincount(rows.labels, minlength=rows.classes)
    return Fit(tensors={"centre": centre, "centroids": sums / np.maximum(counts, 1)[:, None]})


def _steps(tensors: Tensors, settings: CentroidSettings) -> list[Step]:
    """Lead to minus the squared distance to each class mean, less what is the same for all."""
    centre, centroids = tensors["centre"], tensors["centroids"]
    return [
        Standardize(mean=centre, factor=np.ones_like(centre)),
        UnitLength(),
        Affine(kernel=2 * centroids.T, bias=-(centroids**2).sum(axis=1)),
    ]


KIND = HeadKind(
    settings=CentroidSettings, shapes=_shapes, fit=_fit, steps=_steps, needs_temperature=True
)
