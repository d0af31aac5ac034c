"""How fast `predict` answers beside the stage `extract`, in one run, taking turns.

    python benchmarks/predict.py ../shared/data/cats_vs_dogs_2000.zip --rounds 3

Both go over the same photos. The stage begins with an empty store; predict checks each file, computes
its feature and asks the head. Building the network, once a process, is in neither.
"""

import argparse
import contextlib
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import yaml

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.engines import Engine, open_engine
from pipeline.engines.choice import EngineConfig
from pipeline.manifest import read_used
from pipeline.params import Params, load_params
from pipeline.stages import augment, extract, fetch, split, train
from pipeline.tools.predict import predict_files

ROOT = Path(__file__).resolve().parents[1]
DATASET, BACKBONE = "photos", "efficientnet_lite0"


def main() -> None:
    """Print a line a round, and the median of the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="a .zip, .tar, .tgz or folder of photos")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    archive = options.archive.resolve()
    with tempfile.TemporaryDirectory(prefix="predict-") as folder, contextlib.chdir(folder):
        params = prepare(archive)
        used = read_used(paths.manifest_file(DATASET))
        files = [paths.split_folder(DATASET) / row.path for row in used]
        ratios = []
        for _ in range(options.rounds):
            extracted, predicted = time_extract(params, files), time_predict(params, files)
            ratios.append(predicted / extracted)
            print(
                f"{len(files)} photos: extract {extracted:.1f} images/s, predict {predicted:.1f} images/s, "
                f"{ratios[-1]:.2f} of it",
                flush=True,
            )
    print(f"median: {statistics.median(ratios):.2f}")


def prepare(archive: Path) -> Params:
    """Make a project of one dataset, without copies, up to a head; keep the network for all that follows."""
    settings = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    settings["datasets"] = {DATASET: {"source": "archive", "archive": str(archive)}}
    settings["augment"]["copies"] = 0
    paths.PARAMS.write_text(yaml.safe_dump(settings), encoding="utf-8")
    params = load_params()
    opened: dict[EngineConfig, Engine] = {}

    def open_once(config: EngineConfig, backbone: Backbone) -> Engine:
        if config not in opened:
            opened[config] = open_engine(config, backbone)
        return opened[config]

    patch("pipeline.extraction.extractor.open_engine", open_once).start()
    for stage in (fetch, split, augment):
        print(stage.run(DATASET, params), flush=True)
    for stage in (extract, train):
        print(stage.run(DATASET, BACKBONE, params), flush=True)
    return params


def time_extract(params: Params, files: list[Path]) -> float:
    """Return the images a second of the stage, files to features file."""
    shutil.rmtree(paths.store_folder().parent)
    began = time.perf_counter()
    extract.run(DATASET, BACKBONE, params)
    return len(files) / (time.perf_counter() - began)


def time_predict(params: Params, files: list[Path]) -> float:
    """Return the images a second of predict, files to answers."""
    began = time.perf_counter()
    assert len(list(predict_files(files, DATASET, BACKBONE, params))) == len(files)
    return len(files) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
