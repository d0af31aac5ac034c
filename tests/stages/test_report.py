"""Stage report: every result is on the page, the page stands alone, and what is missing is named."""

import csv
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.curves import CALIBRATION_BINS
from pipeline.errors import PipelineError
from pipeline.files import atomic_write_csv
from pipeline.inspections import write_inspections
from pipeline.manifest import QUARANTINED, USED, ImageRow, write_manifest
from pipeline.metrics import UNEQUAL_CLASSES
from pipeline.params import Params, load_params
from pipeline.predictions import Predictions
from pipeline.provenance import Provenance, write_provenance
from pipeline.stages import evaluate, report, report_dataset, report_head
from tests.inspected import inspections_of
from tests.project import place_head
from tests.sample_images import encode, scene

CLASSES = {"cats_vs_dogs": ("cat", "dog"), "my_<own>": ("a&b", "daisy", "rose")}
BACKBONES = ("efficientnet_lite0", "resnet50")
METRICS = Path("metrics/cats_vs_dogs/resnet50.json")
PLOTS = Path("plots/cats_vs_dogs/resnet50")
ROC, PER_CLASS = PLOTS / "roc.csv", PLOTS / "per_class.csv"
HISTORY = (
    "epoch,split,log_loss,accuracy\n"
    "1,train,0.9,0.5\n1,val,0.8,0.6\n2,train,0.5,0.7\n2,val,0.6,0.7\n"
)


@pytest.fixture(scope="module")
def params() -> Params:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    dataset = next(iter(params.datasets.values()))
    backbone = next(iter(params.backbones.values()))
    return params.model_copy(
        update={
            "datasets": dict.fromkeys(CLASSES, dataset),
            "backbones": dict.fromkeys(BACKBONES, backbone),
        }
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    """A project's root with the results of two datasets and two backbones; not to be changed."""
    root = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for dataset, classes in CLASSES.items():
            write_dataset(dataset, classes)
            for backbone in BACKBONES:
                place_head(dataset, backbone, predictions_for(classes))
                table = inspections_of(predictions_for(classes))
                write_inspections(paths.inspection_file(dataset, backbone), table)
                evaluate.run(dataset, backbone, params)
                paths.history_file(dataset, backbone).write_text(HISTORY)
    return root


def report_all(params: Params) -> str:
    """Write every part, and the page."""
    for dataset in params.datasets:
        report_dataset.run(dataset, params)
        for backbone in params.backbones:
            report_head.run(dataset, backbone, params)
    return report.run(params)


@pytest.fixture
def project(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results, in which the test runs."""
    monkeypatch.chdir(shutil.copytree(results, tmp_path / "project"))
    return tmp_path / "project"


def write_dataset(dataset: str, classes: tuple[str, ...]) -> None:
    """Write a dataset's counts and its validation images."""
    data = {
        "images": {"found": 1237, "used": 1229, "duplicate": 3, "quarantined": 5},
        "own_splits": {"train": 800, "test": 429},
        "splits": {"train": 4 * len(classes), "val": 4 * len(classes)},
        "quarantined": {"truncated": 5},
        "corrections": {"relabelled": 1002, "quarantined": 3, "unneeded": 1},
        "duplicates": {"near_groups": 2, "conflicting": 1},
        "leaks_prevented": 17,
        "something_new": [1, 2],
    }
    path = paths.data_metrics_file(dataset)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(data))
    rows = [{"class": name, "train": 4, "val": 4, "test": 0} for name in classes]
    atomic_write_csv(paths.classes_file(dataset), rows)
    write_manifest(paths.manifest_file(dataset), rows_for(classes))
    paths.raw_folder(dataset).mkdir(parents=True)
    write_provenance(paths.provenance_file(dataset), provenance_of(dataset))
    with zipfile.ZipFile(paths.raw_folder(dataset) / "images.zip", "w") as archive:
        archive.writestr("both.jpg", encode(scene(), "JPEG"))
        archive.writestr("top/loose.jpg", encode(scene(seed=1), "JPEG"))
    for image in predictions_for(classes).path:
        file = paths.split_folder(dataset) / image
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), "teal").save(file)


def provenance_of(dataset: str) -> Provenance:
    """Return what the stage fetch would have written."""
    source = "drawn" if dataset == "cats_vs_dogs" else "archive"
    return Provenance(
        source=source,
        file="images.zip",
        bytes=1234567,
        sha256="5" * 64,
        origin="images.zip",
        files=8,
    )


def rows_for(classes: tuple[str, ...]) -> list[ImageRow]:
    """Return the manifest: the images of val, the first two alike; and three that are quarantined."""
    val = [path for path in predictions_for(classes).path if path.startswith("val/")]
    rows = [
        ImageRow(
            split="val", label=path.split("/")[1], path=path, sha256=f"{number:064}", member=f"from/{path}",
            width=40, height=30 + number, bytes=1, brightness=100 + number, group=f"{max(1, number):064}",
        )
        for number, path in enumerate(val)
    ]  # fmt: skip
    damaged = {"label": classes[0], "status": QUARANTINED, "bytes": 1}
    return [
        *rows,
        ImageRow(sha256="a" * 64, member="cut<.jpg", reason="damaged: it ends early", **damaged),
        ImageRow(
            sha256="b" * 64,
            member="both.jpg",
            reason="conflicting labels: a, b",
            width=60,
            height=44,
            **damaged,
        ),
        ImageRow(
            sha256="c" * 64, member="top/loose.jpg", reason="no class", width=60, height=44,
            status=QUARANTINED, bytes=1,
        ),
    ]  # fmt: skip


def predictions_for(classes: tuple[str, ...]) -> Predictions:
    """Return eight images a class, half of them in val, most of them right."""
    k = len(classes)
    labels = np.arange(8 * k) % k
    splits = tuple("val" if row < 4 * k else "train" for row in range(8 * k))
    p = np.random.default_rng(k).dirichlet(np.ones(k), 8 * k) * 0.6
    p[np.arange(8 * k), labels] += 0.4
    return Predictions(
        splits=splits,
        sha256=tuple(f"{row:04d}" for row in range(8 * k)),
        path=tuple(
            f"{splits[row]}/{classes[label]}/{row}.jpg" for row, label in enumerate(labels.tolist())
        ),
        labels=labels,
        classes=classes,
        probabilities=p,
    )


class Page(HTMLParser):
    """What a page consists of; fails on tags that do not match."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(attribute))]


@pytest.fixture(scope="module")
def html(results: Path, tmp_path_factory: pytest.TempPathFactory, params: Params) -> str:
    """The page, made in a folder of its own."""
    root = shutil.copytree(results, tmp_path_factory.mktemp("first") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert report_all(params) == "report/index.html: 4 heads on 2 datasets"
    return (root / "report/index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_is_the_same_in_another_folder(project: Path, params: Params, html: str) -> None:
    report_all(params)
    assert paths.REPORT.read_bytes() == html.encode()


def test_the_page_stands_alone(page: Page, html: str) -> None:
    assert not re.search(r"https?:|url\((?!#)|@import", html)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object"}
    assert not any("src" in attributes for tag, attributes in page.tags if tag == "script")
    assert not page.values("src")
    for tag, attributes in page.tags:
        if target := attributes.get("href"):
            assert target.startswith("data:image/webp;base64," if tag == "image" else "#")


def test_ids_are_unique_and_what_refers_to_them_finds_them(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = {target[1:] for target in page.values("href") if target.startswith("#")}
    assert targets <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)


def test_every_dataset_backbone_and_class_is_there(page: Page) -> None:
    for dataset, classes in CLASSES.items():
        for name in (dataset, *BACKBONES, *classes):
            assert name in page.text


def test_the_figures_are_there(page: Page, results: Path) -> None:
    val = json.loads((results / METRICS).read_text())["val"]
    for figure in (val["log_loss"], val["roc_auc"], val["ece"]):
        assert f"{figure:.3f}" in page.text
    with (results / PER_CLASS).open(newline="") as stream:
        for name, n, *figures in list(csv.reader(stream))[1:]:
            row = " ".join([name, n, *(f"{float(figure):.3f}" for figure in figures)])
            assert row in " ".join(page.text.split())
    assert f"{val['accuracy'] * 100:.1f}\u202f%" in page.text
    for fact in (
        "1,237 found = 1,229 used + 3 duplicate + 5 quarantined",
        "train (800), test (429); its images were split anew",
        "5\u00a0\u00d7\u00a0truncated.",
        "3 exact, 2 groups",
        "1,002 relabelled, 3 set aside",
        "1 line says what the archive says",
        "17 groups: had the images been split one by one",
        "Log loss by epoch",
    ):
        assert fact in page.text


def test_what_is_quarantined_is_shown_with_its_reason(page: Page) -> None:
    for text in (
        "damaged: it ends early",
        "cut<.jpg",
        "conflicting labels: a, b",
        "both.jpg",
        "cannot be shown",
    ):
        assert page.text.count(text) == len(CLASSES)
    shown = [words for words in page.values("aria-label") if words == "both.jpg, labelled cat"]
    assert len(shown) == 1


def test_an_image_without_a_class_is_shown_with_its_folders(page: Page) -> None:
    text = " ".join(page.text.split())
    assert text.count("no class top/loose.jpg") == len(CLASSES)
    assert "top/loose.jpg, unlabelled" in page.values("aria-label")


def test_near_duplicates_are_shown_side_by_side_another_label_marked(page: Page) -> None:
    text = " ".join(page.text.split())
    assert text.count("Images of a group look alike") == len(CLASSES)
    first, second = (path.split("/")[2] for path in predictions_for(("cat", "dog")).path[:2])
    assert re.search(rf"val cat {first} dog {second}", text)


def test_sizes_and_brightness_are_drawn(page: Page) -> None:
    labels = [label for label in page.values("aria-label") if label.startswith("Images by")]
    assert labels[-2:] == [
        "Images by shorter side, pixels: from 30 to 37, half of them at most 33",
        "Images by mean brightness, 0 black, 255 white: from 100 to 107, half of them at most 103",
    ]


def test_a_page_of_a_dataset_without_faults_shows_none(project: Path, params: Params) -> None:
    for dataset, classes in CLASSES.items():
        used = [row._replace(group=row.sha256) for row in rows_for(classes) if row.status == USED]
        write_manifest(paths.manifest_file(dataset), used)
        paths.raw_archive(dataset).unlink()
    report_all(params)
    text = Page(paths.REPORT.read_text(encoding="utf-8")).text
    assert "cannot be shown" not in text
    assert "look alike" not in text


def test_the_settings_are_there_as_in_params_yaml(page: Page, params: Params) -> None:
    rows = page.text.split("Settings", 1)[1].split()
    assert rows[rows.index("head.learning_rate") + 1] == str(params.head.learning_rate)
    assert rows[rows.index("datasets.cats_vs_dogs.archive") + 1] == "null"
    assert rows[rows.index("augment.flip") + 1] == "true"


def test_what_the_page_says_of_metrics_is_what_they_are(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "Its interval is Wilson's at 95 %" in text
    assert f"differ by more than a factor of {UNEQUAL_CLASSES}" in text
    assert f"{CALIBRATION_BINS} bins" in text


def test_accuracies_that_only_some_heads_have_are_shown(
    project: Path, params: Params, page: Page
) -> None:
    assert "each class counts alike" not in page.text
    metrics = json.loads(METRICS.read_text())
    metrics["val"] |= {"balanced_accuracy": 0.432, "top5_accuracy": 0.987}
    METRICS.write_text(json.dumps(metrics))
    report_all(params)
    text = " ".join(Page(paths.REPORT.read_text(encoding="utf-8")).text.split())
    assert text.count("Balanced accuracy 43.2 % each class counts alike") == 1
    assert text.count("Top-5 accuracy 98.7 % of 2 classes") == 1


def test_images_and_charts_have_words(page: Page) -> None:
    shown = [attrs for _, attrs in page.tags if attrs.get("role") == "img"]
    assert all(attrs["aria-label"] for attrs in shown)
    pictures = [attrs for attrs in shown if attrs.get("class") == "picture"]
    assert all("labelled" in str(attrs["aria-label"]) for attrs in pictures)
    # five charts a head, and a map; two a dataset
    assert len(shown) - len(pictures) == 4 * 6 + 2 * 2


def test_a_picture_is_in_the_page_once_and_shown_wherever_it_is_meant(
    page: Page, html: str
) -> None:
    kept = [attrs["id"] for tag, attrs in page.tags if tag == "image"]
    shown = [str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "use"]
    assert len(kept) == len(set(kept)) < len(shown)
    mosaics = [f"p-{mosaic}" for mosaic in re.findall(r'"mosaic":\s*"(\w+)"', html)]
    assert set(shown) | set(mosaics) == set(kept)
    assert len(mosaics) == len(BACKBONES) * len(CLASSES)


def test_there_is_an_image_of_each_class(page: Page) -> None:
    words = page.values("aria-label")
    for classes in CLASSES.values():
        assert [words.count(f"An image labelled {name}") for name in classes] == [1] * len(classes)


def test_each_class_answers_three_questions(page: Page) -> None:
    text = " ".join(page.text.split())
    for title in ("Surest and right", "Least sure, of the others", "Wrong, the surest first"):
        assert text.count(title) == len(BACKBONES) * sum(map(len, CLASSES.values()))
    assert "daisy 4 of 4 right" in text or "daisy 3 of 4 right" in text


def test_own_datasets_come_first_and_drawn_images_are_marked(page: Page) -> None:
    headings = [attrs["id"] for tag, attrs in page.tags if tag == "h2" and "id" in attrs]
    assert [name for name in headings if str(name).startswith("data/")] == [
        "data/my_<own>", "data/cats_vs_dogs",
    ]  # fmt: skip
    # in the summary, the comparison, the dataset's heading and each head's
    assert page.text.count("drawn images") == 3 + len(BACKBONES)
    assert "Kaggle" not in page.text


def test_each_head_has_a_story_twice_and_its_baseline_once_a_dataset(page: Page) -> None:
    text = " ".join(page.text.split())
    assert text.count(
        "after 2 epochs the log loss on val was at its lowest, or near it."
    ) == 2 * len(BACKBONES) * len(CLASSES)
    assert text.count("baseline: always") == len(CLASSES)


def test_the_page_has_one_title_landmarks_and_a_way_past_the_contents(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert [tags.count(tag) for tag in ("h1", "header", "nav", "main", "footer")] == [1] * 5
    assert next(attrs["href"] for tag, attrs in page.tags if tag == "a") == "#results"


def test_what_decides_features_and_what_is_unknown_of_the_code_is_said(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "Of an unknown commit" in text
    assert "sha256 " + "5" * 64 in text
    assert "Features with the fingerprint " + "f" * 32 in text


def test_a_setting_that_is_another_than_the_project_comes_with_is_marked(
    project: Path, params: Params
) -> None:
    head = params.head.model_copy(update={"seed": 99})
    report_all(params.model_copy(update={"head": head}))
    text = " ".join(Page(paths.REPORT.read_text(encoding="utf-8")).text.split())
    assert re.search(r"1 of \d+ differs from the defaults of the project: head\.seed", text)
    assert "head.seed 99 7" in text


def test_a_head_without_epochs_has_no_curves_of_learning(project: Path, params: Params) -> None:
    shutil.rmtree(paths.model_folder("cats_vs_dogs", "resnet50"))
    place_head("cats_vs_dogs", "resnet50", predictions_for(("cat", "dog")), kind="lda")
    report_all(params)
    page = Page(paths.REPORT.read_text(encoding="utf-8"))
    assert "it knows no epochs" in page.text
    assert page.text.count("Log loss by epoch") == len(BACKBONES) * len(CLASSES) - 1


def test_many_classes_are_folded_and_only_the_worst_pairs_are_listed(
    project: Path, params: Params
) -> None:
    classes = tuple(f"bird {number:02}" for number in range(60))
    for file in (paths.data_metrics_file("cats_vs_dogs"), paths.raw_archive("cats_vs_dogs")):
        shutil.rmtree(file.parent)
    shutil.rmtree(paths.model_folder("cats_vs_dogs", "resnet50").parent)
    write_dataset("cats_vs_dogs", classes)
    rng = np.random.default_rng(7)
    whole = predictions_for(classes)
    guesses = replace(whole, probabilities=rng.dirichlet(np.ones(60), len(whole)))
    for backbone in BACKBONES:
        place_head("cats_vs_dogs", backbone, guesses)
        write_inspections(paths.inspection_file("cats_vs_dogs", backbone), inspections_of(guesses))
        evaluate.run("cats_vs_dogs", backbone, params)
        paths.history_file("cats_vs_dogs", backbone).write_text(HISTORY)
    report_all(params)
    page = Page(paths.REPORT.read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    assert "Images of each of 60 classes: from 8 (bird 00) to 8 (bird 59)" in text
    assert text.count("Mixed up most") == text.count("90 more pairs") == len(BACKBONES)
    assert text.count("mean of 60 classes") >= len(BACKBONES)
    assert len([one for one in page.values("class") if one == "chart heat"]) == len(BACKBONES)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            METRICS.unlink,
            r"needs metrics/cats_vs_dogs/resnet50\.json, which is missing\. The evaluate stage",
        ),
        (
            lambda: METRICS.write_text("{"),
            r"resnet50\.json is not what the evaluate stage writes: Expecting",
        ),
        (lambda: METRICS.write_text("{}"), r"resnet50\.json is not what .*: no key val\."),
        (
            lambda: Path("metrics/cats_vs_dogs/data.json").write_text("{}"),
            r"data\.json is not what the split stage writes: no key images, .*own_splits",
        ),
        (
            Path("metrics/cats_vs_dogs/data.json").unlink,
            r"data\.json, which is missing\. The split stage",
        ),
        (Path("plots/cats_vs_dogs/classes.csv").unlink, r"classes\.csv, .* The split stage"),
        (PLOTS.joinpath("history.csv").unlink, r"history\.csv, .* The train stage"),
        (PLOTS.joinpath("precision_recall.csv").unlink, r"precision_recall\.csv, .* The evaluate"),
        (PER_CLASS.unlink, r"per_class\.csv, .* The evaluate stage"),
        (
            lambda: PER_CLASS.write_text("class,n,precision\na,1,0.5\n"),
            r"per_class\.csv is not what .*: no column recall, specificity, f1, roc_auc, average_",
        ),
        (lambda: ROC.write_text("class,fpr,tpr\n"), r"roc\.csv is not what .*: it has no rows\."),
        (lambda: ROC.write_text(""), r"roc\.csv is not what .*: no column class, fpr, tpr\."),
        (lambda: ROC.write_text("class,fpr\na,1\n"), r"roc\.csv is not what .*: no column tpr\."),
        (lambda: ROC.write_text("class,fpr,tpr\na,1\n"), r"roc\.csv is not what the evaluate"),
        (
            lambda: ROC.write_text("class,fpr,tpr\na,1,x\n"),
            r"roc\.csv is not what .*could not convert",
        ),
        (
            Path("models/cats_vs_dogs/resnet50/predictions.csv").unlink,
            "run the stage train first, .* .predictions.csv is missing",
        ),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    project: Path, params: Params, damage: Callable[[], object], message: str
) -> None:
    damage()
    with pytest.raises(PipelineError, match=message):
        report_all(params)
    assert not paths.REPORT.exists()


def test_what_params_yaml_does_not_name_is_not_on_the_page_and_its_part_goes(
    project: Path, params: Params
) -> None:
    report_all(params)
    one = params.model_copy(update={"backbones": {BACKBONES[0]: params.backbones[BACKBONES[0]]}})
    assert report.run(one) == "report/index.html: 2 heads on 2 datasets"
    assert BACKBONES[1] not in paths.REPORT.read_text()
    left = {file for file in paths.REPORT_PARTS.rglob("*") if file.is_file()}
    assert left == {
        part
        for dataset in CLASSES
        for part in (paths.dataset_part(dataset), paths.head_part(dataset, BACKBONES[0]))
    }


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            paths.dataset_part("cats_vs_dogs").unlink,
            "which is missing. The report_dataset stage writes it: run `dvc repro`",
        ),
        (
            lambda: paths.head_part("cats_vs_dogs", "resnet50").write_text("{"),
            r"resnet50\.json is not what the report_head stage writes: Expecting",
        ),
    ],
)
def test_a_part_that_is_missing_or_damaged_is_named(
    project: Path, params: Params, damage: Callable[[], object], message: str
) -> None:
    report_all(params)
    paths.REPORT.unlink()
    damage()
    with pytest.raises(PipelineError, match=message):
        report.run(params)
    assert not paths.REPORT.exists()
