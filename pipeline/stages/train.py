"""Stage `train`: a head on features in memory, its history and its predictions."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from pipeline import paths
from pipeline.features import FeatureSet
from pipeline.files import atomic_write_csv
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.head import Head
from pipeline.heads.loading import load_features, rows_by_split, rows_to_fit
from pipeline.heads.rows import Rows
from pipeline.heads.saving import HeadInfo, SavedHead, write_head
from pipeline.heads.training import Outcome, Recipe, fit_again, fit_head, measure
from pipeline.params import HeadParams, Params
from pipeline.predictions import Predictions

Point = tuple[int, str, float, float]  # epoch, split, log loss, accuracy
Curves = list[Point]


def run(dataset: str, backbone: str, params: Params) -> str:
    """Fit and save a head and what it says of every original image; return one line."""
    params.dataset(dataset), params.backbone(backbone)
    features = load_features(dataset, backbone)
    rows = rows_by_split(features)
    outcome, curves = _fit(rows, params.head)
    predictions = _predict(features, rows, outcome.head)
    head, fitted_to = outcome.head, rows_to_fit(rows, params.head.fit_on)
    if params.head.fit_on == "all":
        head = fit_again(fitted_to, Recipe.of(params.head), outcome)
    info = _describe(features, params.head, outcome, head, fitted_to)
    saved = SavedHead(info=info, tensors=head.saved_tensors())
    write_head(paths.model_folder(dataset, backbone), saved, predictions)
    atomic_write_csv(paths.history_file(dataset, backbone), [_as_row(point) for point in curves])
    return f"{dataset}/{backbone}: {_summary(params.head, outcome, curves)}"


def _fit(rows: dict[str, Rows], settings: HeadParams) -> tuple[Outcome, Curves]:
    """Fit a head to train; return it and how it did on train, val and what was held out, by epoch.

    An epoch is measured while the next one is fitted.
    """
    measured: list[Future[Curves]] = []

    def ask(epoch: int, head: Head) -> Curves:
        return [(epoch, name, *measure(head, rows[name])) for name in ("train", "val")]

    with one_blas_thread(), ThreadPoolExecutor(1) as other:

        def look(epoch: int, head: Head) -> None:
            if measured:
                measured[-1].result()  # so that no more than one head waits
            measured.append(other.submit(ask, epoch, head.copy()))

        outcome = fit_head(rows["train"], Recipe.of(settings), look)
    held_out = [(epoch, "holdout", *pair) for epoch, pair in enumerate(outcome.holdout, 1)]
    return outcome, sorted([*(point for one in measured for point in one.result()), *held_out])


def _describe(
    features: FeatureSet, settings: HeadParams, outcome: Outcome, head: Head, rows: Rows
) -> HeadInfo:
    header = features.header
    return HeadInfo(
        kind=head.kind,
        settings=head.settings.model_dump(mode="json"),
        scaling=settings.scaling,
        temperature=head.temperature,
        shape=features.splits["train"].features.shape[1:],
        rows=int(rows.original.sum()),
        fit_on=settings.fit_on,
        chosen=dict(outcome.chosen),
        trials=outcome.trials,
        classes=header.classes,
        backbone=header.backbone,
        fingerprint=header.fingerprint,
        fingerprint_parts=header.fingerprint_parts,
    )


def _predict(features: FeatureSet, rows: dict[str, Rows], head: Head) -> Iterator[Predictions]:
    """Yield what a head says of every original image of every split, some at a time."""
    for name, block in features.splits.items():
        for part in rows[name].original_blocks():
            yield Predictions(
                splits=(name,) * len(part),
                sha256=tuple(key.decode() for key in block.sha256[part]),
                path=tuple(path.decode() for path in block.path[part]),
                labels=block.labels[part],
                classes=features.header.classes,
                probabilities=head.probabilities(block.features[part]),
            )


def _as_row(point: Point) -> dict[str, object]:
    epoch, split, loss, accuracy = point
    return {
        "epoch": epoch,
        "split": split,
        "log_loss": f"{loss:.6g}",
        "accuracy": f"{accuracy:.6g}",
    }


def _summary(settings: HeadParams, outcome: Outcome, curves: Curves) -> str:
    """Say what was fitted, what was decided on the way, and how it does on val."""
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in outcome.chosen.items())
    *_, loss, accuracy = [row for row in curves if row[1] == "val"][-1]
    decided = f" ({chosen} chosen inside train)" if chosen else ""
    if not outcome.holdout and settings.own_settings().needs_holdout:
        decided = " (too few training images to hold some out: all epochs, the first seed)"
    return f"{settings.kind} head{decided}: val log loss {loss:.4f}, val accuracy {accuracy:.4f}"
