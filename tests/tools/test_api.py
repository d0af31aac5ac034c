"""What `import pipeline` offers: instant to import, the project's own answers, from any folder."""

import io
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pipeline
from pipeline import paths
from pipeline.errors import FeaturesError, HeadError, ImageError, ParamsError, PipelineError
from pipeline.heads.loading import load_features, rows_by_split
from pipeline.params import Params, change_head
from pipeline.predictions_file import read_predictions
from pipeline.stages import train as train_stage
from pipeline.tools import api
from pipeline.tools.predict import predict_files
from tests.fakes import MeanColour, use_mean_colour
from tests.project import BACKBONE
from tests.trained_project import SIZES, make_trained

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "keras", "pandas", "h5py", "numpy", "pydantic", "openvino"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """A project with a head; not to be changed."""
    root = tmp_path_factory.mktemp("made") / "project"
    with pytest.MonkeyPatch.context() as patch:
        return root, make_trained(root, patch)


@pytest.fixture
def root(made: tuple[Path, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, seen from another one."""
    use_mean_colour(monkeypatch)
    api._kept_extractor.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return made[0]


def test_the_import_loads_nothing_heavy_and_knows_its_names() -> None:
    code = f"""
import sys, pipeline
loaded = {HEAVY} & set(sys.modules)
assert set(pipeline.__all__) <= set(dir(pipeline))
assert issubclass(pipeline.errors.HeadError, Exception) and "errors" in pipeline.__all__
from pipeline import load_features
import json; print(json.dumps([sorted(loaded), load_features.__module__, "tensorflow" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[], "pipeline.tools.api", False]


def test_every_name_is_there_and_documented() -> None:
    for name in pipeline.__all__:
        assert name == "errors" or getattr(pipeline, name) is getattr(api, name)
        assert getattr(pipeline, name).__doc__
    with pytest.raises(AttributeError, match="'pipeline' has no attribute 'load_feature'"):
        pipeline.load_feature  # type: ignore[attr-defined]  # noqa: B018


def test_features_are_those_of_the_file_with_what_they_belong_to(root: Path) -> None:
    found = pipeline.load_features("pets", root=root)
    assert list(found) == ["train", "val"]
    train = found["train"]
    assert (len(train), len(train.originals())) == (4 * SIZES["train"], 2 * SIZES["train"])
    assert train.classes == ("cat", "dog")
    for row, file in enumerate(train.files()):
        with Image.open(file) as image:
            colour = np.asarray(image.resize((32, 32))).mean(axis=(0, 1)) / 255
        np.testing.assert_allclose(train.features[row], colour, atol=0.05)
        assert train.classes[train.labels[row]] == file.parent.name
        assert (train.copy[row] > 0) == ("__copy" in file.name)
    copies = train.take(train.copy == 1)
    assert set(copies.parent) == set(train.originals().sha256)
    assert not set(copies.sha256) & set(copies.parent)


def test_heads_get_the_rows_of_the_file(root: Path) -> None:
    rows = pipeline.load_features("pets", root=root)["train"].rows()
    with paths.project_at(root):
        expected = rows_by_split(load_features("pets", BACKBONE))["train"]
    for name in ("features", "labels", "groups", "original"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(expected, name))
    assert rows.classes == expected.classes


def test_a_table_has_a_row_an_image(root: Path) -> None:
    val = pipeline.load_features("pets", root=root)["val"]
    table = val.table()
    assert list(table.columns) == ["split", "label", "path", "sha256", "parent", "group", "copy"]
    assert table["label"].tolist() == ["cat"] * SIZES["val"] + ["dog"] * SIZES["val"]
    assert table["path"].tolist() == [str(path) for path in val.path]
    assert set(table["split"]) == {"val"}


@pytest.mark.slow
def test_tf_data_has_every_row_once_an_epoch_in_an_order_that_its_seed_draws(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    plain = list(train.tf_data(10))
    assert [len(x) for x, _ in plain] == [10, 10, 10, 10, 8]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in plain]), train.features)
    np.testing.assert_array_equal(np.concatenate([y for _, y in plain]), train.labels)
    assert plain[0][0].dtype.name == "float32"

    def epochs(seed: int) -> list[list[float]]:
        data = train.tf_data(10, seed=seed)
        return [np.concatenate([x for x, _ in data])[:, 0].tolist() for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(train.features[:, 0].tolist())
    assert epochs(1) == [first, second]
    assert epochs(2) != [first, second]


def test_a_head_answers_features_as_the_table_of_predictions_does(root: Path) -> None:
    head = pipeline.load_head("pets", root=root)
    val = pipeline.load_features("pets", root=root)["val"]
    table = read_predictions(root / paths.predictions_file("pets", BACKBONE)).of_split("val")
    np.testing.assert_allclose(head.probabilities(val.features), table.probabilities, atol=1e-6)
    assert (head.kind, head.settings["epochs"], head.settings["scaling"]) == ("mlp", 20, "none")
    written = json.loads((root / paths.metrics_file("pets", BACKBONE)).read_text())
    assert head.metrics == written
    assert head.measure(val) == written["val"]
    assert head.probabilities(val.features[:0]).shape == (0, 2)
    np.testing.assert_array_equal(head.probabilities(val), head.probabilities(val.features))
    train = pipeline.load_features("pets", root=root)["train"]
    assert head.measure(train)["n"] == 2 * SIZES["train"], "copies are left out"


def test_features_of_another_shape_are_refused(root: Path) -> None:
    head = pipeline.load_head("pets", root=root)
    texts = np.full((2, 3), "1")
    ragged: Any = [[1, 2, 3], [1, 2]]
    for wrong in (
        np.zeros(3),
        np.zeros((2, 4)),
        np.zeros((2, 3, 3)),
        texts,
        texts.astype(object),
        ragged,
    ):
        with pytest.raises(
            HeadError, match=r"takes features of 3 numbers, an array \(n, 3\); found [\w<]+"
        ):
            head.probabilities(wrong)


def test_images_of_other_classes_are_not_answered(root: Path) -> None:
    val = pipeline.load_features("pets", root=root)["val"]
    other = replace(val, classes=("cat", "cow"))
    head = pipeline.load_head("pets", root=root)
    for ask in (head.measure, head.probabilities):
        with pytest.raises(HeadError, match="knows the classes cat, dog; the images are of cat, c"):
            ask(other)


def test_features_of_another_fingerprint_are_not_answered(root: Path) -> None:
    features = pipeline.load_features("pets", root=root)
    val = replace(features["val"], fingerprint="0123456789abcdef")
    for head in (pipeline.load_head("pets", root=root), pipeline.fit_head(features["train"])):
        for ask in (head.measure, head.probabilities):
            with pytest.raises(
                HeadError, match=r"these, of 0123456789ab, are of another network or"
            ):
                ask(val)


def test_images_that_the_head_was_fitted_to_are_not_measured_as_val(root: Path) -> None:
    features = pipeline.load_features("pets", root=root)
    train, val = features["train"], features["val"]
    moved = replace(train.take(train.copy == 0), split="val")
    for head in (pipeline.load_head("pets", root=root), pipeline.fit_head(train, "centroid")):
        assert head.measure(val)["n"] == len(val)
        assert head.measure(train)["n"] == 24
        with pytest.raises(HeadError, match=r"fitted to 24 of these 24 images of val") as caught:
            head.measure(moved)
        assert ("`metrics`" in str(caught.value)) == bool(head.metrics)


def test_of_train_only_what_was_held_out_group_by_group_or_fitted_to_as_a_whole_is_measured(
    root: Path,
) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    group = train.group.copy()
    group[(group == group[0]) | (group == group[2])] = min(group[0], group[2])  # near-duplicates
    train = replace(train, group=group)
    held_out = np.isin(train.group, np.unique(train.group)[::4])
    head = pipeline.fit_head(train.take(~held_out), "centroid")
    assert head.measure(train.take(held_out))["n"] == held_out.sum() // 2
    assert head.measure(train.take(~held_out))["n"] == (~held_out).sum() // 2
    first = train.parent == train.parent[0]
    torn = {
        "some of them": (~held_out, np.ones(len(train), bool)),
        "their copies": (train.copy > 0, train.copy == 0),
        "a near-duplicate": (~first, first),
    }
    for fitted, asked in torn.values():
        head = pipeline.fit_head(train.take(fitted), "centroid")
        with pytest.raises(HeadError, match=r"images of train, or to copies or near-duplicates of"):
            head.measure(train.take(asked))


def test_val_is_measured_though_the_split_left_near_duplicates_of_train_in_it(root: Path) -> None:
    both = pipeline.load_features("pets", root=root)
    val = replace(both["val"], group=np.full(len(both["val"]), both["train"].group[0]))
    for head in (
        pipeline.load_head("pets", root=root),
        pipeline.fit_head(both["train"], "centroid"),
    ):
        assert head.measure(val)["n"] == len(val)


def test_a_head_fitted_to_all_is_measured_by_its_twin_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    params = make_trained(root, monkeypatch)
    head = change_head(params.head, {"fit_on": "all"})
    train_stage.run("pets", BACKBONE, params.model_copy(update={"head": head}))
    trained = pipeline.load_head("pets", root=root)
    val = pipeline.load_features("pets", root=root)["val"]
    assert trained.metrics["val"]["n"] == len(val)
    with pytest.raises(
        HeadError, match=r"fitted to 12 of these 12 images of val, .*`metrics` has the figures"
    ):
        trained.measure(val)
    with pytest.raises(
        ParamsError, match=r"fit_on='all': a head is fitted to the features that are"
    ):
        pipeline.fit_head(val, fit_on="all")


def test_nothing_to_learn_from_is_told(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    with pytest.raises(HeadError, match="no image to learn from: these features have no row"):
        pipeline.fit_head(train.take(np.zeros(0, np.intp)))


@pytest.mark.parametrize("kind", ["centroid", "logistic"])
def test_a_class_without_a_row_is_named_by_whatever_head(kind: str, root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    with pytest.raises(
        HeadError, match=r"to learn from of 1 of the 2 classes: dog\. Add rows of each"
    ):
        pipeline.fit_head(train.take(train.labels == 0), kind)
    more = replace(train, classes=("cat", "cow", "dog", "emu"), labels=train.labels * 2)
    with pytest.raises(HeadError, match=r"to learn from of 2 of the 4 classes: cow, emu\."):
        pipeline.fit_head(more, kind)


def test_what_no_head_can_learn_from_or_be_asked_about_is_refused(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    head = pipeline.load_head("pets", root=root)
    features = train.features.copy()
    features[1, 0] = np.inf
    with pytest.raises(
        FeaturesError, match="row 1 of the features holds values that are no finite"
    ):
        pipeline.fit_head(replace(train, features=features), "knn")
    with pytest.raises(
        FeaturesError, match="row 1 of the features holds values that are no finite"
    ):
        head.probabilities(features)
    with pytest.raises(HeadError, match="there is no image to ask about"):
        head.measure(train.take(train.copy > 99))
    np.testing.assert_array_equal(
        head.probabilities(train.features.tolist()), head.probabilities(train.features)
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda labels: labels * 7, r"the label 7 is none of the 2 classes: expected 0 to 1"),
        (lambda labels: labels - 1, r"the label -1 is none of the 2 classes"),
        (lambda labels: labels[:1], r"needs as many rows; found .*'labels': 1"),
        (lambda labels: labels.astype(float), r"whole numbers \(n,\), .*; found float64 \(48,\)"),
        (lambda labels: labels > 0, r"found bool \(48,\)"),
        (lambda labels: np.eye(2, dtype=np.int64)[labels], r"found int64 \(48, 2\)"),
        (lambda labels: np.array(["cat", "dog"])[labels], r"found <U3 \(48,\)"),
        (lambda labels: [[label] * (label + 1) for label in labels], r"found list\."),
        (lambda labels: None, r"found NoneType\."),
    ],
)
def test_labels_that_are_none_are_refused_at_once(
    change: Callable[[Any], Any], fault: str, root: Path
) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    with pytest.raises(FeaturesError, match=fault):
        replace(train, labels=change(train.labels))


def test_whole_numbers_of_any_kind_become_labels(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    column = train.table()["label"].map({"cat": 0, "dog": 1})
    for given in (train.labels.tolist(), train.labels.astype(np.uint8), column):
        changed = replace(train, labels=given)
        assert changed.labels.dtype == np.int64
        np.testing.assert_array_equal(changed.labels, train.labels)
    assert len(train.take(np.zeros(0, np.intp))) == 0


def test_labels_that_were_changed_in_place_are_checked_again(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    train.labels[3] = 2
    with pytest.raises(FeaturesError, match="the label 2 is none of the 2 classes"):
        pipeline.fit_head(train)


def test_what_is_no_record_of_features_is_refused(root: Path) -> None:
    features = pipeline.load_features("pets", root=root)
    head = pipeline.load_head("pets", root=root)
    for wrong, found in ((features, "dict"), (features["val"].features, r"float32 \(12, 3\)")):
        given: Any = wrong
        for ask, name in ((pipeline.fit_head, "fit_head"), (head.measure, "measure")):
            with pytest.raises(
                FeaturesError,
                match=rf"^{name} takes a record of features, as load_features\('flowers'\)\['train'\]; "
                rf"found {found}\.$",
            ):
                ask(given)


def test_what_names_no_dataset_is_refused(root: Path) -> None:
    photo: Any = np.zeros((9, 9, 3), np.uint8)
    nothing: Any = None
    with pytest.raises(
        ParamsError, match=r"a dataset is given by its name in params\.yaml; found ui"
    ):
        pipeline.predict("pets", photo, root=root)
    with pytest.raises(ParamsError, match=r"a dataset is given by .*; found NoneType\."):
        pipeline.load_features(nothing, root=root)
    with pytest.raises(ParamsError, match=r"a backbone is given by .*; found PosixPath\."):
        pipeline.load_head("pets", root, root=root)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_a_batch_has_a_row_or_more(size: Any, root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    with pytest.raises(ParamsError, match=rf"batch_size={size}: expected 1 row a batch or more"):
        train.tf_data(size)


def test_a_fitted_head_is_that_of_the_stage_unless_settings_differ(root: Path) -> None:
    features = pipeline.load_features("pets", root=root)
    saved, val = pipeline.load_head("pets", root=root), features["val"]
    again = pipeline.fit_head(features["train"])
    np.testing.assert_array_equal(
        again.probabilities(val.features), saved.probabilities(val.features)
    )
    assert again.metrics == {}
    other = pipeline.fit_head(features["train"], "centroid")
    assert other.kind == "centroid"
    assert other.measure(val)["accuracy"] > 0.8
    wide = pipeline.fit_head(features["train"], units=4, epochs=1)
    assert (wide.settings["units"], wide.settings["epochs"]) == ([4], 1)


def test_settings_are_numbers_of_numpy_too(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    for units in (np.int64(4), [np.int64(4)], np.array([4])):
        head = pipeline.fit_head(train, "mlp", units=units, epochs=np.int64(1))
        assert (head.settings["units"], head.settings["epochs"]) == ([4], 1)
    with pytest.raises(ParamsError, match=r"head\.units: .*found"):
        pipeline.fit_head(train, "mlp", units=np.float64(4.5))


def test_settings_that_no_head_has_are_named(root: Path) -> None:
    train = pipeline.load_features("pets", root=root)["train"]
    with pytest.raises(ParamsError, match=r"head\.unts: unknown key.*Did you mean 'units'"):
        pipeline.fit_head(train, unts=4)
    with pytest.raises(ParamsError, match=r"head\.kind: .*Did you mean 'centroid'"):
        pipeline.fit_head(train, "centroids")


def test_predict_gives_the_answers_of_the_command(root: Path, made: tuple[Path, Params]) -> None:
    file = pipeline.load_features("pets", root=root)["val"].files()[0]
    with Image.open(file) as image:
        pixels = np.asarray(image)
    by_path, by_bytes, by_pixels, unlike = pipeline.predict(
        [file, file.read_bytes(), pixels, np.zeros((40, 40, 3), np.uint8)], "pets", root=root
    )
    with paths.project_at(root):
        (expected,) = predict_files([file], "pets", BACKBONE, made[1])
    assert by_path == expected, "similarity and all"
    assert (by_bytes.file, by_pixels.file) == ("image 1", "image 2")
    assert by_bytes.probabilities == by_path.probabilities
    np.testing.assert_allclose(
        [by_pixels.probabilities[name] for name in by_path.probabilities],
        list(by_path.probabilities.values()),
        atol=0.02,  # a JPEG is decoded in another way than a PNG
    )
    assert (by_path.unlike, unlike.unlike) == (False, True)


def test_one_image_needs_no_list(root: Path) -> None:
    file = pipeline.load_features("pets", root=root)["val"].files()[0]
    for one in (file, str(file), file.read_bytes(), np.full((9, 9, 3), 99, np.uint8)):
        assert len(pipeline.predict(one, "pets", root=root)) == 1
    assert len(pipeline.predict(np.zeros((2, 9, 9, 3), np.uint8), "pets", root=root)) == 2


def test_what_is_no_image_is_named_by_its_place(root: Path) -> None:
    with pytest.raises(
        ImageError,
        match=r"^cannot read gone\.jpg: No such file or directory; image 1: not an image\. Expected",
    ):
        pipeline.predict(["gone.jpg", b"<html>"], "pets", root=root)
    byte = np.uint8
    for wrong in (
        np.zeros((9, 9, 3)),
        *(np.zeros(of, byte) for of in [(9, 9), (9, 9, 4), (0, 9, 3)]),
    ):
        with pytest.raises(ImageError, match=r"image 0 is .*expected a path, bytes, or an array"):
            pipeline.predict([wrong], "pets", root=root)


class Upload:
    """A file that is no io.IOBase, as NamedTemporaryFile gives one."""

    def read(self) -> bytes:
        return b""

    def __iter__(self) -> Iterator[bytes]:
        return iter([])


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (7, "int"),
        (io.BytesIO(b"a\nb"), "BytesIO"),
        (Upload(), "Upload"),
        (bytearray(b"ab"), "bytearray"),
        (memoryview(b"ab"), r"memoryview \(2,\)"),
        (np.zeros((9, 9), np.uint8), r"uint8 \(9, 9\)"),
        (np.zeros((), np.uint8), r"uint8 \(\)"),
    ],
)
def test_what_is_no_image_is_not_taken_apart(wrong: Any, found: str, root: Path) -> None:
    with pytest.raises(ImageError, match=rf"what is given is {found}; expected a path, bytes, or"):
        pipeline.predict(wrong, "pets", root=root)


def test_it_works_in_any_folder_of_the_project(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pipeline.load_features("pets", root=root)["val"].files()[0]
    below = root / "models" / "pets"
    monkeypatch.chdir(below)
    assert pipeline.load_head("pets").classes == ("cat", "dog")
    assert pipeline.predict(str(file), "pets")[0].label in ("cat", "dog")
    assert pipeline.predict(Path("../../data/split/pets/val/cat/0.jpg"), "pets")[0].file.startswith(
        ".."
    )
    assert Path.cwd() == below


@pytest.mark.parametrize("name", ["project", "studies"])
def test_the_settings_of_studies_are_those_of_no_project(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(root, tmp_path / name)
    below = project / "studies" / "results"
    below.mkdir(parents=True)
    (project / "studies" / "params.yaml").write_text("scratch: {}\n")
    for folder in (project, below.parent, below):
        monkeypatch.chdir(folder)
        assert pipeline.load_features("pets")["val"].root == project


def test_a_project_may_be_named_from_the_home_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    assert pipeline.load_features("pets", root=f"~/{root.name}")["val"].root == root


def test_elsewhere_it_says_that_there_is_no_project(root: Path, tmp_path: Path) -> None:
    for call in (pipeline.load_features, pipeline.load_head):
        with pytest.raises(ParamsError, match=rf"no project in {tmp_path}.*no params\.yaml.*root="):
            call("pets")
    with pytest.raises(ParamsError, match="no project in /nowhere"):
        pipeline.predict("a.jpg", "pets", root="/nowhere")
    with pytest.raises(ParamsError, match=r"no dataset 'pet'.*Did you mean 'pets'"):
        pipeline.load_features("pet", root=root)


def test_what_has_not_run_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes((root / "params.yaml").read_bytes())
    with pytest.raises(FeaturesError, match=rf"{tmp_path}/features.* run the stage extract first"):
        pipeline.load_features("pets")
    with pytest.raises(HeadError, match="run the stage train first"):
        pipeline.load_head("pets")


def test_a_network_is_built_once_unless_its_weights_change(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[MeanColour] = []

    def open_engine(*_: object) -> MeanColour:
        opened.append(MeanColour())
        return opened[-1]

    monkeypatch.setattr("pipeline.extraction.extractor.open_engine", open_engine)
    project = shutil.copytree(root, tmp_path / "project")
    file = pipeline.load_features("pets", root=project)["val"].files()[0]
    first, again = (pipeline.predict(file, "pets", root=project) for _ in range(2))
    assert first == again
    assert len(opened) == 1
    (project / "weights").mkdir()
    (project / "weights" / "imagenet").touch()
    pipeline.predict(file, "pets", root=project)
    assert len(opened) == 2


def test_a_process_forked_after_predict_refuses_rather_than_wait_for_threads_it_lacks(
    root: Path,
) -> None:
    file = pipeline.load_features("pets", root=root)["val"].files()[0]
    pipeline.predict(file, "pets", root=root)
    said = fault_in_a_fork(lambda: pipeline.predict(file, "pets", root=root))
    assert said.startswith("predict was called in the process that this one was forked from")
    assert "get_context('spawn')" in said
    assert len(pipeline.predict(file, "pets", root=root)) == 1, "here it goes on"


def fault_in_a_fork(work: Callable[[], object]) -> str:
    """Return the message of the PipelineError that work raises in a forked process; empty where none."""
    ours, theirs = get_context("fork").Pipe(duplex=False)
    child = get_context("fork").Process(target=send_fault, args=(work, theirs))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads, from 3.12 on
        child.start()
    try:
        assert ours.poll(60), "the forked process waits for ever"
        return str(ours.recv())
    finally:
        child.kill()
        child.join()


def send_fault(work: Callable[[], object], connection: Connection) -> None:
    """Send the message of the PipelineError that work raises, or an empty text."""
    try:
        work()
    except PipelineError as error:
        connection.send(str(error))
    else:
        connection.send("")
