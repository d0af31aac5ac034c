"""A sweep keeps what it found, tries nothing twice, and names the command that takes the best."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import paths
from pipeline.errors import HeadError
from pipeline.params import HeadParams
from pipeline.selection.candidates import SweepParams, load_sweep, parse_sweep
from pipeline.tools import sweep as tool
from tests.project import BACKBONE, make_project
from tests.sample_features import place_features, rows_of

ROOT = Path(__file__).parents[2]
GRID: dict[str, Any] = {"kind": ["linear", "centroid"], "l2": [0.0, 0.1], "epochs": [1, 2]}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeadParams:
    """Settings of a project that has features of a dataset `pets`."""
    params = make_project(tmp_path, monkeypatch, {"head.kind": "mlp", "head.patience": 1})
    place_features(paths.features_file("pets", BACKBONE), rows_of(20), rows_of(6))
    return params.head


def sweep_of(base: HeadParams, **changes: Any) -> SweepParams:
    return parse_sweep({"method": "grid", "folds": 2, "settings": GRID | changes}, base)


def run(base: HeadParams, sweep: SweepParams) -> str:
    return tool.run("pets", BACKBONE, sweep, base)


def table() -> str:
    return paths.sweep_file("pets", BACKBONE).read_text()


def test_a_sweep_leaves_a_row_a_head_and_a_picture_and_says_what_is_best(base: HeadParams) -> None:
    said = run(base, sweep_of(base))
    assert said.startswith(
        f"pets/{BACKBONE}: 5 heads on 2 folds of train, 5 tried now, 0 were there"
    )
    assert len(table().splitlines()) == 1 + 5
    assert paths.sweep_picture("pets", BACKBONE).read_text().lstrip().startswith("<?xml")
    assert re.search(
        r"the best of 5 heads tried, .* val log loss 0\.\d+, val accuracy 1\.0000", said
    )


def test_a_second_run_tries_only_what_is_new_and_leaves_the_same_bytes(base: HeadParams) -> None:
    run(base, sweep_of(base))
    assert "0 tried now, 5 were there" in run(base, sweep_of(base))
    assert "2 tried now, 5 were there" in run(base, sweep_of(base, l2=[0.0, 0.1, 0.2]))
    grown, drawn = table(), paths.sweep_picture("pets", BACKBONE).read_text()
    paths.sweep_file("pets", BACKBONE).unlink()
    assert "7 tried now, 0 were there" in run(base, sweep_of(base, l2=[0.0, 0.1, 0.2]))
    assert table() == grown
    assert paths.sweep_picture("pets", BACKBONE).read_text() == drawn


def test_other_features_folds_or_settings_are_tried_anew(base: HeadParams) -> None:
    sweep = sweep_of(base)
    run(base, sweep)
    assert "5 tried now" in run(base, sweep.model_copy(update={"folds": 3}))
    assert "5 tried now" in run(base, sweep.model_copy(update={"seed": 8}))
    assert "5 tried now" in run(base.model_copy(update={"seed": 8}), sweep)
    run(base, sweep)
    place_features(paths.features_file("pets", BACKBONE), rows_of(21), rows_of(6))
    assert "5 tried now" in run(base, sweep)
    place_features(paths.features_file("pets", BACKBONE), rows_of(21), rows_of(8))
    assert "0 tried now" in run(base, sweep), "val has no part in it"


def test_who_stops_it_keeps_the_heads_that_are_done(
    base: HeadParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.selection.sweep.MOST_TOGETHER", 1)

    def stop_after_two(blocks: Iterator[Any], total: int) -> Iterator[Any]:
        assert total == 5
        yield next(blocks)
        yield next(blocks)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tool.run("pets", BACKBONE, sweep_of(base), base, stop_after_two)
    with paths.sweep_file("pets", BACKBONE).open("a") as stream:
        stream.write("a line that was being wri")
    assert "3 tried now, 2 were there" in run(base, sweep_of(base))


def test_a_row_that_a_hand_spoiled_is_tried_again(base: HeadParams) -> None:
    run(base, sweep_of(base))
    good = table()
    header, first, *rest = good.splitlines()
    cells = first.split(",")
    cells[header.split(",").index("log_loss")] = "O.5"
    spoiled = "\n".join([header, ",".join(cells), *rest, ""])
    paths.sweep_file("pets", BACKBONE).write_text(spoiled)
    assert "1 tried now, 4 were there" in run(base, sweep_of(base))
    assert table() == good


@pytest.mark.parametrize("damage", ["better", "swapped", "bytes", "long"])
def test_a_table_that_was_changed_is_not_believed(base: HeadParams, damage: str) -> None:
    said = run(base, sweep_of(base)).splitlines()[1:]
    good, file = table(), paths.sweep_file("pets", BACKBONE)
    header, first, second, *rest = good.splitlines()
    place = header.split(",").index("log_loss")
    if damage == "better":
        cells = first.split(",")
        cells[place] = "0.000001"
        first = ",".join(cells)
    elif damage == "swapped":
        (one, first), (other, second) = first.split(",", 1), second.split(",", 1)
        first, second = f"{other},{first}", f"{one},{second}"
    elif damage == "long":
        first = "x" * 200_000
    file.write_text("\n".join([header, first, second, *rest, ""]))
    if damage == "bytes":
        file.write_bytes(file.read_bytes().replace(b"linear", b"l\xffnear", 1))
    again = run(base, sweep_of(base))
    assert "0 tried now" not in again
    assert again.splitlines()[1:] == said
    assert table() == good


def test_a_sweep_that_is_stopped_keeps_the_heads_of_another(base: HeadParams) -> None:
    run(base, sweep_of(base))

    def stop(blocks: Iterator[Any], total: int) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        tool.run("pets", BACKBONE, sweep_of(base, l2=[0.5]), base, stop)
    assert "0 tried now, 5 were there" in run(base, sweep_of(base))


def test_the_command_names_what_differs_from_params_and_nothing_else(base: HeadParams) -> None:
    said = run(base, sweep_of(base, kind=["mlp"], units=[[4, 3]], l2=[base.l2], epochs=[2]))
    command = shlex.split(said.splitlines()[-1].partition(": ")[2])
    assert command[:3] == ["dvc", "exp", "run"]
    assert command[3::2] == ["-S"] * 3
    assert set(command[4::2]) == {"head.epochs=2", "head.units=[4,3]", "head.patience=0"}


def test_where_the_best_head_is_the_projects_it_says_so(base: HeadParams) -> None:
    base = base.model_copy(update={"patience": 0})
    said = run(base, sweep_of(base, kind=["mlp"], l2=[base.l2], epochs=[base.epochs]))
    assert said.splitlines()[-1] == "it is the head that params.yaml asks for"


def test_heads_that_cannot_be_fitted_are_counted(base: HeadParams) -> None:
    base = base.model_copy(update={"optimizer": "sgd"})
    said = run(base, sweep_of(base, kind=["linear"], learning_rate=[0.01, 1e200], l2=[0.1]))
    assert "2 of 4 heads could not be fitted; the first: training diverged" in said
    assert table().count("diverged") == 2
    with pytest.raises(HeadError, match="none of 2 heads could be fitted; the first: training"):
        run(base, sweep_of(base, kind=["linear"], learning_rate=[1e200], l2=[0.1]))


def test_the_project_has_a_sweep_and_a_stage_for_it() -> None:
    params = yaml.safe_load((ROOT / paths.PARAMS).read_text())
    load_sweep(ROOT / paths.SWEEP, HeadParams.model_validate(params["head"]))
    stage = yaml.safe_load((ROOT / "studies" / "dvc.yaml").read_text())["stages"]["sweep"]
    outs = [next(iter(out)) for out in stage["outs"]]
    for key, value in (("dataset", "d"), ("backbone", "b")):
        outs = [out.replace(f"${{item.{key}}}", value) for out in outs]
    found = (paths.sweep_file("d", "b"), paths.sweep_picture("d", "b"))
    assert outs == [str(path) for path in found]
    assert stage["cmd"] == "python -m pipeline sweep '${item.dataset}' '${item.backbone}'"
