"""dvc.yaml against the code: its deps are what each stage is made of, its paths those of the layout."""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from pipeline import paths
from pipeline.cli import app
from pipeline.params import ExtractParams, Params
from pipeline.studies.study import OF_CANDIDATES, STUDIES
from tests.closure import PACKAGE, import_closure
from tests.dag import light_stages, stage_calls
from tests.project import BACKBONE, draw_folders, make_project

ROOT = Path(__file__).parents[1]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, dict[str, Any]] = {
    name: {**stage, **stage.get("do", {})} for name, stage in PIPELINE["stages"].items()
}
EXEMPT = {
    "pipeline.params": "DVC sees the settings themselves, by `params:`",
    "pipeline.paths": "a path that moves is a path that changes in dvc.yaml; a test below compares them",
    "pipeline.errors": "messages change no result",
    "pipeline.cli": "arguments and printing change no result; progress.py is reached through it alone",
}
# Where features are fetched from and added to, and who computes them; they are the same.
DECIDE_NOTHING = {
    "split": {"runners.split"},
    "augment": {"runners.augment"},
    "extract": {"features.store", "extract.runner"},
}
OF_RAY = {"extract.runner", "extract.ray"}
OF_GPUS = "extract.batch_size"  # read where there is one
DATA = {  # listed, no modules
    "plots_page": [PACKAGE / "stages" / "plots_page.html"],
    "report": sorted((PACKAGE / "page" / "templates").glob("*.*")),
}
TEMPLATES = ["pipeline/page/templates", "pipeline/studies/templates"]  # of the studies' page
IN_GIT = str(paths.corrections_file("d").parent)  # a stage's input that people write
NAMES = {"${item.dataset}": "d", "${item.backbone}": "b", "${item.candidate}": "b"}


def in_root(stage: str, path: str) -> str:
    """Return a path that a stage names, as seen from the project's root."""
    return os.path.normpath(Path(STAGES[stage].get("wdir", "."), path))


def deps_of(stage: str) -> list[str]:
    return [in_root(stage, dep) for dep in STAGES[stage]["deps"]]


def named(text: str, stage: str = "") -> str:
    """Return a path of dvc.yaml for a dataset `d` and a backbone `b`."""
    key = {"${key}": "b" if stage == "weights" else "d"}
    for variable, name in (NAMES | key).items():
        text = text.replace(variable, name)
    assert "${" not in text
    return text


def params_of(stage: str) -> list[str]:
    """Return the settings that a stage names, all of them in the params.yaml of the root."""
    found: list[str] = []
    for entry in STAGES[stage].get("params", []):
        if isinstance(entry, Mapping):
            assert [in_root(stage, file) for file in entry] == [str(paths.PARAMS)]
            entry = next(iter(entry.values()))
        found += [entry] if isinstance(entry, str) else entry
    return found


def paths_of(stage: str, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the outs, metrics or plots of a stage, each with its options."""
    found = []
    for kind in kinds:
        for entry in STAGES[stage].get(kind, []):
            path, options = next(iter(entry.items())) if isinstance(entry, Mapping) else (entry, {})
            found.append((in_root(stage, named(path, stage)), options))
    return found


def test_the_stages_are_those_of_the_code_and_of_the_command_line() -> None:
    modules = {file.stem for file in (PACKAGE / "stages").glob("*.py")} - {"__init__"}
    assert set(STAGES) == modules
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {command_of(stage) for stage in modules} == {
        name for name, command in commands.items() if command.rich_help_panel == "Stages"
    }


def command_of(stage: str) -> str:
    return stage.replace("_", "-")


def code_of(stage: str) -> list[str]:
    """Return the files of the package that a stage lists."""
    return code_among(deps_of(stage))


def code_among(deps: list[str]) -> list[str]:
    """Return the files of the package, those of a listed folder one by one."""
    found: list[str] = []
    for dep in deps:
        if dep.startswith("pipeline/"):
            place = ROOT / dep
            inside = place.rglob("*") if place.is_dir() else [place]
            found += [
                str(file.relative_to(ROOT))
                for file in inside
                if file.is_file() and "__pycache__" not in file.parts
            ]
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_exactly_what_it_is_made_of(stage: str) -> None:
    listed = code_of(stage)
    closure = import_closure(PACKAGE / "stages" / f"{stage}.py", frozenset(EXEMPT))
    closure.add("pipeline/__init__.py")
    closure -= {"pipeline/stages/__init__.py"}
    data = {file for file in listed if not file.endswith(".py")}
    assert data == {str(file.relative_to(ROOT)) for file in DATA.get(stage, ())}
    assert set(listed) - data - closure == set(), "listed, but not imported"
    assert closure - set(listed) == set(), "imported, but not listed"
    assert len(listed) == len(set(listed))


def test_the_exempt_modules_exist_and_have_reasons() -> None:
    assert all(
        (ROOT / f"{name.replace('.', '/')}.py").is_file() and reason
        for name, reason in EXEMPT.items()
    )
    nothing = ast.parse((PACKAGE / "stages" / "__init__.py").read_text()).body[1:]
    assert nothing == [], "only a docstring, so no stage depends on it"


def test_slow_stages_are_not_made_of_what_changes_often() -> None:
    often = ("pipeline/cli.py", "pipeline/tools/", "pipeline/reporting/")
    for stage in ("fetch", "split", "augment", "extract", "inspect", "train"):
        assert not [file for file in code_of(stage) if file.startswith(often)]


@pytest.mark.parametrize("stage", STAGES)
def test_commands_are_those_of_the_command_line_with_names_alone(stage: str) -> None:
    one = dict.fromkeys(("fetch", "split", "augment", "report_dataset"), " d")
    arguments = {**one, "weights": " b", "report": "", "plots_page": ""}.get(stage, " d b")
    command = command_of(stage)
    quoted = "".join(f" '{name}'" for name in arguments.split())
    to_root = "cd .. && " if "wdir" in STAGES[stage] else ""
    assert named(STAGES[stage]["cmd"], stage) == f"{to_root}python -m pipeline {command}{quoted}"
    found = get_command(app).commands[command]  # type: ignore[attr-defined]
    assert len(found.params) == len(arguments.split())


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("fetch", [paths.raw_folder("d")]),
        (
            "split",
            [
                paths.split_folder("d"),
                paths.manifest_file("d"),
                paths.data_metrics_file("d"),
                paths.classes_file("d"),
            ],
        ),
        ("augment", [paths.augmented_folder("d")]),
        ("extract", [paths.features_file("d", "b")]),
        ("inspect", [paths.inspection_file("d", "b")]),
        ("train", [paths.model_folder("d", "b"), paths.history_file("d", "b")]),
        (
            "evaluate",
            [
                paths.plots_folder("d", "b") / "per_class.csv",
                paths.metrics_file("d", "b"),
                *(
                    paths.plots_folder("d", "b") / f"{name}.csv"
                    for name in ("confusion", "roc", "precision_recall", "calibration")
                ),
            ],
        ),
        ("weights", [paths.weights_record("b")]),
        ("report_dataset", [paths.dataset_part("d")]),
        ("report_head", [paths.head_part("d", "b")]),
        ("report", [paths.REPORT]),
        ("plots_page", [paths.PLOTS_PAGE]),
    ],
)
def test_outputs_lie_where_the_layout_says(stage: str, expected: list[Path]) -> None:
    assert [path for path, _ in paths_of(stage, "outs", "metrics", "plots")] == [
        str(path) for path in expected
    ]


def test_what_a_stage_reads_an_earlier_stage_writes() -> None:
    written: set[str] = set()
    for stage in STAGES:
        for dep in deps_of(stage):
            if "${item.archive}" in dep or "${item.weights}" in dep:
                continue
            dep = named(dep)
            if not dep.startswith("pipeline/") and dep != IN_GIT:
                assert any(path == dep or path.startswith(f"{dep}/") for path in written), (
                    f"{stage}: {dep}"
                )
        written |= {path for path, _ in paths_of(stage, "outs", "metrics", "plots")}


def test_metrics_and_plots_are_files_of_git_and_plots_say_how_they_are_drawn() -> None:
    for stage in STAGES:
        for path, options in paths_of(stage, "outs", "metrics", "plots"):
            is_gits = paths.METRICS in Path(path).parents or paths.PLOTS in Path(path).parents
            is_gits &= stage != "split"  # DVC's run-cache serves no stage with other files of git
            assert (options.get("cache") is False) == is_gits, path
        for path, options in paths_of(stage, "plots"):
            assert {"template", "x", "y", "title"} <= options.keys(), path
            assert (ROOT / ".dvc" / "plots" / f"{options['template']}.json").is_file(), path


def test_only_heads_have_metrics_so_that_they_can_be_read_side_by_side() -> None:
    assert {stage for stage in STAGES if "metrics" in STAGES[stage]} == {"evaluate"}


STUDY_STAGES: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "studies" / "dvc.yaml").read_text(encoding="utf-8")
)["stages"]


@pytest.mark.parametrize("study", STUDY_STAGES)
def test_a_study_lists_exactly_what_it_is_made_of(study: str) -> None:
    stage = STUDY_STAGES[study]
    assert stage["wdir"] == "..", "paths are from the root"
    module = PACKAGE / ("tools/sweep.py" if study == "sweep" else f"studies/{study}.py")
    closure = import_closure(module, frozenset(EXEMPT))
    closure.add("pipeline/__init__.py")
    listed = code_among(stage["deps"])
    data = {file for file in listed if not file.endswith(".py")}
    assert data == (set(code_among(TEMPLATES)) if study == "compare" else set())
    assert set(listed) - data - closure == set(), "listed, but not imported"
    assert closure - set(listed) == set(), "imported, but not listed"


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_runs_its_command_and_keeps_its_results_where_the_layout_says(study: str) -> None:
    stage, backbone = STUDY_STAGES[study], "b" if STUDIES[study] else ""
    names = " ".join(f"'{name}'" for name in ("d", backbone) if name)
    assert named(stage["cmd"]) == f"python -m pipeline study {study} {names}"
    (out,) = stage["outs"]
    file = {named(name): flags for name, flags in out.items()}
    assert file == {str(paths.results_file(study, "d", backbone or None)): {"cache": False}}


def test_the_comparison_depends_on_all_results_and_keeps_its_own_elsewhere() -> None:
    stage = STUDY_STAGES["compare"]
    assert stage["deps"][0] == str(paths.STUDIES_RESULTS)
    outs = (str(paths.COMPARISONS), str(paths.STUDIES_PAGE))
    assert stage["outs"] == [{out: {"cache": False}} for out in outs]
    assert stage["cmd"] == "python -m pipeline study compare"


def test_every_study_has_a_stage_and_axes_that_are_names_in_params() -> None:
    assert set(STUDY_STAGES) == {*STUDIES, "sweep", "compare"}
    for study, of_backbones in STUDIES.items():
        other = {"backbone": "${backbones}"} if of_backbones else {}
        if study in OF_CANDIDATES:
            other = {"candidate": f"${{{study}.candidates}}"}
        axes = {"dataset": "${datasets}", **other}
        assert STUDY_STAGES[study]["matrix"] == axes


def test_axes_are_the_names_in_params() -> None:
    assert PIPELINE["stages"]["fetch"]["foreach"] == "${datasets}"
    assert PIPELINE["stages"]["weights"]["foreach"] == "${backbones}"
    for stage in ("split", "augment", "report_dataset"):
        assert STAGES[stage]["matrix"] == {"dataset": "${datasets}"}
    for stage in ("extract", "inspect", "train", "evaluate", "report_head"):
        assert STAGES[stage]["matrix"] == {"dataset": "${datasets}", "backbone": "${backbones}"}
        assert list(STAGES[stage]["matrix"]) == ["dataset", "backbone"], (
            "their order makes the stage's name"
        )
    assert "matrix" not in STAGES["report"]


def test_split_depends_on_the_folder_of_corrections_which_git_has() -> None:
    assert IN_GIT in deps_of("split")
    assert (ROOT / IN_GIT / "README.md").is_file()


def test_fetch_depends_on_the_archive_or_on_a_file_that_stands_for_none() -> None:
    assert deps_of("fetch")[0] == "${item.archive}${nothing}"
    assert PIPELINE["vars"] == [{"nothing": ""}]
    assert (ROOT / "None").is_file()


def test_weights_depend_on_what_the_backbone_names_in_the_folder_of_weights() -> None:
    assert STAGES["weights"]["deps"][0] == "${item.weights}"
    assert Path(STAGES["weights"]["wdir"]) / "a" == paths.weights_file("a")
    assert all(paths.weights_file(word).is_file() for word in ("imagenet", "random"))


class Recorder:
    """Settings that note which of them are read; asking for a name alone is no reading."""

    def __init__(self, values: Any, where: str, read: set[str]) -> None:
        self._values, self._where, self._read = values, where, read

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._values, name)
        if name in ("dataset", "backbone"):
            return lambda key: Recorder(value(key), f"{name}s.{key}", self._read)
        if name in ("datasets", "backbones"):
            self._read.add(name)
            return value
        if self._where == "" and name in Params.model_fields:
            return Recorder(value, name, self._read)
        if self._where == "":
            # All at once, but for what the page leaves out.
            own = {f"extract.{key}" for key in ExtractParams.model_fields}
            whole = set(Params.model_fields) - {"extract", "features", "runners", "synsets"}
            self._read |= whole | (own - OF_RAY)
        else:
            self._read.add(f"{self._where}.{name}")
        return value


def is_named(key: str, names: list[str]) -> bool:
    """Tell whether a setting, or the section around it, is among the params of a stage."""
    return any(key == name or key.startswith(f"{name}.") for name in names)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """Which settings each stage reads, when all are run."""
    with pytest.MonkeyPatch.context() as patch:
        params = make_project(
            tmp_path_factory.mktemp("read"),
            patch,
            {"split.near_duplicates": True, "report.heat_maps": True},
        )
        draw_folders(Path("pets"), {"cat": 12, "dog": 12})
        found: dict[str, set[str]] = {}
        with light_stages():
            read: set[str] = set()
            for name, call in stage_calls(Recorder(params, "", read), params):
                call()
                found[name.partition("@")[0]] = set(read)
                read.clear()
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_no_setting_that_its_params_do_not_name(
    stage: str, readings: dict[str, set[str]]
) -> None:
    names = [
        name.replace("datasets.${key}", "datasets.pets")
        .replace("backbones.${key}", f"backbones.{BACKBONE}")
        .replace("${item.backbone}", BACKBONE)
        for name in params_of(stage)
    ]
    unnamed = {key for key in readings[stage] if not is_named(key, names)}
    assert unnamed == DECIDE_NOTHING.get(stage, set())
    read = readings[stage] | {OF_GPUS}
    unread = [name for name in names if not any(is_named(key, [name]) for key in read)]
    assert unread == [], "named, but not read"


@pytest.mark.parametrize("stage", STAGES)
def test_params_name_what_params_yaml_has(stage: str) -> None:
    tree = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    for name in params_of(stage):
        section = tree
        for key in re.sub(r"\.\$\{[^}]+\}", "", name).split("."):
            section = section[key]


def test_git_merges_no_lines_of_a_record_of_runs(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e", *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    def commit(text: str) -> None:
        for name in ("dvc.lock", "studies/dvc.lock", "params.yaml"):
            (tmp_path / name).write_text(text)
        git("add", "--all")
        git("commit", "--quiet", "--message", text[:9])

    git("init", "--quiet", "--initial-branch", "ours")
    (tmp_path / "studies").mkdir()
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    lines = "".join(f"{number}\n" for number in range(20))
    commit(lines)
    git("checkout", "--quiet", "-b", "theirs")
    commit(f"{lines}theirs\n")
    git("checkout", "--quiet", "ours")
    commit(f"ours\n{lines}")
    git("merge", "--quiet", "--strategy-option", "ours", "theirs")
    assert (tmp_path / "params.yaml").read_text() == f"ours\n{lines}theirs\n"
    for name in ("dvc.lock", "studies/dvc.lock"):
        assert (tmp_path / name).read_text() == f"ours\n{lines}"
