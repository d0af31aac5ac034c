"""Which files a dvc.lock says were made with the settings at hand, and of what."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.tools.lock_file import (
    LockFile,
    find_other_results,
    read_stages,
    warn_of_other_head,
    warn_of_other_settings,
)

PARAMS = {"split": {"seed": 7}, "head": {"units": 8, "kind": "mlp"}, "report": {"heat_maps": False}}
METRICS = "metrics/pets/lite.json"


def stage(outs: dict[str, str], deps: dict[str, str], **params: Any) -> dict[str, Any]:
    def listed(hashes: dict[str, str]) -> list[dict[str, str]]:
        return [{"path": path, "hash": "md5", "md5": md5} for path, md5 in hashes.items()]

    return {"outs": listed(outs), "deps": listed(deps), "params": {"params.yaml": params}}


def lock(params: Any = PARAMS, **changes: Any) -> LockFile:
    stages = {
        "split@pets": stage(
            {"data/split/pets": "s1"},
            {"data/raw/pets": "r1", "pipeline/x.py": "c1"},
            split={"seed": 7},
        ),
        "extract@pets-lite": stage({"features/pets/lite.h5": "f1"}, {"data/split/pets": "s1"}),
        "train@pets-lite": stage(
            {"models/pets/lite": "m1"},
            {"features/pets/lite.h5": "f1"},
            **{"head": PARAMS["head"], "split.seed": 7},
        ),
        "evaluate@pets-lite": stage({METRICS: "e1"}, {"models/pets/lite": "m1"}),
        "report": stage({"report/index.html": "p1"}, {METRICS: "e1"}, report={"heat_maps": True}),
    }
    return LockFile(stages | changes, params)


def test_what_was_made_with_these_settings_is_current_whatever_others_were() -> None:
    assert lock().is_current(METRICS)
    assert not lock().is_current("report/index.html")


@pytest.mark.parametrize(
    "changed",
    [
        {"split": {"seed": 8}},
        {"split": {}},
        {"split": 7},
        {"head": {"units": 8, "kind": "mlp", "more": 1}},
        {"head": {"units": 9, "kind": "mlp"}},
    ],
)
def test_another_setting_of_any_stage_behind_is_seen(changed: dict[str, Any]) -> None:
    assert not lock(PARAMS | changed).is_current(METRICS)


def test_a_stage_behind_that_ran_anew_alone_is_seen() -> None:
    again = stage({"data/split/pets": "s2"}, {"data/raw/pets": "r1"}, split={"seed": 7})
    assert not lock(**{"split@pets": again}).is_current(METRICS)


def test_what_no_stage_made_is_not_current() -> None:
    assert not lock().is_current("metrics/herbs/lite.json")
    assert not LockFile({}, PARAMS).is_current(METRICS)


@pytest.mark.parametrize(
    "text",
    ["", "stages: [", "stages: 3", "- 1", "schema: '2.0'", "stages:\n  one: [", "stages:\n  - 1"],
)
def test_what_is_no_lock_has_no_stage(text: str) -> None:
    assert read_stages(text) == {}


def test_a_lock_as_dvc_has_written_it_is_read_whole() -> None:
    text = (Path(__file__).parents[2] / "dvc.lock").read_text()
    expected = yaml.safe_load(text)["stages"]
    for stage in expected.values():
        stage["deps"] = [one for one in stage["deps"] if "pipeline/" not in one["path"]]
        assert len(stage["outs"]) > 0
    found = read_stages(text)
    assert {name: one | {"deps": one["deps"] or []} for name, one in found.items()} == expected
    first = "schema: '2.0'\n"
    assert text.startswith(first)
    assert read_stages(text.removeprefix(first) + first) == found


def test_features_of_other_settings_than_now_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    warn_of_other_settings("pets", "lite")  # nothing is there
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": lock().stages}))
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    warn_of_other_settings("pets", "lite")
    warn_of_other_settings("herbs", "lite")
    assert caplog.text == ""
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"head": {}}))
    warn_of_other_settings("pets", "lite")
    assert caplog.text == "", "of heads no feature knows"
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"split": {"seed": 8}}))
    warn_of_other_settings("pets", "lite")
    warn_of_other_settings("pets", None)
    assert "features/pets/lite.h5 was made with other settings than params.yaml has" in caplog.text
    assert "data/split/pets was made with other settings" in caplog.text


def test_a_head_that_is_not_that_of_the_lock_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("models/pets/lite")
    folder.mkdir(parents=True)
    (folder / "head.json").write_text("{}")
    (folder / "head.safetensors").write_bytes(b"weights")
    warn_of_other_head("pets", "lite")  # there is no lock
    # What DVC 3 calls these two files together.
    hash_of_both = "87c62c8e386ded6c0e14b0f9684530bb.dir"
    made = stage({folder.as_posix(): hash_of_both}, {})
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"train@pets-lite": made}}))
    warn_of_other_head("pets", "lite")
    warn_of_other_head("herbs", "lite")
    assert caplog.text == ""
    (folder / "head.json").write_text("{1}")
    warn_of_other_head("pets", "lite")
    assert "models/pets/lite is not the head that dvc.lock names: `dvc checkout" in caplog.text


def test_results_of_studies_of_other_settings_or_features_and_by_hand_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str, tree: Any) -> None:
        Path(name).write_text(yaml.safe_dump(tree))

    monkeypatch.chdir(tmp_path)
    assert find_other_results() == ([], []), "nothing is there"
    results = Path("studies/results/pets/lite/bottleneck.csv")
    results.parent.mkdir(parents=True)
    results.write_text("made")
    made = stage(
        {results.as_posix(): hashlib.md5(b"made", usedforsecurity=False).hexdigest()},
        {"features/pets/lite.h5": "f1"},
    )
    made["params"] = {"params.yaml": {"head": PARAMS["head"]}, "studies/params.yaml": {"seeds": 3}}
    write("dvc.lock", {"stages": lock().stages})
    write("studies/dvc.lock", {"stages": {"bottleneck@pets-lite": made}})
    write("params.yaml", PARAMS)
    write("studies/params.yaml", {"seeds": 3, "epochs": 1})
    assert find_other_results() == ([], [])
    others = (
        ("params.yaml", PARAMS | {"head": {}}), ("params.yaml", PARAMS | {"split": {"seed": 8}}),
        ("studies/params.yaml", {"seeds": 4}),
    )  # fmt: skip
    for file, tree in others:
        before = Path(file).read_text()
        write(file, tree)
        assert find_other_results() == ([results.as_posix()], [])
        Path(file).write_text(before)
    for features, found in (("f1", []), ("f2", [results.as_posix()])):
        again = stage({"features/pets/lite.h5": features}, {"data/split/pets": "s2"})
        write("dvc.lock", {"stages": lock(**{"extract@pets-lite": again}).stages})
        assert find_other_results() == (found, [])
    results.write_text("made by hand")
    write("studies/params.yaml", {"seeds": 4})
    assert find_other_results() == ([], [results.as_posix()])
    Path("studies/dvc.lock").unlink()
    assert find_other_results() == ([], [results.as_posix()])


def test_figures_that_are_not_what_was_made_are_told() -> None:
    def holding(content: bytes | None) -> LockFile:
        made = stage(
            {METRICS: hashlib.md5(b"figures", usedforsecurity=False).hexdigest()},
            {"models/pets/lite": "m1"},
        )
        found = lock(**{"evaluate@pets-lite": made})
        return LockFile(found.stages, found.params, lambda path: content)

    assert holding(b"figures").is_as_made(METRICS)
    assert holding(None).is_as_made(METRICS)
    assert not holding(b"better figures").is_as_made(METRICS)


def test_a_stage_that_works_in_a_folder_is_one_of_those_behind() -> None:
    weights = stage({"../data/weights/lite.json": "w1"}, {})
    weights["params"] = {"../params.yaml": {"report": {"heat_maps": False}}}
    extract = stage({"features/pets/lite.h5": "f1"}, {"data/weights/lite.json": "w1"})
    stages = {"weights@lite": weights, "extract@pets-lite": extract}
    assert lock(**stages).is_current(METRICS)
    assert not lock(PARAMS | {"report": {"heat_maps": True}}, **stages).is_current(METRICS)
    weights["outs"][0]["md5"] = "w2"
    assert not lock(**stages).is_current(METRICS)


def test_inputs_are_told_apart_by_hash_and_code_is_none() -> None:
    def split(**deps: str) -> str | None:
        other = stage(
            {"data/split/pets": "s1"}, {path.replace("_", "/"): h for path, h in deps.items()}
        )
        text = yaml.safe_dump({"stages": {"split@pets": other}}, sort_keys=False)
        return LockFile(read_stages(text), PARAMS).inputs_of("data/split/pets")

    first = split(data_raw="r1", pipeline_code="c1")
    assert first == split(pipeline_code="c2", data_raw="r1")
    assert len({first, split(data_raw="r2"), split(data_raw="r1", data_labels="l1")}) == 3
    assert lock().inputs_of("data/split/herbs") is None
