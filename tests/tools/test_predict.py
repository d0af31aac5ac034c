"""Predicting: an image gets the answer that its cached feature gets, in the way that training took."""

import csv
import io
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline import paths
from pipeline.errors import HeadError, ImageError, ParamsError
from pipeline.extraction.joint import JointExtractor
from pipeline.features import read_features
from pipeline.manifest import read_used
from pipeline.params import Params
from pipeline.predictions_file import read_predictions
from pipeline.stages import extract, train
from pipeline.tools.predict import format_answer, open_predictor, predict_files, write_csv
from tests.fakes import MeanColour, use_mean_colour
from tests.project import BACKBONE, draw_image, make_params, make_project, place
from tests.sample_images import encode, scene

KINDS = [("jpg", "JPEG"), ("png", "PNG"), ("jpeg", "JPEG")]
IMAGES = {
    f"{folder}/{number}.{suffix}": encode(scene(70, 50, seed=10 * side + number), image_format)
    for side, folder in enumerate(["train/cat", "train/dog", "val/cat", "val/dog"])
    for number, (suffix, image_format) in enumerate(KINDS)
}


def make_trained(root: Path, patch: pytest.MonkeyPatch, changes: dict[str, object]) -> Params:
    """Run extract and train on some images."""
    params = make_project(root, patch, changes)
    place("pets", IMAGES)
    extract.run("pets", BACKBONE, params)
    train.run("pets", BACKBONE, params)
    return params


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """A project with a head on the mean colours of images; not to be changed."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        use_mean_colour(patch)
        return root, make_trained(root, patch, {"extract.dtype": "float16"})


@pytest.fixture
def params(trained: tuple[Path, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A copy of the project, in which the test runs."""
    use_mean_colour(monkeypatch)
    monkeypatch.chdir(shutil.copytree(trained[0], tmp_path / "project"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return trained[1]


def assert_files_are_answered_as_in_the_table(params: Params) -> None:
    table = read_predictions(paths.predictions_file("pets", BACKBONE))
    files = [paths.split_folder("pets") / path for path in table.path]
    answers = list(predict_files(files, "pets", BACKBONE, params))
    assert [answer.file for answer in answers] == [str(file) for file in files]
    found = [[answer.probabilities[name] for name in table.classes] for answer in answers]
    np.testing.assert_allclose(found, table.probabilities, atol=1e-5)
    for answer in answers:
        assert answer.label == max(
            answer.probabilities, key=lambda name: answer.probabilities[name]
        )
        ranked = list(answer.probabilities.values())
        assert ranked == sorted(ranked, reverse=True)


def test_a_file_gets_the_probabilities_of_its_cached_feature(params: Params) -> None:
    assert_files_are_answered_as_in_the_table(params)


def test_networks_side_by_side_answer_files_as_their_cached_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfSize(MeanColour):
        def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().run(pixels) * len(pixels[0])

    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", lambda *_: OfSize())
    two = {"network": [BACKBONE, "efficientnet_lite2"], "input_size": [32, 64]}
    params = make_trained(tmp_path / "project", monkeypatch, {f"backbones.{BACKBONE}": two})
    features = read_features(paths.features_file("pets", BACKBONE)).splits["train"].features
    np.testing.assert_allclose(features[:, 3:], features[:, :3] * 2, rtol=0.05)
    assert_files_are_answered_as_in_the_table(params)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "pooling", "dtype"),
    [("tensorflow", None, "float32"), ("openvino", "avg", "float16")],
)
def test_a_real_network_answers_files_as_their_cached_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, pooling: str | None, dtype: str
) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    network = {"layer": None, "pooling": pooling, "input_size": 32, "weights": "random"}
    changes = {"extract.engine": engine, "extract.dtype": dtype, f"backbones.{BACKBONE}": network}
    assert_files_are_answered_as_in_the_table(
        make_trained(tmp_path / "project", monkeypatch, changes)
    )


def test_good_files_are_answered_and_all_bad_ones_named_after_that(params: Params) -> None:
    Path("page.jpg").write_bytes(b"<html>")
    Path("empty.jpg").touch()
    Path("cut.jpg").write_bytes(draw_image(1)[:300])
    Path("good.jpg").write_bytes(draw_image(1))
    Path("folder").mkdir()
    names = ["good.jpg", "page.jpg", "empty.jpg", "cut.jpg", "gone.jpg", "folder", "good.jpg"]
    answers = predict_files(map(Path, names), "pets", BACKBONE, params)
    assert [next(answers).file, next(answers).file] == ["good.jpg", "good.jpg"]
    with pytest.raises(
        ImageError,
        match=r"cannot read page\.jpg: not an image; empty\.jpg: 0 bytes; cut\.jpg: damaged: .*; "
        r"gone\.jpg: No such file or directory; folder: Is a directory\. Expected images: JPEG",
    ):
        next(answers)


def test_where_no_file_is_an_image_no_head_is_asked(params: Params) -> None:
    shutil.rmtree("models")
    with pytest.raises(ImageError, match=r"cannot read gone\.jpg: No such file"):
        list(predict_files([Path("gone.jpg")], "pets", BACKBONE, params))


def test_an_image_that_git_lfs_has_not_fetched_is_said_to_be_one(params: Params) -> None:
    Path("cat.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ImageError, match=r"cat\.jpg: a Git LFS pointer.*run `git lfs pull`\."):
        list(predict_files([Path("cat.jpg")], "pets", BACKBONE, params))


def test_what_may_never_end_is_not_read(params: Params) -> None:
    os.mkfifo("pipe.jpg")
    with pytest.raises(
        ImageError,
        match=r"cannot read pipe\.jpg: not a file but a pipe, socket or device; /dev/zero: not a",
    ):
        list(predict_files([Path("pipe.jpg"), Path("/dev/zero")], "pets", BACKBONE, params))


def test_names_that_find_ended_with_zero_bytes_are_told(params: Params) -> None:
    with pytest.raises(ImageError, match=r"its name holds a zero byte: .* without -print0"):
        list(predict_files([Path("a.jpg\0b.jpg")], "pets", BACKBONE, params))


def test_files_are_not_held_in_memory(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is read once to be checked and once for its feature, some at a time."""
    monkeypatch.setattr("pipeline.tools.predict.HEAD_ROWS", 256)
    reads: Counter[str] = Counter()
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        reads[path.name] += 1
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    files = [Path(f"{number}.jpg") for number in range(600)]
    for file in files:
        file.write_bytes(draw_image(1))
    answers = predict_files(files, "pets", BACKBONE, params)
    assert next(answers).file == "0.jpg"
    assert [reads[file.name] for file in files].count(1) > 200
    assert [answer.file for answer in answers] == [file.name for file in files[1:]]
    assert {reads[file.name] for file in files} == {2}


@pytest.mark.parametrize(
    ("dataset", "backbone", "message"),
    [
        ("pet", BACKBONE, r"no dataset 'pet'\. It has: pets\. Did you mean 'pets'\?"),
        (
            "pets",
            "efficientnet_lite",
            "no backbone 'efficientnet_lite'.*Did you mean 'efficientnet_lite0'",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_near_one(
    params: Params, dataset: str, backbone: str, message: str
) -> None:
    Path("good.jpg").write_bytes(draw_image(1))
    with pytest.raises(ParamsError, match=message):
        next(predict_files([Path("good.jpg")], dataset, backbone, params))


def test_without_a_head_the_stage_that_makes_it_is_named(params: Params) -> None:
    shutil.rmtree("models")
    with pytest.raises(HeadError, match="holds no trained head: run the stage train first"):
        next(
            predict_files([paths.split_folder("pets") / "val/cat/0.jpg"], "pets", BACKBONE, params)
        )


@pytest.mark.usefixtures("params")
def test_a_head_of_other_features_is_not_used() -> None:
    other = make_params({"extract.dtype": "float32"})
    with pytest.raises(
        HeadError,
        match=r'of another fingerprint: dtype "float16" then, "float32" now\. Set params\.yaml or '
        rf".* dvc repro --force --downstream extract@pets-{BACKBONE}$",
    ):
        next(predict_files([paths.split_folder("pets") / "val/cat/0.jpg"], "pets", BACKBONE, other))


def test_an_image_like_none_of_those_trained_on_is_called_so(params: Params) -> None:
    Path("green.png").write_bytes(encode(Image.new("RGB", (70, 50), (0, 255, 0)), "PNG"))
    known = paths.split_folder("pets") / "train/cat/0.jpg"
    like, unlike = predict_files([known, Path("green.png")], "pets", BACKBONE, params)
    assert (like.unlike, unlike.unlike) == (False, True)
    assert like.similarity > unlike.similarity  # type: ignore[operator]
    assert format_answer(unlike, None, as_json=False).endswith("  unlike anything trained on")
    assert "unlike" not in format_answer(like, None, as_json=False)


@pytest.mark.parametrize(("fit_on", "splits"), [("train", {"train"}), ("all", {"train", "val"})])
def test_what_is_familiar_is_what_the_head_was_fitted_to(
    params: Params, fit_on: str, splits: set[str]
) -> None:
    settings = make_params({"extract.dtype": "float16", "head.fit_on": fit_on})
    train.run("pets", BACKBONE, settings)
    extractor = JointExtractor.of(BACKBONE, settings.backbone(BACKBONE), settings.extract)
    known = open_predictor("pets", BACKBONE, extractor).familiarity
    used = [row for row in read_used(paths.manifest_file("pets")) if row.split in splits]
    assert known is not None
    assert len(known.rows) == len(used)


def test_a_table_holds_any_name_of_a_file(params: Params) -> None:
    known = paths.split_folder("pets") / "train/cat/0.jpg"
    names = ["a\rb.jpg", 'b,"c".jpg', "d\ne.jpg"]
    for name in names:
        shutil.copy(known, name)
    table = io.StringIO(newline="")
    write_csv(predict_files(map(Path, names), "pets", BACKBONE, params), table)
    table.seek(0)
    assert [row["file"] for row in csv.DictReader(table)] == names


def test_without_the_features_of_the_training_it_answers_all_the_same(params: Params) -> None:
    known = paths.split_folder("pets") / "train/cat/0.jpg"
    paths.features_file("pets", BACKBONE).unlink()
    (answer,) = predict_files([known], "pets", BACKBONE, params)
    assert answer.label == "cat"
    assert answer.similarity is answer.unlike is None
    stream = io.StringIO()
    write_csv([answer], stream)
    assert stream.getvalue().startswith("file,label,unlike,cat,dog\n")
    assert f"{known},cat,,0." in stream.getvalue()
