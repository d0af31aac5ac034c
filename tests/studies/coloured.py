"""Images whose colour tells the class, as a study reads them; and the settings of quick studies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline import paths
from pipeline.params import Params
from pipeline.studies.settings import parse_studies
from pipeline.studies.task import Task
from tests.project import BACKBONE, place
from tests.trained_project import tinted_image

ROOT = Path(__file__).parents[2]
QUICK = {
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


def task_of(params: Params, *, backbone: bool = False, **changes: dict[str, Any]) -> Task:
    """Return a quick task, some settings of its studies changed, section by section."""
    tree = yaml.safe_load((ROOT / paths.STUDIES).read_text(encoding="utf-8"))
    for section, values in tree.items():
        values |= QUICK.get(section, {}) | changes.get(section, {})
    name = BACKBONE if backbone else ""
    return Task(dataset="pets", backbone=name, params=params, settings=parse_studies(tree))
