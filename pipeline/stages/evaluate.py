"""Stage evaluate: predictions become the metrics and the curves of one dataset and backbone."""

from pipeline import paths
from pipeline.curves import calibration_points, precision_recall_points, roc_points
from pipeline.files import atomic_write_csv, atomic_write_json
from pipeline.heads.folder import is_fitted_to_all, read_head_predictions
from pipeline.metrics import (
    MeasuredRows,
    compute_metrics,
    confusion_rows,
    per_class_rows,
    require_val,
)
from pipeline.params import Params

TABLES = {
    "per_class": per_class_rows,
    "confusion": confusion_rows,
    "roc": roc_points,
    "precision_recall": precision_recall_points,
    "calibration": calibration_points,
}


def run(dataset: str, backbone: str, params: Params) -> str:
    """Measure one head's predictions; return a line that says how good they are.

    Writes the metrics of every split as JSON, and as CSV what split val says of each class:
    figures, confusion, ROC and precision-recall; and its calibration.

    Raises:
        HeadError: There is no head, or its predictions are not those that the stage train wrote.
        PredictionsError: The table of predictions has no split val.
    """
    params.dataset(dataset), params.backbone(backbone)
    folder = paths.model_folder(dataset, backbone)
    rows = MeasuredRows.of(read_head_predictions(folder))
    twin = ", of the head fitted to train alone" if is_fitted_to_all(folder) else ""
    val = require_val(rows)
    metrics = compute_metrics(rows)
    atomic_write_json(paths.metrics_file(dataset, backbone), metrics)
    for name, tabulate in TABLES.items():
        path = paths.plots_folder(dataset, backbone) / f"{name}.csv"
        atomic_write_csv(path, tabulate(val))
    found = metrics["val"]
    return (
        f"{dataset} {backbone}: val accuracy {found['accuracy']:.4f} "
        f"(95 % interval {found['accuracy_low']:.4f} to {found['accuracy_high']:.4f}, "
        f"{found['n']:,} images{twin})"
    )
