"""Exports: each format says what the head says, stands alone, and replaces nothing that it should not."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import cli, paths
from pipeline.errors import ExportError, HeadError
from pipeline.exporting import export, formats
from pipeline.exporting.card import MARK, write_card
from pipeline.exporting.formats import FORMATS
from pipeline.features import read_features
from pipeline.images import decode_square
from pipeline.params import Params
from pipeline.predictions_file import read_predictions
from pipeline.rounding import percent
from pipeline.stages import extract, train
from tests.damages import largest_file
from tests.documents import python_in
from tests.exporting.tiny import use_tiny_backbone
from tests.fakes import use_mean_colour
from tests.project import BACKBONE, make_params
from tests.trained_project import make_trained

CLASSES = ("big cat", "dog", "naïve fox")
LIMIT = 1 << 14  # bytes, less than any of the formats takes


def require(ending: str) -> None:
    for module in FORMATS[ending].needs:
        pytest.importorskip(module, reason="the extra `export` is not installed")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """A project with a head on mean colours; not to be changed."""
    root = tmp_path_factory.mktemp("trained") / "project"
    with pytest.MonkeyPatch.context() as patch:
        return root, make_trained(root, patch, "pets", CLASSES)


@pytest.fixture
def params(trained: tuple[Path, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A copy of the project, in which the test runs."""
    use_tiny_backbone(monkeypatch)
    use_mean_colour(monkeypatch)
    monkeypatch.chdir(shutil.copytree(trained[0], tmp_path / "project"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return trained[1]


def run(params: Params, to: str, **options: Any) -> str:
    return export.run("pets", BACKBONE, params, Path(to), **options)


def names_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def val_images() -> tuple[list[bytes], Any]:
    """Return the files of split val, and what the head says of their cached features."""
    table = read_predictions(paths.predictions_file("pets", BACKBONE)).of_split("val")
    return [
        (paths.split_folder("pets") / path).read_bytes() for path in table.path
    ], table.probabilities


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_it_says_of_files_what_the_head_said_of_their_features(params: Params, ending: str) -> None:
    require(ending)
    line = run(params, f"out/pets{ending}")
    assert line.startswith(f"out/pets{ending}: {FORMATS[ending].title}, ")
    files, expected = val_images()
    pixels = np.stack([decode_square(data, 32) for data in files])
    found = FORMATS[ending].open(Path(f"out/pets{ending}"))(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len({*expected.argmax(axis=1)}) == 3
    assert names_in("out") == [f"pets{ending}", f"pets{ending}.md"]


@pytest.mark.slow
def test_a_saved_model_takes_bytes_and_names_the_class(params: Params) -> None:
    import tensorflow as tf

    run(params, "pets")
    files, expected = val_images()
    said = tf.saved_model.load("pets").signatures["serving_default"](images=tf.constant(files))
    np.testing.assert_allclose(said["probabilities"], expected, atol=1e-5)
    assert [one.decode() for one in said["classes"].numpy()] == list(CLASSES)
    assert [one.decode() for one in said["label"].numpy()] == [
        CLASSES[row.argmax()] for row in expected
    ]


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_the_cards_own_lines_run_where_this_package_is_not(
    params: Params, tmp_path: Path, ending: str
) -> None:
    require(ending)
    alone = tmp_path / "elsewhere"
    run(params, str(alone / f"pets{ending}"))
    files, expected = val_images()
    (alone / "photo.jpg").write_bytes(files[-1])
    code = python_in((alone / f"pets{ending}.md").read_text(encoding="utf-8"))
    hidden = "import sys; sys.modules['pipeline'] = None"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([hidden, *code])],
        cwd=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, _, probability = done.stdout.strip().rpartition(" ")
    assert label == CLASSES[expected[-1].argmax()]
    assert float(probability) == pytest.approx(expected[-1].max(), abs=1e-5)


def test_names_of_classes_are_in_the_file(params: Params) -> None:
    run(params, "pets.keras")
    assert zipfile.ZipFile("pets.keras").read("labels.txt").decode().splitlines() == list(CLASSES)
    assert zipfile.ZipFile("pets.keras").testzip() is None


@pytest.mark.slow
def test_names_of_classes_are_in_onnx(params: Params) -> None:
    require(".onnx")
    import onnx

    run(params, "pets.onnx")
    found = {one.key: one.value for one in onnx.load("pets.onnx").metadata_props}
    assert json.loads(found["labels"]) == list(CLASSES)


def test_the_card_of_a_network_of_ones_own_says_so(params: Params) -> None:
    saved = export.read_saved("pets", BACKBONE)
    settings = params.backbone(BACKBONE).model_copy(
        update={"network": "own", "weights": "a.keras", "scaling": "tf"}
    )
    params = params.model_copy(update={"backbones": {BACKBONE: settings}})
    facts = export._gather_facts(Path("a.keras"), "pets", BACKBONE, params, saved.info, 0.0)
    assert facts.network == "a network of one's own"


@pytest.mark.parametrize(
    ("source", "licence"), [("archive", "not known here"), ("kaggle", "Creative Commons")]
)
def test_the_licence_is_that_of_images_which_the_catalogue_describes(
    params: Params, source: str, licence: str
) -> None:
    saved = export.read_saved("pets", BACKBONE)
    paths.model_folder("pets", BACKBONE).parent.rename(
        paths.model_folder("flowers", BACKBONE).parent
    )
    own = params.datasets["pets"].model_copy(update={"source": source})
    params = params.model_copy(update={"datasets": {"flowers": own}})
    facts = export._gather_facts(Path("a.keras"), "flowers", BACKBONE, params, saved.info, 0.0)
    assert licence in facts.data_licence


def test_the_card_of_a_head_fitted_to_all_says_so(params: Params) -> None:
    info = export.read_saved("pets", BACKBONE).info.model_copy(update={"fit_on": "all", "rows": 99})
    card = write_card(export._gather_facts(Path("a.keras"), "pets", BACKBONE, params, info, 0.0))
    assert "Fitted to 99 images of every split; augmented copies are not counted." in card
    assert (
        "figures of its twin, fitted to train alone; this model is fitted to every split." in card
    )


def test_the_card_tells_what_is_known(params: Params) -> None:
    run(params, "pets.keras")
    card = Path("pets.keras.md").read_text(encoding="utf-8")
    header = read_features(paths.features_file("pets", BACKBONE)).header
    figures = json.loads(paths.metrics_file("pets", BACKBONE).read_text())["val"]
    for part in (
        "big cat, dog, naïve fox", header.fingerprint, f"| {figures['n']} of val |",
        f"{percent(figures['accuracy_low'])} to", "EfficientNet-Lite0", "mlp", "Fitted to 36 images",
        "always names one of its classes", "All is computed in float32.",
    ):  # fmt: skip
        assert part in card


def test_the_card_has_the_figures_of_the_head_and_not_of_an_earlier_one(params: Params) -> None:
    file = paths.metrics_file("pets", BACKBONE)
    before = file.read_text()
    run(params, "pets.keras")
    expected = Path("pets.keras.md").read_text(encoding="utf-8")
    earlier = json.loads(before)
    earlier["val"] |= {"accuracy": 0.987, "log_loss": 9.875}
    file.write_text(json.dumps(earlier))
    try:
        run(params, "pets.keras")
    finally:
        file.write_text(before)
    found = Path("pets.keras.md").read_text(encoding="utf-8")
    assert _without_difference(found) == _without_difference(expected)
    assert "9.875" not in found


def _without_difference(card: str) -> list[str]:
    return [line for line in card.splitlines() if "differ by at most" not in line]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (
            "pets.h5",
            r"--to pets\.h5: .*'\.h5'; expected \.keras, \.onnx, \.tflite, or a name without",
        ),
        ("pets.v2", r"ending '\.v2'"),
        (".", r"--to \.: expected a name for the model"),
        ("models/.onnx", r"--to models/\.onnx: expected a name for the model"),
    ],
)
def test_an_ending_that_is_not_known_is_told(params: Params, to: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        run(params, to)


def test_the_command_ends_with_1_and_a_message(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["bottleneck", "export", "pets", BACKBONE, "--to"]
    monkeypatch.setattr(sys, "argv", [*argv, "pets.pb"])
    with pytest.raises(SystemExit, match=r"^1$"):
        cli.main()
    out, err = capsys.readouterr()
    assert (out, err[:20]) == ("", "Error: --to pets.pb:")
    monkeypatch.setattr(sys, "argv", [*argv, "pets.keras"])
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main()
    assert capsys.readouterr().out.startswith("pets.keras: Keras, ")


def test_what_sigterm_ends_is_put_away(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(export, "build_network", end)
    monkeypatch.setattr(
        sys, "argv", ["bottleneck", "export", "pets", BACKBONE, "--to", "pets.keras"]
    )
    before = sorted(Path().iterdir())
    with pytest.raises(SystemExit, match=r"^130$"):
        cli.main()
    assert sorted(Path().iterdir()) == before


def test_what_is_not_installed_is_told_with_what_installs_it(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "tf2onnx" else True)
    with pytest.raises(
        ExportError, match=r"ONNX needs tf2onnx, .* pip install --editable '\.\[export\]'"
    ):
        run(params, "pets.onnx")


def test_where_no_head_is_trained_the_command_is_told(params: Params) -> None:
    shutil.rmtree(paths.model_folder("pets", BACKBONE))
    with pytest.raises(ExportError, match=rf"run `dvc repro train@pets-{BACKBONE}` first"):
        run(params, "pets.keras")


def test_a_backbone_of_several_networks_is_refused() -> None:
    joint = make_params({f"backbones.{BACKBONE}.network": ["vgg16", "vgg19"]})
    with pytest.raises(ExportError, match=rf"{BACKBONE} has 2 networks.*{BACKBONE}\.network"):
        run(joint, "pets.keras")


def test_a_head_of_another_network_is_refused(params: Params) -> None:
    other = params.model_copy(
        update={"extract": params.extract.model_copy(update={"dtype": "float16"})}
    )
    with pytest.raises(
        HeadError, match=r"another fingerprint: dtype \"float32\" then, \"float16\" now"
    ):
        run(other, "pets.keras")


def test_the_card_tells_where_features_were_rounded(params: Params) -> None:
    halves = params.extract.model_copy(update={"dtype": "float16"})
    again = params.model_copy(update={"extract": halves})
    for stage in (extract, train):
        stage.run("pets", BACKBONE, again)
    run(again, "pets.keras")
    assert "kept in float16" in Path("pets.keras.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_earlier_export_is_replaced(params: Params) -> None:
    for name in ("pets.keras", "pets"):
        run(params, name)
        run(params, name)
    assert Path("pets.keras.md").read_text(encoding="utf-8").startswith(MARK)


@pytest.mark.parametrize("name", ["pets.keras", "pets.keras.md"])
def test_what_is_no_export_is_replaced_by_force_alone(params: Params, name: str) -> None:
    Path(name).write_text("mine")
    with pytest.raises(
        ExportError, match=rf"{name} is there already and was not written by .* --force"
    ):
        run(params, "pets.keras")
    assert Path(name).read_text() == "mine"
    run(params, "pets.keras", force=True)
    assert Path(name).read_bytes()[:4] != b"mine"


@pytest.mark.parametrize("to", ["data", "photo.keras"])
def test_a_folder_that_is_no_model_is_not_replaced_by_force_either(params: Params, to: str) -> None:
    Path(to).mkdir(exist_ok=True)
    (Path(to) / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"what lies there is not .* move it away"):
        run(params, to, force=True)
    assert (Path(to) / "mine.txt").read_text() == "mine"


def test_a_link_is_not_replaced(params: Params) -> None:
    Path("real.keras").write_text("mine")
    Path("pets.keras").symlink_to("real.keras")
    with pytest.raises(
        ExportError, match=r"that is a link to real\.keras, .* name the file itself"
    ):
        run(params, "pets.keras", force=True)
    assert Path("real.keras").read_text() == "mine"


def test_what_else_lies_in_a_saved_model_is_not_lost(params: Params) -> None:
    Path("pets").mkdir()
    for name in ("saved_model.pb", "notes.txt"):
        Path("pets", name).write_text("mine")
    Path("pets.md").write_text(MARK)
    with pytest.raises(
        ExportError, match=r"could be replaced \(it holds notes\.txt\): choose another"
    ):
        run(params, "pets")
    assert Path("pets/notes.txt").read_text() == "mine"


def test_a_full_disk_leaves_what_was_there(params: Params) -> None:
    run(params, "out/pets.keras")
    before = Path("out/pets.keras").read_bytes()
    with largest_file(LIMIT), pytest.raises(OSError, match="File too large") as caught:
        run(params, "out/pets.keras")
    assert caught.value.errno == errno.EFBIG
    assert Path("out/pets.keras").read_bytes() == before
    assert names_in("out") == ["pets.keras", "pets.keras.md"]


def test_too_little_room_is_told_before(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(ExportError, match=r"0 MB are free there: make room"):
        run(params, "pets.keras")


def test_a_folder_that_may_not_be_written_is_named(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: Any) -> None:
        raise PermissionError(
            errno.EACCES, os.strerror(errno.EACCES), f"{options['dir']}/.pets.keras.1.tmp"
        )

    monkeypatch.setattr(export, "TemporaryDirectory", refuse)
    with pytest.raises(PermissionError, match=r"'out/pets\.keras'"):
        run(params, "out/pets.keras")


def test_a_model_that_says_something_else_is_not_written(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = formats.Format(
        title="Keras",
        write=FORMATS[".keras"].write,
        open=lambda path: lambda pixels: np.full((len(pixels), 3), np.nan, np.float32),
    )
    monkeypatch.setattr(export, "format_of", lambda path: wrong)
    with pytest.raises(
        ExportError, match=r"other probabilities than the head.*nothing was written"
    ):
        run(params, "out/pets.keras")
    assert names_in("out") == []
