"""Study `bottleneck`: the way of this project, a head on cached features, of each kind in turn."""

from collections.abc import Iterator

from pipeline.current_features import load_current_features
from pipeline.heads.loading import rows_by_split
from pipeline.params import change_head
from pipeline.studies.heads import measure_head
from pipeline.studies.results import Result
from pipeline.studies.task import Task

KINDS = ("mlp", "linear", "logistic", "lda", "knn", "centroid")


def run(task: Task) -> Iterator[Result]:
    """Fit a head of each kind to train, that of params.yaml first, and ask each for val.

    Raises:
        FeaturesError: As `load_current_features`.
        HeadError: A head cannot be fitted.
    """
    rows = rows_by_split(load_current_features(task.dataset, task.backbone))
    own = task.params.head.kind
    kinds = (own, *(kind for kind in KINDS if kind != own))
    for kind in task.progress(iter(kinds), len(kinds)):
        yield measure_head(
            kind, rows["train"], rows["val"], change_head(task.params.head, {"kind": kind})
        )
