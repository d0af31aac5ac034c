from pathlib import Path

import numpy as np
import pytest

from pipeline.studies import scratch
from tests.project import make_params, make_project
from tests.studies.coloured import place_coloured, task_of

SIZES = {"train": 8, "val": 6}


@pytest.mark.slow
def test_a_network_learns_from_nothing_what_colour_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path, monkeypatch)
    place_coloured(SIZES)
    (result,) = scratch.run(task_of(params))
    assert (result.recipe, result.n, result.images_a_class) == ("scratch", 12, 8)
    assert result.accuracy > 0.9, "half would be chance"


def test_another_seed_begins_with_other_weights_and_the_same_with_the_same() -> None:
    params = make_params()
    settings = task_of(params).settings.scratch
    first, same, other = (
        scratch.build_network(settings, params.augment, 2, seed).get_weights() for seed in (1, 1, 2)
    )
    assert all(np.array_equal(one, two) for one, two in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])
