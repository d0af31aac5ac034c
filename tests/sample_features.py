"""Features whose class is easy to see, in memory and as a file."""

from pathlib import Path

import numpy as np

from pipeline.features import Block, Header, create_features
from pipeline.heads.rows import Rows
from tests.project import BACKBONE


def rows_of(groups: int, copies: int = 1, classes: int = 2, width: int = 6) -> Rows:
    """Return groups of two originals, each with copies; the class is easy to see."""
    rng = np.random.default_rng(0)
    of_group = 2 * (1 + copies)
    labels = np.repeat(np.arange(groups) % classes, of_group).astype(np.int64)
    features = rng.normal(size=(len(labels), width)) + 4 * np.eye(classes, width)[labels]
    return Rows(
        features=features.astype(np.float16),
        labels=labels,
        groups=np.repeat([f"{number:064}".encode() for number in range(groups)], of_group),
        original=np.tile(np.arange(of_group) < 2, groups),
        classes=classes,
    )


def place_features(path: Path, train: Rows, val: Rows) -> None:
    """Leave what the stage `extract` would."""
    header = Header(
        dataset="pets",
        classes=("cat", "dog"),
        backbone=BACKBONE,
        fingerprint="f" * 32,
        fingerprint_parts="{}",
    )
    with create_features(path, header) as writer:
        for name, rows in (("train", train), ("val", val)):
            writer.add_split(name, len(rows), (rows.width,), rows.features.dtype, 5)
            keys = np.array([f"{name:>2}{number:062}".encode() for number in range(len(rows))])
            block = Block(
                features=rows.features,
                labels=rows.labels,
                sha256=keys.astype("S64"),
                parent=keys.astype("S64"),
                group=rows.groups,
                copy=(~rows.original).astype(np.uint8),
                path=np.full(len(rows), b"a.jpg"),
            )
            writer.append(name, block)
