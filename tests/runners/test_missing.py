"""What the store lacks of a network is looked up again once it is claimed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.stages import extract
from pipeline.store.claims import Claims
from pipeline.store.shards import Keys
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, draw_image, make_params, make_project, place


def test_what_another_run_stored_just_before_the_claim_is_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path / "project", monkeypatch)
    place("pets", {f"train/{'cat' if n % 2 else 'dog'}/{n}.jpg": draw_image(n) for n in range(6)})
    engine = use_mean_colour(monkeypatch)
    claim, lines = Claims.claim, []

    @contextmanager
    def claim_late(self: Claims, keys: Keys) -> Iterator[NDArray[np.bool_]]:
        monkeypatch.setattr(Claims, "claim", claim)
        lines.append(extract.run("pets", BACKBONE, make_params()))
        with claim(self, keys) as free:
            assert free.all()
            yield free

    monkeypatch.setattr(Claims, "claim", claim_late)
    lines.append(extract.run("pets", BACKBONE, make_params()))
    assert engine.computed == 6
    assert [line.split(", ")[1] for line in lines] == ["6 computed", "0 computed"]
