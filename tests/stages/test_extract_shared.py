"""Stage extract with a store that a team shares: an image costs one pass among all, and nothing waits."""

from pathlib import Path

import pytest

from pipeline import paths
from pipeline.stages import extract
from pipeline.store import store as store_module
from tests.fakes import MeanColour, use_mean_colour
from tests.project import BACKBONE, draw_image, make_project, place

FEATURES = paths.features_file("pets", BACKBONE)
IMAGES = {f"train/{'cat' if n % 2 else 'dog'}/{n}.jpg": draw_image(n) for n in range(24)}


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> MeanColour:
    monkeypatch.setattr(store_module, "SHARD_ROWS", 10)
    return use_mean_colour(monkeypatch)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


def extract_on(
    machine: Path, monkeypatch: pytest.MonkeyPatch, team: Path | None, images: int = 24
) -> str:
    """Run the stage in a machine's own project, and return its line."""
    params = make_project(machine, monkeypatch, {"features.store": str(team) if team else None})
    place("pets", dict(list(IMAGES.items())[:images]))
    return extract.run("pets", BACKBONE, params)


def test_another_machine_computes_only_what_nobody_has(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = extract_on(tmp_path / "one", monkeypatch, team, images=20)
    assert first.startswith(f"pets/{BACKBONE}: 20 features, 20 computed, 0 from the store, ")
    assert first.endswith(f"; {team}: shards fetched: 0, added: 2")
    second = extract_on(tmp_path / "two", monkeypatch, team)
    assert second.startswith(f"pets/{BACKBONE}: 24 features, 4 computed, 20 from the store, ")
    assert second.endswith(f"; {team}: shards fetched: 2, added: 1")
    third = extract_on(tmp_path / "three", monkeypatch, team)
    assert (
        third
        == f"pets/{BACKBONE}: 24 features, 0 computed, 24 from the store; {team}: shards fetched: 3, added: 0"
    )
    alone = extract_on(tmp_path / "alone", monkeypatch, None)
    assert " 24 computed" in alone
    assert "shards" not in alone
    files = {(tmp_path / machine / FEATURES).read_bytes() for machine in ("two", "three", "alone")}
    assert len(files) == 1, "the shared store is not seen in the features file"


def test_a_shared_store_that_fails_is_told_and_costs_nothing_but_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line = extract_on(tmp_path / "one", monkeypatch, tmp_path / "not mounted")
    assert " 24 computed" in line
    assert (tmp_path / "one" / FEATURES).exists()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, "once for what comes, once for what goes"
    for message in told:
        assert "there is no folder" in message
        assert "goes on without it" in message
    assert "bottleneck store push" in told[1]


def test_a_shard_that_is_damaged_here_is_had_from_the_shared_store(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_on(tmp_path / "one", monkeypatch, team)
    whole = FEATURES.read_bytes()
    FEATURES.unlink()
    shard = next(paths.store_folder().glob("*/[!.]*.h5"))
    shard.write_bytes(shard.read_bytes()[:-5] + b"wrong")
    line = extract_on(tmp_path / "one", monkeypatch, team)
    assert " 0 computed" in line
    assert "shards fetched: 1" in line
    assert FEATURES.read_bytes() == whole
