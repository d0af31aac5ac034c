"""This project, timed: `python time_bottleneck.py ENGINE [PRECISION]`. What extract does, and a head."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from extract import SIZE, open_extractor, rows_of, write_features
from turns import photos_of, serve

from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.extractor import compute
from pipeline.extraction.plan import make_plan
from pipeline.features import read_features
from pipeline.heads.cores import one_blas_thread
from pipeline.heads.loading import rows_by_split
from pipeline.heads.training import Recipe, fit_head
from pipeline.params import load_params
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import Store

STORE = Path(tempfile.mkdtemp(prefix="peers-store-"))
FILE = STORE / "features.h5"
EXTRACTOR = open_extractor(" ".join(sys.argv[1:]))
ENGINE = EXTRACTOR.engine
RECIPE = Recipe.of(load_params().head)


def features(photos: Path, what: str) -> Any:
    """Do what the stage extract does, and read the features file."""
    if what == "cold":
        shutil.rmtree(STORE)
    rows = [
        row._replace(split="val" if number % 5 == 0 else "train")
        for number, row in enumerate(rows_of(photos_of(photos)))
    ]
    rows.sort(key=lambda row: row.split)
    plan, fingerprint = make_plan(rows), EXTRACTOR.fingerprint
    store = SideBySide([Store(STORE, fingerprint)])
    missing = store.find(plan.keys).missing
    images = [
        ImageFile(row.file, row.sha256) for row, new in zip(rows, missing, strict=True) if new
    ]
    if images:
        store.add(compute(images, ENGINE, SIZE, "float16"))
    write_features(FILE, plan, store, fingerprint)
    blocks = read_features(FILE).splits.values()
    return np.concatenate([block.features for block in blocks])


def head(kept: Any, labels: Any) -> None:
    """Fit the default head to the features file."""
    with one_blas_thread():
        fit_head(rows_by_split(read_features(FILE))["train"], RECIPE)


try:
    serve(("openvino", "tensorflow-cpu"), features, head)
finally:
    shutil.rmtree(STORE)
