"""A project with a small network of one's own, and its features of coloured images."""

from collections.abc import Iterator

import pytest

from pipeline.params import Params
from pipeline.stages import extract
from tests.project import make_project
from tests.studies.coloured import SIZES, TINY, place_coloured, save_tiny_network


@pytest.fixture(scope="module")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Params]:
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        save_tiny_network(folder / "tiny.keras")
        own = {"network": "own", "weights": str(folder / "tiny.keras"), "scaling": "tf"}
        changes = {
            f"backbones.{TINY}": {**own, "input_size": 32},
            "extract.engine": "tensorflow",
            "head.epochs": 40,
        }
        params = make_project(folder, patch, changes)
        place_coloured(SIZES)
        extract.run("pets", TINY, params)
        yield params
