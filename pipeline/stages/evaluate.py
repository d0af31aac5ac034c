"""Stage evaluate: predictions become the metrics and the curves of one dataset and backbone."""

import csv
import io
import json
from collections.abc import Sequence

from pipeline import paths
from pipeline.files import atomic_write_text
from pipeline.metrics import (
    Row,
    calibration_points,
    compute_metrics,
    confusion_rows,
    require_val,
    roc_points,
)
from pipeline.params import Params
from pipeline.saved_heads import read_head_predictions


def run(dataset: str, backbone: str, params: Params) -> str:
    """Measure one head's predictions; return a line that says how good they are.

    Writes the metrics of every split as JSON, and as CSV the confusion, ROC and calibration
    of split val.

    Raises:
        HeadError: There is no head, or its predictions are not those that the stage train wrote.
        PredictionsError: The table of predictions has no split val.
    """
    predictions = read_head_predictions(paths.model_folder(dataset, backbone))
    val = require_val(predictions)
    metrics = compute_metrics(predictions, params.head.seed)
    text = json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    atomic_write_text(paths.metrics_file(dataset, backbone), f"{text}\n")
    folder = paths.plots_folder(dataset, backbone)
    curves = {"confusion": confusion_rows, "roc": roc_points, "calibration": calibration_points}
    for name, curve in curves.items():
        atomic_write_text(folder / f"{name}.csv", _as_csv(curve(val)))
    found = metrics["val"]
    return (
        f"{dataset} {backbone}: val accuracy {found['accuracy']:.4f} "
        f"(95 % interval {found['accuracy_low']:.4f} to {found['accuracy_high']:.4f}, {found['n']:,} images)"
    )


def _as_csv(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    table = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue()
