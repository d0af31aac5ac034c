"""The command line: light to start, answers on stdout, the rest on stderr, and tracebacks for bugs alone."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import cli
from pipeline.errors import ImageError, ParamsError
from pipeline.files import atomic_write_text
from pipeline.parallel import Progress
from pipeline.params import Params, load_params
from pipeline.tools import progress
from pipeline.tools.predict import Answer
from tests.damages import largest_file
from tests.project import BACKBONE, draw_image, make_project

ROOT = Path(__file__).parents[1]
HEAVY = (
    "tensorflow",
    "keras",
    "pandas",
    "openvino",
    "sklearn",
    "dvc",
    "cv2",
    "imgaug",
    "matplotlib",
    "h5py",
    "PIL",
)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["bottleneck", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def start(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program of the project's environment, and return what it said."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return make_project(tmp_path / "project", monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["extract", "--help"],
        ["experiments", "--help"],
        ["store", "--help"],
        ["datasets"],
        ["--version"],
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from pipeline.cli import main
sys.argv = ["bottleneck", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code
print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""
    done = start("-c", code)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_the_module_is_the_same_as_the_console_script() -> None:
    script = Path(sys.executable).with_name("bottleneck")
    assert script.is_file()
    assert (
        start("-m", "pipeline", "backbones").stdout == start(str(script), "backbones").stdout != ""
    )


def test_where_a_package_is_missing_the_module_says_what_installs_it() -> None:
    done = start(
        "-c", "import runpy, sys; sys.modules['typer'] = None; runpy.run_module('pipeline')"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: typer is not installed for ")
    assert done.stderr.endswith(": run `make install`, then `source .venv/bin/activate`\n")


def test_help_lists_every_stage_and_tool() -> None:
    done = start("-m", "pipeline", "--help")
    assert done.returncode == 0
    for name in ("add", "fetch", "split", "augment", "extract", "train", "evaluate", "report", "predict",
                 "store", "datasets", "backbones"):  # fmt: skip
        assert re.search(rf"\b{name}\b", done.stdout), name


def test_a_pipeline_error_is_a_message_on_stderr_and_status_1(tmp_path: Path) -> None:
    done = start("-m", "pipeline", "fetch", "pets", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "Error: cannot read params.yaml: No such file or directory. Run in the project's folder.\n"
    )


def test_predict_in_another_folder_says_so_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    code = f"""
import sys
from pipeline.cli import main
sys.argv = ["bottleneck", "predict", "a.jpg", "--dataset", "pets"]
try:
    main()
except SystemExit as end:
    print(end.code, sorted(set({HEAVY}) & set(sys.modules)))
"""
    done = start("-c", code, cwd=tmp_path)
    assert done.stdout == "1 []\n"
    assert "Run in the project's folder" in done.stderr


def test_predict_prints_the_answers_and_ends_with_1_where_a_file_is_bad(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict(*_: object) -> Iterator[Answer]:
        yield Answer(file="good.jpg", label="cat", probabilities={"cat": 1.0, "dog": 0.0})
        raise ImageError("cannot read bad.jpg: not an image.")

    monkeypatch.setattr("pipeline.tools.predict.predict_files", predict)
    assert run(monkeypatch, "predict", "good.jpg", "bad.jpg", "--dataset", "pets", "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["file"] == "good.jpg"
    assert err == "Error: cannot read bad.jpg: not an image.\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            BrokenProcessPool("A process in the process pool was terminated abruptly"),
            "where memory runs out",
        ),
        (MemoryError(), "Error: memory ran out"),
    ],
)
def test_that_memory_ran_out_is_told_in_a_line(
    error: Exception,
    message: str,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def predict(*_: object) -> Iterator[Answer]:
        raise error

    monkeypatch.setattr("pipeline.tools.predict.predict_files", predict)
    assert run(monkeypatch, "predict", "good.jpg", "--dataset", "pets") == 1
    assert message in capsys.readouterr().err


def test_crossvalidate_writes_no_table_over_what_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / "pipe")
    assert run(monkeypatch, "crossvalidate", "pets", BACKBONE, "--csv", path) == 2
    assert (tmp_path / "pipe").is_fifo()


def test_a_bug_keeps_its_traceback() -> None:
    code = """
import sys
from pipeline import cli, params
def fail():
    raise ZeroDivisionError("a bug")
params.load_params = fail
sys.argv = ["bottleneck", "fetch", "pets"]
cli.main()
"""
    done = start("-c", code)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a bug")
    assert "Error: a bug" not in done.stderr.replace("ZeroDivisionError: a bug", "")


@pytest.mark.parametrize(
    ("stage", "names"),
    [("fetch", ["pets"]), ("split", ["pets"]), ("augment", ["pets"]), ("extract", ["pets", BACKBONE]),
     ("train", ["pets", BACKBONE]), ("evaluate", ["pets", BACKBONE]), ("report", [])],
)  # fmt: skip
def test_a_stage_gets_its_names_and_settings_and_its_line_is_printed(
    stage: str,
    names: list[str],
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    got: list[Any] = []

    def note(*arguments: Any) -> str:
        got.extend(arguments)
        return f"{stage} is done"

    monkeypatch.setattr(f"pipeline.stages.{stage}.run", note)
    assert run(monkeypatch, stage, *names) == 0
    assert capsys.readouterr() == (f"{stage} is done\n", "")
    assert got[: len(names) + 1] == [*names, params]
    tracked: dict[str, list[Any]] = {
        "fetch": [("cat/1.jpg", b""), ("cat/2.jpg", b"")],
        "split": [[1, 2]],
        "augment": [[1, 2]],
        "extract": [([1], [2])],
    }
    batches = tracked.get(stage, [])
    assert [list(track(iter(batches), 2)) for track in got[len(names) + 1 :]] == (
        [batches] if batches else []
    )


@pytest.mark.parametrize(
    ("batches", "said"), [(0, "0 features are"), (1, "1 feature is"), (114, "114 features are")]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("params")
def test_ctrl_c_or_sigterm_while_features_are_computed_says_how_many_are_kept(
    batches: int,
    said: str,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def features() -> Iterator[tuple[list[int], list[int]]]:
        yield from [([1], [2])] * batches
        signal.raise_signal(number)

    def extract(dataset: str, backbone: str, params: Params, progress: Progress) -> str:
        return str(list(progress(features(), 200)))

    monkeypatch.setattr("pipeline.stages.extract.run", extract)
    # A shell that runs the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run(monkeypatch, "extract", "pets", BACKBONE) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr() == ("", f"stopped; {said} kept; run again\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["fetch", "pet"],
            1,
            r"Error: params\.yaml has no dataset 'pet'\. It has: pets\. Did you mean 'pets'\?",
        ),
        (
            ["train", "pets", "resnet"],
            1,
            r"Error: .*(no backbone 'resnet'|no backbone is called 'resnet')",
        ),
        (["split", "pets"], 1, r"Error: .*run the stage fetch first"),
        (["augment", "pets"], 1, r"Error: .*run the stage split first"),
        (
            ["extract", "pets", BACKBONE],
            1,
            r"Error: .*is missing: run the stage (split|augment) first",
        ),
        (["train", "pets", BACKBONE], 1, r"Error: .*is missing: run the stage extract first"),
        (["evaluate", "pets", BACKBONE], 1, r"Error: .*run the stage train first"),
        (["report"], 1, r"Error: .*The report_dataset stage"),
        (
            ["predict", "gone.jpg", "--dataset", "pets"],
            1,
            r"Error: cannot read gone\.jpg: No such file",
        ),
        (
            ["predict", "page.jpg", "--dataset", "pets"],
            1,
            r"Error: cannot read page\.jpg: not an image",
        ),
        (
            ["predict", "good.jpg", "--dataset", "pest"],
            1,
            r"Error: .*no dataset 'pest'.*Did you mean 'pets'",
        ),
        (
            ["predict", "good.jpg", "--dataset", "pets"],
            1,
            r"Error: .*holds no trained head: run the stage train",
        ),
        (["predict", "good.jpg"], 1, r"Error: models/pets/.*holds no trained head"),
        (["fetch"], 2, "(?i)missing argument .*dataset"),
        (["fetch", "pets", "extra"], 2, "extra"),
        (["ftch"], 2, "ftch"),
        (["report", "--colour"], 2, "--colour"),
    ],
)
@pytest.mark.usefixtures("params")
def test_what_the_user_can_fix_is_said_on_stderr(
    arguments: list[str],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("page.jpg").write_bytes(b"<html>")
    Path("good.jpg").write_bytes(draw_image(1))
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(monkeypatch, *arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert "Traceback" not in err


@pytest.mark.usefixtures("params")
def test_of_several_datasets_predict_wants_one_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = yaml.safe_load(Path("params.yaml").read_text())
    settings["datasets"]["herbs"] = {"source": "archive", "archive": "herbs"}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(monkeypatch, "predict", "good.jpg") == 2
    assert "say whose head is to answer, of herbs, pets" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )


def test_faults_of_params_come_before_anything_is_done(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("units: 8", "unts: 8"))
    with pytest.raises(ParamsError, match="2 faults"):
        load_params()
    assert run(monkeypatch, "fetch", "pets") == 1
    assert capsys.readouterr().err.startswith(
        "Error: params.yaml has 2 faults:\n  head.units: missing\n  head.unts: "
    )
    assert not Path("data").exists()


def test_a_fault_that_dvc_runs_into_tells_the_way_back_to_what_it_deleted(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("units: 8", "units: 0"))
    assert run(monkeypatch, "train", "pets", BACKBONE) == 1
    assert "dvc checkout" not in capsys.readouterr().err
    monkeypatch.setenv("DVC_STAGE", f"train@pets-{BACKBONE}")
    assert run(monkeypatch, "train", "pets", BACKBONE) == 1
    error = capsys.readouterr().err
    assert "head.units" in error
    assert (
        "by `dvc checkout dvc.yaml`, figures and plots by `git checkout -- metrics plots`" in error
    )


@pytest.mark.parametrize("name", ["my insects", "a;b", "-x", "--", "$(id)"])
def test_a_name_that_is_none_is_refused_by_what_is_said_of_params(
    name: str, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("pets:", f"'{name}':"))
    asked = ["--", name] if name == "--" else [name]
    assert run(monkeypatch, "split", *asked) == 1
    assert re.match(
        r"Error: params\.yaml has 1 fault:\n  datasets\..*a name", capsys.readouterr().err
    )


@pytest.mark.parametrize("happens", ["full disk", "read-only", "in the way", "too long", "bug"])
def test_what_the_system_refuses_is_told_in_a_line_and_a_bug_keeps_its_traceback(
    happens: str,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = Path("models/pets")

    def fail(*_: object) -> str:
        if happens == "full disk":
            with largest_file(10):
                atomic_write_text(models / "head.json", "x" * 99)
        elif happens == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(models))
        elif happens == "in the way":
            models.parent.write_text("no folder")
            atomic_write_text(models / "head.json", "x")
        elif happens == "too long":
            atomic_write_text(models / ("x" * 300), "x")
        raise FileNotFoundError(errno.ENOENT, "a bug", "x")

    monkeypatch.setattr("pipeline.stages.train.run", fail)
    if happens == "bug":
        monkeypatch.setattr(sys, "argv", ["bottleneck", "train", "pets", BACKBONE])
        with pytest.raises(FileNotFoundError, match="a bug"):
            cli.main()
        return
    assert run(monkeypatch, "train", "pets", BACKBONE) == 1
    out, err = capsys.readouterr()
    expected = {
        "full disk": "models/pets/head.json: File too large; make room",
        "read-only": "models/pets: Read-only file system; it is mounted",
        "in the way": "models/pets: Not a directory; .*: move it away",
        "too long": "models/pets/.*x: File name too long; shorten",
    }
    assert out == ""
    assert re.fullmatch(rf"Error: {expected[happens]}.*\.\n", err)


@pytest.mark.parametrize(
    "settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONUTF8": "1"}]
)
def test_a_name_that_is_not_utf_8_can_be_printed(
    settings: dict[str, str], tmp_path: Path, params: Params
) -> None:
    code = (
        "import os, sys; from pipeline import cli; from pipeline.stages import split\n"
        "split.run = lambda *_: os.fsdecode(b'm\\xc3\\xb6w\\xff.jpg')\n"
        "sys.argv = ['bottleneck', 'split', 'pets']; cli.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=False
    )
    assert done.stderr == b""
    assert done.returncode == 0
    assert re.fullmatch(rb"m.+w.+\.jpg\n", done.stdout)


@pytest.fixture
def answers(params: Params, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What predict_files is asked; it knows two answers."""
    asked: list[Any] = []

    def predict(
        files: list[Path], dataset: str, backbone: str, settings: Params, progress: Progress
    ) -> Iterator[Answer]:
        asked.append((files, dataset, backbone, settings))
        for number, file in enumerate(files):
            yield Answer(
                file=str(file), label="cat", probabilities={"cat": 0.75 + number / 8, "dog": 0.25}
            )

    monkeypatch.setattr("pipeline.tools.predict.predict_files", predict)
    return asked


def test_predict_prints_a_line_an_image(
    answers: list[Any],
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "predict", "a b.jpg", "c.jpg", "--dataset", "pets") == 0
    out, err = capsys.readouterr()
    assert out == "a b.jpg: cat  (cat 0.7500  dog 0.2500)\nc.jpg: cat  (cat 0.8750  dog 0.2500)\n"
    assert err == ""
    assert answers == [([Path("a b.jpg"), Path("c.jpg")], "pets", BACKBONE, params)]


def test_predict_prints_an_object_a_line_for_machines(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(
            monkeypatch,
            "predict",
            "ü.jpg",
            "c.jpg",
            "--dataset",
            "pets",
            "--json",
            "--backbone",
            "vgg16",
        )
        == 0
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {
        "file": "ü.jpg",
        "label": "cat",
        "probabilities": {"cat": 0.75, "dog": 0.25},
        "similarity": None,
        "unlike": None,
    }
    assert [line["file"] for line in lines] == ["ü.jpg", "c.jpg"]
    assert answers[0][2] == "vgg16"


def test_predict_shows_the_most_probable_classes_alone_where_asked(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "predict", "a.jpg", "--dataset", "pets", "--top", "1") == 0
    assert capsys.readouterr().out == "a.jpg: cat  (cat 0.7500)\n"
    assert run(monkeypatch, "predict", "a.jpg", "--dataset", "pets", "--top", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["probabilities"] == {"cat": 0.75}


def test_predict_writes_a_table(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "predict", "a, b.jpg", "c.jpg", "--dataset", "pets", "--csv") == 0
    out = capsys.readouterr().out
    assert out == 'file,label,unlike,cat,dog\n"a, b.jpg",cat,,0.75,0.25\nc.jpg,cat,,0.875,0.25\n'
    assert run(monkeypatch, "predict", "a.jpg", "--dataset", "pets", "--csv", "--json") == 2


def test_predict_takes_a_list_on_standard_input(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", ["a.jpg\n", "b.jpg\n"])
    assert run(monkeypatch, "predict", "-", "--dataset", "pets") == 0
    assert answers[0][0] == [Path("a.jpg"), Path("b.jpg")]
    monkeypatch.setattr("sys.stdin", None)
    assert run(monkeypatch, "predict", "-", "--dataset", "pets") == 1
    assert "no image in the list on standard input" in capsys.readouterr().err


def test_the_backbones_of_the_catalogue_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "backbones") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert "efficientnet_lite0" in names
    assert "resnet50" in names


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_goes_to_stderr_and_passes_every_batch_on(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = [(np.zeros((2, 32), np.uint8), np.full((2, 3), number)) for number in range(5)]
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    track = progress.tracker("computed", lambda batch: len(batch[0]))
    assert list(track(iter(batches), 10)) == batches
    out, err = capsys.readouterr()
    assert out == ""
    if not terminal:
        lines = err.splitlines()
        assert len(lines) == 4, "the first says nothing of the rate"
        assert re.fullmatch(r"computed 10 of 10 images, [\d.]+ images/s, 0 s left", lines[-1])


def test_progress_of_nothing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.tracker("computed")(iter([]), 0)) == []
    assert capsys.readouterr() == ("", "")


def test_datasets_lists_those_of_params_and_elsewhere_those_that_are_known(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "datasets") == 0
    assert capsys.readouterr() == ("pets  archive pets  not fetched yet\n", "")
    Path("params.yaml").unlink()
    assert run(monkeypatch, "datasets") == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["cats_vs_dogs", "flowers"]
    assert err == "There is no params.yaml here; these are known by name:\n"


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"bottleneck {version('frozen-bottleneck')}\n"


@pytest.mark.usefixtures("params")
@pytest.mark.parametrize("command", ["stats", "verify", "gc"])
def test_an_empty_store_is_called_empty(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.tools.store_maintenance.features_in_use", lambda _: {})
    assert run(monkeypatch, "store", command) == 0
    assert capsys.readouterr().out == "the store is empty (features/.store)\n"
