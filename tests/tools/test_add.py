"""`bottleneck add`: what it says of a folder or archive, and three lines more in params.yaml."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import ArchiveError, ParamsError, PipelineError
from pipeline.params import Params, load_params
from pipeline.tools import add
from pipeline.tools.add import Findings, examine, insert_dataset, make_name
from pipeline.yaml_reader import read_yaml
from tests.project import draw_folders, make_params, make_project

PROJECT = Path(__file__).parents[2]
SHIPPED = (PROJECT / "params.yaml").read_text(encoding="utf-8")
SECTIONS = SHIPPED[SHIPPED.index("\nbackbones:") :]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project, with the folder `insects` beside it."""
    draw_folders(tmp_path / "insects", {"bee": 11, "wasp": 3})
    return make_project(tmp_path / "project", monkeypatch)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("shapes", "shapes"), ("shapes.zip", "shapes"), ("shapes.TAR.GZ", "shapes"),
        ("My photos (2).tgz", "My_photos_2"), ("Käfer", "Kafer"), ("v1.5", "v1_5"), ("-x-", "x"),
        ("x" * 120, "x" * 100),
    ],
)  # fmt: skip
def test_a_name_is_made_of_the_file_s(file: str, name: str) -> None:
    assert make_name(file) == name


def test_a_folder_is_named_in_params_and_counted(params: Params) -> None:
    said = add.run("../insects", None, dry_run=False)
    assert said.startswith("insects: 14 images of 2 classes in /")
    assert "\n  bee   11\n  wasp  3\n" in said
    assert "few images: wasp 3;" in said
    assert said.endswith("next: dvc repro")
    added = load_params().datasets["insects"]
    assert added.source == "archive"
    assert added.archive == str(Path.cwd().parent / "insects"), "without .., as DVC reads it"
    assert list(load_params().datasets) == ["pets", "insects"]


def test_a_path_over_a_link_is_written_as_where_it_leads(params: Params, tmp_path: Path) -> None:
    draw_folders(tmp_path / "far" / "pets", {"bee": 11, "wasp": 12})
    (tmp_path / "far" / "sub").mkdir()
    Path("near").symlink_to(tmp_path / "far" / "sub")
    add.run("near/../pets", "far", dry_run=False)
    assert load_params().datasets["far"].archive == str(tmp_path / "far" / "pets")


def test_a_linked_params_file_stays_linked_and_keeps_its_rights(
    params: Params, tmp_path: Path
) -> None:
    real = paths.PARAMS.rename(tmp_path / "own.yaml")
    real.chmod(0o664)
    paths.PARAMS.symlink_to(real)
    add.run("../insects", None, dry_run=False)
    assert paths.PARAMS.is_symlink()
    assert "insects" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o664


def test_files_that_are_images_by_name_alone_are_told(params: Params) -> None:
    Path("../insects/bee/page.jpg").write_text("<html>")
    Path("../insects/wasp/none.png").touch()
    said = add.run("../insects", None, dry_run=True)
    assert "\nnamed as images, but they do not begin as one: 2, the first bee/page.jpg\n" in said


def test_a_dry_run_writes_nothing(params: Params) -> None:
    before = paths.PARAMS.read_bytes()
    assert "would get datasets.bees" in add.run("../insects", "bees", dry_run=True)
    assert paths.PARAMS.read_bytes() == before


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_an_archive_is_counted_as_its_folder_is(suffix: str, tmp_path: Path) -> None:
    draw_folders(tmp_path / "insects", {"bee": 3, "wasp": 2})
    formats = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}
    packed = shutil.make_archive(str(tmp_path / "packed"), formats[suffix], tmp_path / "insects")
    assert examine(Path(packed), "x") == examine(tmp_path / "insects", "x")
    assert examine(Path(packed), "x").classes == {"bee": 3, "wasp": 2}


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "insects"
    for split, count in {"train": 5, "val": 3}.items():
        draw_folders(folder / split, {"bee": count, "wasp": count}, seed=count)
    (folder / "train/ant").mkdir()
    (folder / "train/bee/notes.txt").write_text("no image")
    (folder / "train/bee/bee.0.jpg").rename(folder / "train/bee/without suffix")
    (folder / "cover.png").write_bytes(b"named like one")
    assert examine(folder, "x") == Findings(
        classes={"bee": 8, "wasp": 8},
        own_splits={"train": 10, "val": 6},
        no_class=("cover.png",),
        no_images=("train/bee/notes.txt",),
        odd=("cover.png",),
        empty=("train/ant/",),
        folders={"bee": ("bee",), "wasp": ("wasp",)},
    )
    said = "\n".join(add._describe("x", folder, examine(folder, "x"), make_params(), dry_run=False))
    assert "(train 10, val 6), which split does not keep" in said
    assert "no images, so quarantined: 1, the first train/bee/notes.txt" in said
    assert "images without a class, so quarantined: 1, the first cover.png" in said
    assert "empty folders: 1, the first train/ant/" in said


def test_classes_of_several_folders_and_of_different_depths_are_doubted(tmp_path: Path) -> None:
    def said_of(*folders: str) -> str:
        root = tmp_path / folders[0].replace("/", "-")
        for folder in folders:
            draw_folders(root / folder, {"": 2}, seed=len(folder))
        found = examine(root, "x")
        return "\n".join(add._describe("x", root, found, make_params(), dry_run=True))

    merged = said_of("cat/batch0", "cat/batch1", "dog/batch0", "dog/batch1")
    assert (
        "of the same name are one class: batch0 (cat/batch0, dog/batch0), batch1 (cat/b" in merged
    )
    assert "different depths" not in merged
    deeper = said_of("rose/summer 2019", "rose/winter", "tulip")
    assert (
        "class folders at different depths, as tulip and rose/summer 2019: the class is" in deeper
    )
    assert "of the same name" not in deeper
    plain = said_of("train/ant", "train/fly", "val/ant", "val/fly")
    assert "folders of the same" not in plain
    assert "different depths" not in plain


def test_of_many_classes_the_largest_are_shown_and_the_others_counted() -> None:
    lines = list(add._describe_classes({f"c{n:03}": n for n in range(1, 101)}))
    assert len(lines) == add.SHOWN + 1
    assert lines[0] == "  c071  71"
    assert lines[-1] == "  and 70 smaller ones of 1 to 70"


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("../insects", "pets", r"has a dataset 'pets' already \(source: archive.*--name"),
        ("../insects", "my insects", "cannot be called 'my insects'.*--name"),
        ("../gone", None, "there is no '.*/gone'; expected a folder"),
        ("../insects/bee", "x", "no labelled images|only one class"),
        ("params.yaml", "x", r"begins with .*; expected a \.zip"),
        ("..", "x", "lie in one another"),
        ("https://example.org/x.zip", "x", "a URL is not looked into"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_is_written(
    path: str, name: str | None, message: str, params: Params
) -> None:
    before = paths.PARAMS.read_bytes()
    with pytest.raises(PipelineError, match=message):
        add.run(path, name, dry_run=False)
    assert paths.PARAMS.read_bytes() == before


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    draw_folders(tmp_path / "insects", {"bee": 3})
    with pytest.raises(ArchiveError, match="only one class, 'bee': expected class folders"):
        examine(tmp_path / "insects", "x")


@pytest.mark.parametrize(
    ("section", "line_end"),
    [
        ("datasets:\n  # a word\n  a: {source: drawn, archive: null}   # b\n  # c\n", "\n"),
        ("datasets:\n    flowers:\n        source: drawn\n        archive: null\n\n\n", "\n"),
        ("datasets:\n  'flowers': {source: drawn, archive: null}\n", "\r\n"),
    ],
)
@pytest.mark.parametrize("archive", ["/a/b.zip", "/a b: #c/\"d'.zip", "/ü/{x}"])
def test_every_byte_but_the_new_lines_stays(section: str, line_end: str, archive: str) -> None:
    text = (section + SECTIONS).replace("  a: {", "  flowers: {").replace("\n", line_end)
    changed = insert_dataset(text, "own", archive)
    added = len(changed) - len(text)
    at = next(n for n, pair in enumerate(zip(changed, text, strict=False)) if len(set(pair)) > 1)
    assert changed[:at] + changed[at + added :] == text
    assert read_yaml(changed)["datasets"]["own"] == {"source": "archive", "archive": archive}
    assert line_end == "\n" or not re.search(r"[^\r]\n", changed)


def test_the_shipped_settings_get_three_lines() -> None:
    changed = insert_dataset(SHIPPED, "own", "/a/b.zip").splitlines()
    new = ["  own:", "    source: archive", "    archive: /a/b.zip"]
    at = changed.index(new[0])
    assert changed[at : at + 3] == new
    assert changed[:at] + changed[at + 3 :] == SHIPPED.splitlines()


def test_a_file_that_ends_with_its_datasets_and_without_a_line_end_is_added_to() -> None:
    text = SECTIONS + "\ndatasets:\n  flowers: {source: drawn, archive: null}"
    changed = insert_dataset(text, "own", "/a")
    assert changed.startswith(f"{text}\n  own:\n")
    assert changed.endswith("archive: /a\n")


@pytest.mark.parametrize("name", ["2024", "1e5", "true"])
def test_a_name_that_yaml_takes_for_no_text_is_quoted(name: str) -> None:
    assert list(read_yaml(insert_dataset(SHIPPED, name, "/a"))["datasets"])[-1] == name


def test_datasets_in_braces_are_left_to_hands() -> None:
    text = f"datasets: {{flowers: {{source: drawn, archive: null}}}}\n{SECTIONS}"
    with pytest.raises(ParamsError, match=r"own: \{source: archive, archive: /a\}"):
        insert_dataset(text, "own", "/a")
