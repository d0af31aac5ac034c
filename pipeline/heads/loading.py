"""From a features file to the rows that heads take, split by split."""

from collections.abc import Mapping
from functools import reduce
from typing import Literal

from pipeline import paths
from pipeline.errors import FeaturesError
from pipeline.features import Block, FeatureSet, read_features
from pipeline.heads.rows import Rows


def load_features(dataset: str, backbone: str) -> FeatureSet:
    """Read the features of a dataset by a backbone.

    Raises:
        FeaturesError: The file is missing, damaged, or of another dataset or backbone.
    """
    path = paths.features_file(dataset, backbone)
    features = read_features(path)
    if (features.header.dataset, features.header.backbone) != (dataset, backbone):
        raise FeaturesError(
            f"{path} holds {features.header.dataset}/{features.header.backbone}, not {dataset}/{backbone}: "
            "run the stage extract again."
        )
    return features


def rows_by_split(features: FeatureSet) -> dict[str, Rows]:
    """Return the rows of each split, originals and copies; a feature that is a map becomes flat."""
    classes = len(features.header.classes)
    return {name: _rows(block, classes) for name, block in features.splits.items()}


def rows_to_fit(rows: Mapping[str, Rows], fit_on: Literal["train", "all"]) -> Rows:
    """Return the rows of train, or of every split: what a head is fitted to in the end."""
    return reduce(Rows.join, rows.values()) if fit_on == "all" else rows["train"]


def _rows(block: Block, classes: int) -> Rows:
    return Rows(
        features=block.features.reshape(len(block), -1),
        labels=block.labels,
        groups=block.group,
        original=block.copy == 0,
        classes=classes,
    )
