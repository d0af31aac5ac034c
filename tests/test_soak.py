"""The soak: each kind of step ends as a clean run does, and what differs is noticed."""

import random
from pathlib import Path
from typing import cast

import pytest

from tests.soak import FEATURES, Different, Soak, compare, digests, take_steps

KINDS = (
    "add", "remove", "relabel", "correct", "kill", "kill dvc", "stop", "stop dvc", "damage shard",
    "damage features", "limit files", "gc", "pull", "two",
)  # fmt: skip


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    folder = tmp_path_factory.mktemp("soak")
    return Soak(folder, folder, seed=7)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_after_each_kind_of_step_all_is_as_after_a_clean_run(soak: Soak, kind: str) -> None:
    assert set(soak.kinds) - {"fill disk"} == set(KINDS)
    assert soak.step(kind)


@pytest.mark.slow
@pytest.mark.long
def test_a_byte_that_a_clean_run_does_not_give_is_noticed(
    soak: Soak, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = soak.finish

    def finish_and_spoil() -> str:
        done, path = finish(), soak.folder / FEATURES
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        return done

    monkeypatch.setattr(soak, "finish", finish_and_spoil)
    with pytest.raises(Different, match=f"^other bytes: {FEATURES}$"):
        soak.step("relabel")


def test_every_difference_is_named(tmp_path: Path) -> None:
    for folder, files in (
        ("one", {"same.csv": "1", "other.csv": "1", "gone.csv": "1", ".a.tmp": "1"}),
        ("two", {"same.csv": "1", "other.csv": "2", "new.csv": "1", ".b.tmp": "1"}),
    ):
        (tmp_path / folder / "data").mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / folder / "data" / name).write_text(text)
    one, two = digests(tmp_path / "one"), digests(tmp_path / "two")
    compare(one, one)
    with pytest.raises(Different) as error:
        compare(one, two)
    assert str(error.value).splitlines() == [
        "missing: data/gone.csv",
        "too much: data/new.csv",
        "other bytes: data/other.csv",
    ]


def test_the_first_difference_ends_it_and_names_the_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Second:
        rng = random.Random(7)
        steps = 0

        def step(self, kind: str) -> str:
            self.steps += 1
            if self.steps == 2:
                raise Different("other bytes: models/head.json")
            return "done"

    with pytest.raises(Different, match=r"^step 2, kill: other bytes: models/head.json$"):
        take_steps(cast(Soak, Second()), ["kill"], 5, 60)
    assert capsys.readouterr().out.endswith("kill: done\n")
    assert take_steps(cast(Soak, Second()), ["kill"], 5, 0).total() == 0
