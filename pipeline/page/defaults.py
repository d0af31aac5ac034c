"""The settings that the project comes with, so that the page can mark those that are others."""

from collections.abc import Mapping
from typing import Any

# A copy of params.yaml: what stands there may be the user's own. A test compares the two.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "datasets": {
        "cats_vs_dogs": {"source": "drawn", "archive": None},
        "flowers": {"source": "drawn", "archive": None},
    },
    "backbones": {
        "efficientnet_lite0": {
            "network": None,
            "layer": None,
            "pooling": "avg",
            "input_size": 224,
            "weights": "imagenet",
            "scaling": None,
        },
    },
    "split": {
        "val_fraction": 0.2,
        "test_fraction": 0.0,
        "seed": 7,
        "near_duplicates": True,
        "method": "stable",
        "respect_folders": False,
    },
    "augment": {"copies": 2, "rotate": 20.0, "shift": 0.1, "zoom": 0.1, "flip": True, "seed": 7},
    "extract": {"engine": "auto", "precision": "float32", "batch_size": 64, "dtype": "float16"},
    "head": {
        "k": 20,
        "temperature": 0.07,
        "shrinkage": None,
        "l1": 0.0,
        "l2": None,
        "optimizer": "adam",
        "momentum": 0.9,
        "nesterov": False,
        "learning_rate": 0.009,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 15,
        "patience": 0,
        "restarts": 1,
        "class_weight": None,
        "c": None,
        "units": (128,),
        "dropout": 0.5,
        "kind": "mlp",
        "scaling": "none",
        "holdout": 0.1,
        "fit_on": "train",
        "calibrate": False,
        "seed": 7,
    },
    "report": {"heat_maps": False},
}
