"""Features of the images as they are split and labelled now, for whoever says what holds of those."""

from pipeline import paths
from pipeline.errors import FeaturesError
from pipeline.features import FeatureSet
from pipeline.heads.loading import load_features
from pipeline.manifest import read_used


def load_current_features(dataset: str, backbone: str) -> FeatureSet:
    """Read the features of a dataset by a backbone, and compare them with its manifest, if that is there.

    Raises:
        FeaturesError: As `load_features`; or an image, its split or its label is another now.
        ManifestError: The manifest is damaged.
    """
    features = load_features(dataset, backbone)
    manifest = paths.manifest_file(dataset)
    if not manifest.is_file():
        return features
    now = {row.sha256: (row.split, row.label) for row in read_used(manifest)}
    then = _originals(features)
    changed = sum(now.get(one) != then.get(one) for one in now.keys() | then.keys())
    if changed:
        raise FeaturesError(
            f"{paths.features_file(dataset, backbone)} is of the images as they were: {changed:,} of "
            f"{len(now):,} are new, gone, or have another split or label now ({manifest}). Run "
            f"`dvc repro extract@{dataset}-{backbone}` first."
        )
    return features


def _originals(features: FeatureSet) -> dict[str, tuple[str, str]]:
    """Return sha256 to split and label of each image that is no copy."""
    return {
        key.decode(): (split, features.header.classes[label])
        for split, block in features.splits.items()
        for key, label, copy in zip(
            block.sha256.tolist(), block.labels.tolist(), block.copy.tolist(), strict=True
        )
        if copy == 0
    }
