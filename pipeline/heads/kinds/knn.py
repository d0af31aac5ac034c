"""Kind `knn`: the classes of the nearest training images, by cosine, the nearer the heavier."""

import numpy as np
from pydantic import Field

from pipeline.heads.kind import Fit, HeadKind, KindSettings, Shapes, Watch
from pipeline.heads.rows import Rows, Scaler, Tensors, to_unit_length
from pipeline.heads.steps import NearestShares, Step, UnitLength


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


def _steps(tensors: Tensors, settings: KnnSettings) -> list[Step]:
    nearest = NearestShares(
        neighbours=to_unit_length(tensors["neighbours"]),
        labels=tensors["labels"],
        count=min(settings.k, len(tensors["labels"])),
        temperature=settings.temperature,
    )
    return [UnitLength(), nearest]


KIND = HeadKind(settings=KnnSettings, shapes=_shapes, fit=_fit, steps=_steps)
