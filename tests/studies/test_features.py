from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pipeline.extraction.extractor import Extractor
from pipeline.extraction.plan import iterate_rows
from pipeline.heads.loading import load_features, rows_by_split
from pipeline.store.shards import ShardDamaged
from pipeline.store.side_by_side import SideBySide
from pipeline.studies.features import look_up
from tests.fakes import use_mean_colour
from tests.project import BACKBONE
from tests.trained_project import SIZES, make_trained


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Extractor:
    """A project with a features file and what its store was filled by."""
    params = make_trained(tmp_path, monkeypatch)
    return Extractor(BACKBONE, params.backbone(BACKBONE), params.extract)


def test_rows_are_those_of_the_features_file_and_nothing_is_computed_again(
    project: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use_mean_colour(monkeypatch)
    found = look_up(list(iterate_rows("pets")), project)
    expected = rows_by_split(load_features("pets", BACKBONE))
    assert list(found) == list(expected) == list(SIZES)
    for split, rows in expected.items():
        for field in fields(rows):
            left, right = (getattr(one, field.name) for one in (found[split], rows))
            np.testing.assert_array_equal(left, right)
    assert engine.computed == 0


def test_what_the_store_lacks_is_computed_once(
    project: Extractor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "elsewhere"))
    engine = use_mean_colour(monkeypatch)
    rows = [row for row in iterate_rows("pets") if row.copy == 0]
    look_up(rows, project)
    assert engine.computed == len(rows) == 2 * sum(SIZES.values())
    look_up(rows, project)
    assert engine.computed == len(rows)


def test_a_shard_that_was_damaged_is_looked_up_again(
    project: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, damages = SideBySide.read, iter([ShardDamaged(Path("a.h5"), "is truncated")])

    def damaged_once(*arguments: object) -> object:
        for damage in damages:
            raise damage
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SideBySide, "read", damaged_once)
    assert set(look_up(list(iterate_rows("pets")), project)) == set(SIZES)
