"""Where every artefact lies, relative to the project's root; nothing else spells a path.

Commands run in the project's root, as DVC runs them. In `dvc exp run --temp` that is a
temporary copy of it, while `$DVC_ROOT` names the original.
"""

import os
from pathlib import Path

from pipeline.errors import SourceError

PARAMS = Path("params.yaml")
REPORT = Path("report/index.html")
REPORT_PARTS = Path("report/parts")
METRICS = Path("metrics")
PLOTS = Path("plots")
SWEEP = Path("studies/sweep.yaml")
SWEEPS = Path("studies/sweep")


def raw_folder(dataset: str) -> Path:
    """Folder with the dataset's one verified archive and its provenance."""
    return Path("data/raw") / dataset


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
    return Path("data/split") / dataset


def manifest_file(dataset: str) -> Path:
    """The table of the dataset's images."""
    return Path("data/manifests") / f"{dataset}.csv"


def augmented_folder(dataset: str) -> Path:
    """Folder with `train/<class>/<stem>__copy<N>.jpg` and the index of copies."""
    return Path("data/augmented") / dataset


def copies_file(dataset: str) -> Path:
    """The table of the dataset's augmented copies."""
    return augmented_folder(dataset) / "copies.csv"


def weights_file(weights: str) -> Path:
    """The file that a backbone's setting `weights` names: from the folder `weights`, or absolute."""
    return Path("weights") / weights


def weights_record(backbone: str) -> Path:
    """JSON: where a backbone's weights are from, their bytes and sha256."""
    return Path("data/weights") / f"{backbone}.json"


def features_file(dataset: str, backbone: str) -> Path:
    """HDF5 file of bottleneck features; docs/feature-file.md specifies it."""
    return Path("features") / dataset / f"{backbone}.h5"


def store_folder() -> Path:
    """The feature store: one for the workspace and every experiment started from it."""
    return Path(os.environ.get("DVC_ROOT", ".")) / "features" / ".store"


def model_folder(dataset: str, backbone: str) -> Path:
    """Folder with the trained head and its predictions."""
    return Path("models") / dataset / backbone


def predictions_file(dataset: str, backbone: str) -> Path:
    """CSV: one row an original image, one probability column a class."""
    return model_folder(dataset, backbone) / "predictions.csv"


def data_metrics_file(dataset: str) -> Path:
    """JSON: counts of images, splits and quarantine."""
    return METRICS / dataset / "data.json"


def classes_file(dataset: str) -> Path:
    """CSV: images of each class in each split."""
    return PLOTS / dataset / "classes.csv"


def metrics_file(dataset: str, backbone: str) -> Path:
    """JSON: how well the head does."""
    return METRICS / dataset / f"{backbone}.json"


def plots_folder(dataset: str, backbone: str) -> Path:
    """Folder with a head's CSV files: its curves, which `dvc plots` draws, and its figures by class."""
    return PLOTS / dataset / backbone


def history_file(dataset: str, backbone: str) -> Path:
    """CSV: train and validation loss and accuracy, one row an epoch."""
    return plots_folder(dataset, backbone) / "history.csv"


def dataset_part(dataset: str) -> Path:
    """JSON: what the report says of a dataset."""
    return REPORT_PARTS / f"{dataset}.json"


def head_part(dataset: str, backbone: str) -> Path:
    """JSON: what the report says of a head."""
    return REPORT_PARTS / dataset / f"{backbone}.json"


def sweep_file(dataset: str, backbone: str) -> Path:
    """CSV: a row a head that a sweep tried."""
    return SWEEPS / dataset / f"{backbone}.csv"


def sweep_picture(dataset: str, backbone: str) -> Path:
    """SVG: accuracy of a sweep's heads against each setting."""
    return SWEEPS / dataset / f"{backbone}.svg"
