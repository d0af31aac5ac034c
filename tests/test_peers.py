"""The comparison with rivals counts right: what is wrong shows, and so does who computes less."""

from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "peers"
OURS = {"passes": 20, "faults": 0}


@pytest.fixture
def behaviour(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import behaviour

    return behaviour


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import changes

    return changes


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        ({"a": [1.0], "b": [2.0]}, 0),
        ({"a": [1.0], "b": [2.5]}, 1),
        ({"a": [1.0]}, 1),
        ({"a": [1.0], "b": [2.0], "gone": [3.0]}, 1),
    ],
    ids=["equal", "stale", "missing", "left over"],
)
def test_a_feature_that_is_stale_missing_or_left_over_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, list[float]], faults: int
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from bench import count_faults

    assert count_faults(found, {"a": [1.0], "b": [2.0]}) == faults


def test_a_rival_with_fewer_passes_is_named(behaviour: ModuleType) -> None:
    found = {
        "ours": {"new photos": OURS},
        "equal": {"new photos": OURS},
        "fewer": {"new photos": {"passes": 19, "faults": 0}},
        "stale": {"new photos": {"passes": 0, "faults": 20}},
        "broken": {"new photos": {"failed": "no"}},
    }
    assert behaviour.find_fewer(found) == [
        "fewer (new photos: 19 for 20)",
        "stale (new photos: 0 for 20, 20 wrong)",
    ]


@pytest.mark.parametrize(
    ("name", "count"), [("add", 8), ("rename", 6), ("duplicate", 8), ("relabel", 6)]
)
def test_changes_keep_or_add_photos(
    changes: ModuleType, tmp_path: Path, name: str, count: int
) -> None:
    _draw(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*")}
    getattr(changes, name)(tmp_path, 2)
    after = {path: path.read_bytes() for path in tmp_path.glob("*/*")}
    assert len(after) == count
    assert len(after.keys() - before.keys()) == 2
    assert len(set(after.values()) - set(before.values())) == (2 if name == "add" else 0)


@pytest.mark.parametrize("same_size", [False, True])
def test_overwriting_changes_the_bytes_and_nothing_else(
    changes: ModuleType, tmp_path: Path, same_size: bool
) -> None:
    _draw(tmp_path)
    before = {path: (path.stat(), path.read_bytes()) for path in tmp_path.glob("*/*")}
    changes.overwrite(tmp_path, 2, same_size=same_size)
    changed = [path for path, (_, data) in before.items() if path.read_bytes() != data]
    assert len(changed) == 2
    for path in changed:
        stat = path.stat()
        assert (stat.st_mtime_ns, stat.st_ino) == (
            before[path][0].st_mtime_ns,
            before[path][0].st_ino,
        )
        assert (stat.st_size == before[path][0].st_size) == same_size


def test_the_picture_is_valid_and_marks_what_is_wrong(
    behaviour: ModuleType, tmp_path: Path
) -> None:
    found = {
        "ours": {"cold": {"passes": 100, "faults": 0}, "new photos": {"passes": 0, "faults": 0}},
        "a rival, tuned": {
            "cold": {"passes": 100, "faults": 0},
            "new photos": {"passes": 1, "faults": 5},
        },
        "another": {"cold": {"failed": "cannot be installed here"}},
    }
    behaviour.draw_behaviour(found, tmp_path / "picture.svg")
    tree = ElementTree.parse(tmp_path / "picture.svg")
    kinds = [one.get("class") for one in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert kinds == ["all", "all", "none", "few", "wrong", "none"]


def _draw(folder: Path) -> None:
    from tests.sample_images import encode, scene

    for number in range(6):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(scene(seed=number), "JPEG"))
