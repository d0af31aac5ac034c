"""Kind `knn`: the classes of the nearest training images, by cosine, the nearer the heavier."""

import numpy as np
from pydantic import Field

from pipeline.heads.kind import Fit, HeadKind, KindSettings, Shapes, Watch
from pipeline.heads.rows import Float, Rows, Scaler, Tensors, to_unit_length

LEAST_SHARE = 1e-7  # the share of a class with no neighbour
AT_ONCE = 256  # rows asked for at once: their likeness to all neighbours is in memory
DIGITS = 9  # of a cosine: of equal neighbours the first counts, however a processor sums


class KnnSettings(KindSettings):
    """How many neighbours, and how they count: each by `exp(cosine / temperature)`.

    Reference:
        Wu et al. 2018, "Unsupervised feature learning via non-parametric instance discrimination"
        (arXiv:1805.01978), section 3.4; DINO (arXiv:2104.14294) measures networks so.
    """

    k: int = Field(default=20, ge=1, le=1000)
    temperature: float = Field(default=0.07, gt=0, le=100)


def _shapes(settings: KnnSettings, rows: int, width: int, classes: int) -> Shapes:
    return {"neighbours": (rows, width), "labels": (rows, classes)}


def _fit(rows: Rows, scaler: Scaler, settings: KnnSettings, seed: int, watch: Watch) -> Fit:
    originals = rows.originals()  # a copy is no other image
    neighbours = np.concatenate([x for _, x in originals.blocks(scaler)])
    return Fit(tensors={"neighbours": neighbours, "labels": np.eye(rows.classes)[originals.labels]})


def _scores(tensors: Tensors, settings: KnnSettings, x: Float) -> Float:
    neighbours, labels = to_unit_length(tensors["neighbours"]), tensors["labels"]
    k = min(settings.k, len(labels))
    shares = np.zeros((len(x), labels.shape[1]))
    for start in range(0, len(x), AT_ONCE):
        cosines = np.round(to_unit_length(x[start : start + AT_ONCE]) @ neighbours.T, DIGITS)
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(cosines, nearest, axis=1)
        votes = np.exp((near - near[:, :1]) / settings.temperature)
        votes /= votes.sum(axis=1, keepdims=True)
        shares[start : start + AT_ONCE] = np.einsum("bn,bnk->bk", votes, labels[nearest])
    return np.log(np.maximum(shares, LEAST_SHARE))


KIND = HeadKind(settings=KnnSettings, shapes=_shapes, fit=_fit, scores=_scores)
