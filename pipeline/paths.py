"""Where every artefact lies, relative to the project's root; nothing else spells a path.

Commands run in the project's root, as DVC runs them. In `dvc exp run --temp` that is a
temporary copy of it, while `$DVC_ROOT` names the original. Programs that run elsewhere say
where the project is, by `project_at`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pipeline.errors import SourceError

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")
DVC_RWLOCK = Path(".dvc/tmp/rwlock")
REPORT = Path("report/index.html")
REPORT_PARTS = Path("report/parts")
PLOTS_PAGE = Path("report/plots_page.html")
METRICS = Path("metrics")
PLOTS = Path("plots")
SWEEP = Path("studies/sweep.yaml")
SWEEPS = Path("studies/sweep")
STUDIES = Path("studies/params.yaml")
STUDIES_LOCK = Path("studies/dvc.lock")
STUDIES_RESULTS = Path("studies/results")
COMPARISONS = Path("studies/compare")
STUDIES_PAGE = Path("report/studies.html")

_ROOT = ContextVar("_ROOT", default=Path())


@contextmanager
def project_at(root: Path) -> Iterator[None]:
    """Let this thread find the artefacts of the project in a folder, as long as the block runs."""
    token = _ROOT.set(root)
    try:
        yield
    finally:
        _ROOT.reset(token)


def _in_project(*parts: str | Path) -> Path:
    return _ROOT.get().joinpath(*parts)


def raw_folder(dataset: str) -> Path:
    """Folder with the dataset's one verified archive and its provenance."""
    return _in_project("data/raw", dataset)


def provenance_file(dataset: str) -> Path:
    """JSON: source, file name, bytes, sha256."""
    return raw_folder(dataset) / "provenance.json"


def raw_archive(dataset: str) -> Path:
    """The dataset's one archive, whatever its name.

    Raises:
        SourceError: There is none yet, or more than one file.
    """
    folder = raw_folder(dataset)
    found = [path for path in sorted(folder.glob("*")) if path != provenance_file(dataset)]
    if len(found) != 1:
        raise SourceError(
            f"{folder} holds {len(found)} archives, one is expected: run the stage fetch first."
        )
    return found[0]


def split_folder(dataset: str) -> Path:
    """Folder with `<split>/<class>/<file>`."""
    return _in_project("data/split", dataset)


def manifest_file(dataset: str) -> Path:
    """The table of the dataset's images."""
    return _in_project("data/manifests", f"{dataset}.csv")


def corrections_file(dataset: str) -> Path:
    """CSV: labels corrected by hand; in Git, and there only if there are any."""
    return _in_project("data/labels", f"{dataset}.csv")


def augmented_folder(dataset: str) -> Path:
    """Folder with `train/<class>/<stem>__copy<N>.jpg` and the index of copies."""
    return _in_project("data/augmented", dataset)


def copies_file(dataset: str) -> Path:
    """The table of the dataset's augmented copies."""
    return augmented_folder(dataset) / "copies.csv"


def weights_file(weights: str) -> Path:
    """The file that a backbone's setting `weights` names: from the folder `weights`, or absolute."""
    return _in_project("weights", weights)


def weights_record(backbone: str) -> Path:
    """JSON: where a backbone's weights are from, their bytes and sha256."""
    return _in_project("data/weights", f"{backbone}.json")


def features_file(dataset: str, backbone: str) -> Path:
    """HDF5 file of bottleneck features; docs/feature-file.md specifies it."""
    return _in_project("features", dataset, f"{backbone}.h5")


def store_folder() -> Path:
    """The feature store: one for the workspace and every experiment started from it."""
    return _in_project(os.environ.get("DVC_ROOT", "."), "features", ".store")


def thumbnails_folder() -> Path:
    """Small copies of images, for the report: one folder for the workspace and its experiments."""
    return _in_project(os.environ.get("DVC_ROOT", "."), "report", ".thumbnails")


def inspection_file(dataset: str, backbone: str) -> Path:
    """CSV: one row an original image: is its label suspect, is it an outlier, where on the map."""
    return _in_project("data/inspections", dataset, f"{backbone}.csv")


def model_folder(dataset: str, backbone: str) -> Path:
    """Folder with the trained head and its predictions."""
    return _in_project("models", dataset, backbone)


def predictions_file(dataset: str, backbone: str) -> Path:
    """CSV: one row an original image, one probability column a class."""
    return model_folder(dataset, backbone) / "predictions.csv"


def data_metrics_file(dataset: str) -> Path:
    """JSON: counts of images, splits and quarantine."""
    return _in_project(METRICS, dataset, "data.json")


def classes_file(dataset: str) -> Path:
    """CSV: images of each class in each split."""
    return _in_project(PLOTS, dataset, "classes.csv")


def metrics_file(dataset: str, backbone: str) -> Path:
    """JSON: how well the head does."""
    return _in_project(METRICS, dataset, f"{backbone}.json")


def plots_folder(dataset: str, backbone: str) -> Path:
    """Folder with a head's CSV files: its curves, which `dvc plots` draws, and its figures by class."""
    return _in_project(PLOTS, dataset, backbone)


def history_file(dataset: str, backbone: str) -> Path:
    """CSV: train and validation loss and accuracy, one row an epoch."""
    return plots_folder(dataset, backbone) / "history.csv"


def dataset_part(dataset: str) -> Path:
    """JSON: what the report says of a dataset."""
    return _in_project(REPORT_PARTS, f"{dataset}.json")


def head_part(dataset: str, backbone: str) -> Path:
    """JSON: what the report says of a head."""
    return _in_project(REPORT_PARTS, dataset, f"{backbone}.json")


def results_file(study: str, dataset: str, backbone: str | None = None) -> Path:
    """CSV: a row a model that a study tried."""
    folder = _in_project(STUDIES_RESULTS, dataset)
    return (folder / backbone if backbone else folder) / f"{study}.csv"


def comparison_file(dataset: str) -> Path:
    """CSV: a row a model of all studies."""
    return _in_project(COMPARISONS, f"{dataset}.csv")


def comparison_picture(dataset: str) -> Path:
    """SVG: how well each way to a classifier does."""
    return _in_project(COMPARISONS, f"{dataset}.svg")


def sweep_file(dataset: str, backbone: str) -> Path:
    """CSV: a row a head that a sweep tried."""
    return _in_project(SWEEPS, dataset, f"{backbone}.csv")


def sweep_picture(dataset: str, backbone: str) -> Path:
    """SVG: accuracy of a sweep's heads against each setting."""
    return _in_project(SWEEPS, dataset, f"{backbone}.svg")
