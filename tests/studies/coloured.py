"""Images whose colour tells the class, as a study reads them; and the settings of quick studies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline import paths
from pipeline.params import Params
from pipeline.studies.settings import parse_studies
from pipeline.studies.task import Task
from tests.project import place
from tests.trained_project import tinted_image

ROOT = Path(__file__).parents[2]
TINY = "tiny"
SIZES = {"train": 8, "val": 4}
QUICK: dict[str, dict[str, Any]] = {
    "finetune": {"blocks": [1, 2, "all"], "epochs": 2, "batch_size": 8, "least_steps": 10},
    "learning_curve": {"images_a_class": [2], "seeds": 1, "blocks": 1},
    "scratch": {"input_size": 32, "epochs": 4, "least_steps": 30, "batch_size": 8},
}


def place_coloured(sizes: Mapping[str, int], copies: int = 1) -> None:
    """Leave images of cats and dogs in each split, each of train with copies."""
    images, copied = {}, {}
    for number, (split, one) in enumerate((s, one) for s in sizes for one in range(sizes[s])):
        for label, name in enumerate(("cat", "dog")):
            path = f"{split}/{name}/{one}.jpg"
            images[path] = tinted_image(label, 2 * number + label)
            if split == "train":
                copied[path] = {
                    f"train/{name}/{one}__copy{copy}.jpg": tinted_image(
                        label, 1000 * copy + 2 * number + label
                    )
                    for copy in range(1, copies + 1)
                }
    place("pets", images, copied)


def save_tiny_network(path: Path) -> None:
    """Save a network of four blocks: a filter, two that are added to what passes by, and a last one."""
    import keras
    from keras import layers

    def filtered(x: Any, name: str, stride: int = 1) -> Any:
        x = layers.Conv2D(4, 3, stride, "same", use_bias=False, name=f"{name}_filter")(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    keras.utils.set_random_seed(3)
    pixels = keras.Input((32, 32, 3))
    x = filtered(pixels, "stem", 4)
    x = layers.Add(name="first")([x, filtered(x, "first")])
    x = layers.Add(name="second")([x, filtered(x, "second")])
    keras.Model(pixels, filtered(x, "last", 2)).save(path)


def task_of(params: Params, backbone: str = "", **changes: dict[str, Any]) -> Task:
    """Return a quick task, some settings of its studies changed, section by section."""
    tree = yaml.safe_load((ROOT / paths.STUDIES).read_text(encoding="utf-8"))
    for section, values in tree.items():
        values |= QUICK.get(section, {}) | changes.get(section, {})
    return Task(dataset="pets", backbone=backbone, params=params, settings=parse_studies(tree))
