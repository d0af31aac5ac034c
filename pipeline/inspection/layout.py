"""A map of the images: those with similar features lie near one another."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.heads.rows import Float, Rows
from pipeline.inspection.sampling import draw_evenly

MOST = 3000  # images on the map; t-SNE takes some 4 s for 2,000
COMPONENTS = 50
PERPLEXITY = 30
# Neighbours stay neighbours as often as with 1,000 and 0.5, in a quarter of the time.
ITERATIONS = 400
ANGLE = 0.8
FEWEST = 5  # of fewer, the two main directions are the map
EQUAL = 1e-6  # features that differ by less are the same
SEED = 7


def place_images(rows: Rows) -> Float:
    """Return a position for each image, float64 `(n, 2)`; NaN for those left out where there are many.

    Principal components, then t-SNE; in one thread and with a seed of its own, so that equal
    features give equal positions on one machine. Axes and distances mean nothing, neighbours do.

    Args:
        rows: Features of length 1.

    Reference:
        van der Maaten and Hinton 2008, "Visualizing Data using t-SNE" (JMLR 9).
    """
    positions = np.full((len(rows), 2), np.nan)
    drawn = draw_evenly(rows.labels, MOST)
    positions[drawn] = _embed(rows.features[drawn].astype(np.float32))
    return positions


def _embed(features: NDArray[np.float32]) -> Float:
    """Return positions `(n, 2)` of features `(n, d)`."""
    # Takes 1.3 s to import
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if np.ptp(features, axis=0).max() < EQUAL:
        return np.zeros((len(features), 2))
    with threadpool_limits(1):  # of BLAS and of OpenMP, whose threads sum in any order
        count = min(COMPONENTS, *features.shape)
        components = PCA(count, svd_solver="randomized", random_state=SEED).fit_transform(features)
        start = np.pad(components[:, :2], ((0, 0), (0, max(0, 2 - count))))
        if len(features) < FEWEST:
            return np.asarray(start, np.float64)
        embedding = TSNE(
            init=(start / start[:, 0].std() * 1e-4).astype(np.float32),
            perplexity=min(PERPLEXITY, (len(features) - 1) / 3),
            max_iter=ITERATIONS,
            angle=ANGLE,
            random_state=SEED,
            n_jobs=1,
        )
        return np.asarray(embedding.fit_transform(components), np.float64)
