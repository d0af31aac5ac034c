"""Stage split: folders, manifest and counts agree, whatever the archive holds and whenever it is stopped."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline import paths
from pipeline.errors import ArchiveError, CorrectionsError, ManifestError, SourceError, SplitError
from pipeline.manifest import QUARANTINED, SPLITS, USED, ImageRow, read_manifest
from pipeline.parallel import open_processes
from pipeline.params import Params
from pipeline.runners import pool
from pipeline.splitting import screening
from pipeline.stages import fetch, split
from tests.damages import largest_file
from tests.odd_archives import tgz_bytes, zip_bytes
from tests.project import draw_folders, make_params, make_project
from tests.sample_images import encode, heic, odd_images, scene

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def contents(*folders: Path) -> dict[str, bytes]:
    """Return every file below some folders, hidden ones too, with its bytes."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


def results() -> dict[str, bytes]:
    return contents(Path("data/split"), Path("data/manifests"), Path("metrics"), Path("plots"))


def rows() -> list[ImageRow]:
    return list(read_manifest(paths.manifest_file("pets")))


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project whose archive of 24 images has been fetched; this process checks them: it is quicker."""
    params = make_project(tmp_path / "project", monkeypatch)
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(2))
    draw_folders(Path("pets"), {"cat": 12, "dog": 12})
    fetch.run("pets", params)
    return params


def fetch_files(files: dict[str, bytes], params: Params) -> None:
    """Put files into the archive, and fetch it."""
    for name, data in files.items():
        (Path("pets") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("pets") / name).write_bytes(data)
    fetch.run("pets", params)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")
def test_photos_under_two_species_are_taken_out_of_the_flower_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = sorted((SHARED / "odd" / "two_labels").rglob("*.jpg"))
    with tarfile.open(SHARED / "flower_photos_500.tgz") as photos:
        photos.extractall(tmp_path, filter="data")
    folder = next(tmp_path.rglob("roses")).parent
    for file in doubtful:
        (folder / file.parent.name / file.name).write_bytes(file.read_bytes())
    params = make_project(
        tmp_path / "project", monkeypatch,
        {"datasets.flowers": {"source": "archive", "archive": str(folder)}, "split.near_duplicates": True},
    )  # fmt: skip
    fetch.run("flowers", params)
    split.run("flowers", params)
    found = list(read_manifest(paths.manifest_file("flowers")))
    quarantined = {
        "/".join(row.member.split("/")[-2:]): row for row in found if row.status == QUARANTINED
    }
    assert sorted(quarantined) == [f"{file.parent.name}/{file.name}" for file in doubtful]
    assert {row.reason for row in quarantined.values()} == {"conflicting labels: rose, tulip"}
    used = {row.sha256 for row in found if row.status == USED}
    assert not used & {row.sha256 for row in quarantined.values()}
    assert len(used) >= 490


def test_folders_manifest_and_counts_agree(params: Params) -> None:
    line = split.run("pets", params)
    found = {
        str(file.relative_to(paths.split_folder("pets"))): file
        for file in Path("data/split").rglob("*.jpg")
    }
    assert sorted(found) == sorted(row.path for row in rows())
    for row in rows():
        assert sha256(found[row.path].read_bytes()).hexdigest() == row.sha256
        assert (Path("pets") / row.member).read_bytes() == found[row.path].read_bytes()
        assert row.path.split("/")[:2] == [row.split, row.label]
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert counts["splits"] == Counter(row.split for row in rows())
    assert counts["images"] == {"found": 24, "used": 24, "duplicate": 0, "quarantined": 0}
    with paths.classes_file("pets").open(newline="") as stream:
        classes = {(row.pop("class"), *row.items()) for row in csv.DictReader(stream)}
    sizes = Counter((row.label, row.split) for row in rows())
    assert classes == {
        (label, *((name, str(sizes[label, name])) for name in SPLITS)) for label in ("cat", "dog")
    }
    numbers = f"{counts['splits']['train']} train, {counts['splits']['val']} val"
    assert line == f"pets: 24 found: 24 used ({numbers}), 0 duplicate, 0 quarantined"


def test_running_again_on_its_own_results_changes_nothing(params: Params) -> None:
    near = make_params({"split.near_duplicates": True})
    for settings in (params, near):
        split.run("pets", settings)
        first = results()
        split.run("pets", settings)
        assert results() == first


def test_results_are_the_same_whatever_the_number_of_workers_and_the_order_of_members(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_files({f"cat/{name}": data for name, data in odd_images().items()}, params)
    split.run("pets", params)
    first = results()
    archive = paths.raw_archive("pets")
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(archive, "w") as target:
        for name in reversed(members):
            target.writestr(name, members[name])
    monkeypatch.setattr(pool, "open_processes", open_processes)
    for cores in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        split.run("pets", params)
        assert results() == first


def test_bad_images_are_quarantined_with_their_reason_and_counted(params: Params) -> None:
    image = encode(scene(), "JPEG")
    bad = {
        "cat/empty.jpg": b"",
        "cat/notes.txt": b"Two cats.",
        "cat/Thumbs.db": b"\xd0\xcf",
        "dog/page.jpg": b"<html>",
        "dog/cut.jpg": image[:600],
    }
    fetch_files({**bad, "cat/both.jpg": image, "dog/both.jpg": image}, params)
    line = split.run("pets", params)
    assert line.startswith("pets: 30 found: 24 used (")
    assert line.endswith("), 0 duplicate, 6 quarantined")
    reasons = {row.member: row.reason for row in rows() if row.status == "quarantined"}
    assert reasons.pop("dog/cut.jpg").startswith("damaged: ")
    assert reasons == {
        "cat/empty.jpg": "0 bytes", "cat/notes.txt": "not an image", "dog/page.jpg": "not an image",
        "cat/both.jpg": "conflicting labels: cat, dog", "dog/both.jpg": "conflicting labels: cat, dog",
    }  # fmt: skip
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert counts["quarantined"] == {
        "0 bytes": 1,
        "not an image": 2,
        "damaged": 1,
        "conflicting labels": 2,
    }
    assert len(list(paths.split_folder("pets").rglob("*.*"))) == 24
    assert {file.name for file in paths.split_folder("pets").iterdir()} == {"train", "val"}


def test_what_has_no_class_is_counted_with_its_reason(params: Params) -> None:
    Path("pets/rabbit/young").mkdir(parents=True)
    Path("pets/fox").mkdir()
    Path("pets/fox/.DS_Store").write_bytes(b"litter")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    files = {"readme.txt": b"Pets.", "cover.jpg": encode(scene(seed=88), "JPEG")}
    fetch_files({**files, "dog/99.jpg": pointer}, params)
    line = split.run("pets", params)
    assert line.startswith("pets: 29 found: 24 used (")
    assert line.endswith("), 0 duplicate, 5 quarantined")
    unused = {row.member: (row.label, row.reason) for row in rows() if row.status != USED}
    assert unused == {
        "readme.txt": ("", "not an image"),
        "cover.jpg": ("", "no class: neither its folder nor its name tells one"),
        "fox/": ("", "an empty folder"),
        "rabbit/": ("", "an empty folder"),
        "dog/99.jpg": (
            "dog",
            "a Git LFS pointer, not the image: run `git lfs pull`, then fetch again",
        ),
    }


def jpegs(*names: str, first: int = 0) -> dict[str, bytes]:
    return {name: encode(scene(seed=first + n), "JPEG") for n, name in enumerate(names)}


PETS = jpegs(*(f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(4)))
KAGGLE = {
    "train.zip": zip_bytes(
        jpegs(*(f"train/{label}.{number}.jpg" for label in ("cat", "dog") for number in range(4)))
    ),
    "test.zip": zip_bytes(jpegs("test/1.jpg", "test/2.jpg", first=60)),
    "sample_submission.csv": b"id,label\n",
}
FOUND: dict[str, tuple[dict[str, bytes], int, int, dict[str, int]]] = {
    "nothing odd": (PETS, 8, 0, {}),
    "Kaggle's competition": (KAGGLE, 8, 0, {"no class": 2, "not an image": 1}),
    "litter": (
        PETS | {"cat/Thumbs.db": b"x", "desktop.ini": b"x", "__MACOSX/cat/._0.jpg": b"x"},
        8, 0, {},
    ),
    "no images": (
        PETS | {"README.txt": b"Pets.", "labels.csv": b"a,b", "cat/notes.txt": b"", ".gitkeep": b""},
        8, 0, {"not an image": 4},
    ),
    "loose images": (
        PETS | jpegs("cover.jpg", "IMG_1", first=60) | {"cut.jpg": PETS["cat/0.jpg"][:400]},
        8, 0, {"no class": 2, "damaged": 1},
    ),
    "a loose copy": (PETS | {"cover.jpg": PETS["cat/0.jpg"]}, 8, 0, {"no class": 1}),
    "empty folders": (
        PETS | {"fox/": b"", "cat/old/": b"", "owl/a/": b"", "cow.zip": zip_bytes({})},
        8, 0, {"an empty folder": 4},
    ),
    "a folder of texts": (PETS | {"fox/1.txt": b"", "fox/2.txt": b"x"}, 8, 0, {"not an image": 2}),
    "copies": (
        PETS | {f"cat/{name}": PETS["cat/0.jpg"] for name in ("a.jpg", "b", "c.png")}, 8, 3, {},
    ),
    "two labels": (PETS | {"dog/a.jpg": PETS["cat/0.jpg"]}, 7, 0, {"conflicting labels": 2}),
    "pointers": (
        PETS | {f"cat/{name}": b"version https://git-lfs.github.com/spec/v1\n" for name in "ab"},
        8, 0, {"a Git LFS pointer, not the image": 2},
    ),
    "a format that is not read": (PETS | {"cat/a.jxl": b"\xff\x0a"}, 8, 0,
                                  {"JPEG XL is not read": 1}),
    "any suffix": (PETS | jpegs("cat/a.jfif", "fox/1", "fox/2.HEIC", "fox/3.txt", first=60), 12, 0, {}),
    "photos of phones": (
        PETS
        | {"fox/IMG_1.HEIC": heic("scene"), "fox/IMG_2": heic("turned"), "fox/3.jpg": heic("alpha")}
        | {f"owl/{n}.{suffix}": encode(scene(seed=60 + n), "AVIF") for n, suffix in enumerate(("AVIF", "x"))},
        13, 0, {},
    ),
    "folders of its own": (
        {f"{split}/{name}": data for split, first in (("train", 0), ("val", 60))
         for name, data in jpegs(*PETS, first=first).items()},
        16, 0, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("pack", [zip_bytes, tgz_bytes], ids=["zip", "tgz"])
@pytest.mark.parametrize(
    ("files", "used", "duplicate", "reasons"), FOUND.values(), ids=FOUND.keys()
)
def test_used_and_duplicate_and_quarantined_are_all_that_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pack: Callable[[dict[str, bytes]], bytes],
    files: dict[str, bytes],
    used: int,
    duplicate: int,
    reasons: dict[str, int],
) -> None:
    params = make_project(tmp_path, monkeypatch, {"datasets.pets.archive": "pets.archive"})
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
    Path("pets.archive").write_bytes(pack(files))
    fetch.run("pets", params)
    line = split.run("pets", params)
    quarantined = sum(reasons.values())
    found = used + duplicate + quarantined
    assert len(rows()) == found
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert counts["images"] == {
        "found": found, "used": used, "duplicate": duplicate, "quarantined": quarantined,
    }  # fmt: skip
    assert counts["quarantined"] == reasons
    assert line.startswith(f"pets: {found} found: {used} used (")
    assert f"), {duplicate} duplicate, {quarantined} quarantined" in line


def test_images_are_told_by_their_content(params: Params) -> None:
    """A class of images without suffixes and one of .jfif alone once vanished without a word."""
    image = {name: encode(scene(seed=seed), "JPEG") for seed, name in enumerate("abcdef", 60)}
    fetch_files(
        {
            **{f"bird/IMG_{name}": data for name, data in image.items() if name < "d"},
            **{f"fish/{name}.jfif": data for name, data in image.items() if name >= "d"},
        },
        params,
    )
    line = split.run("pets", params)
    assert line.startswith("pets: 30 found: 30 used (")
    assert {row.label for row in rows()} == {"bird", "cat", "dog", "fish"}
    assert all(Path(row.path).suffix == ".jpg" for row in rows() if row.label in ("bird", "fish"))


def test_folders_of_the_archives_own_that_are_not_kept_are_told(params: Params) -> None:
    for label in ("cat", "dog"):
        for number, file in enumerate(sorted(Path("pets", label).iterdir())):
            target = Path("pets", "test" if number % 3 == 0 else "train", label, file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
        Path("pets", label).rmdir()
    fetch.run("pets", params)
    line = split.run("pets", params)
    assert line.endswith(
        "; split anew, not by the archive's own folders train, test (split.respect_folders)"
    )
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert counts["own_splits"] == {"train": 16, "test": 8}


def test_it_tells_how_many_files_there_are_before_it_screens_them(params: Params) -> None:
    fetch_files(
        {f"cat/many.{number}.jpg": encode(scene(seed=1), "JPEG") for number in range(100)}, params
    )
    shown = []

    def track(batches: Iterator[Any], total: int) -> Iterator[Any]:
        shown.append(total)
        for batch in batches:
            shown.append(-len(batch))
            yield batch

    split.run("pets", params, track)
    assert shown[0] == 124
    assert len(shown) > 2
    assert sum(shown) == 0


def test_growth_moves_no_image(params: Params) -> None:
    split.run("pets", params)
    before = {row.sha256: row.path for row in rows()}
    draw_folders(Path("pets"), {"cat": 30, "dog": 12})
    fetch.run("pets", params)
    split.run("pets", params)
    after = {row.sha256: row.path for row in rows()}
    assert len(after) == 42
    assert {key: after[key] for key in before} == before


def resemble(number: int, width: int) -> bytes:
    """Return one of many images that look like the scene of this number."""
    return encode(scene(320, 240, seed=number).resize((width, width * 3 // 4)), "JPEG")


def test_a_grown_workspace_and_a_fresh_clone_have_the_same_manifest(params: Params) -> None:
    settings = make_params({"split.near_duplicates": True})
    alike = [500, 501, 502, 503]
    steps: list[dict[str, bytes]] = [
        {f"cat/{number}.jpg": resemble(number, 320) for number in alike},  # growing
        {f"cat/{number}-small.jpg": resemble(number, 280) for number in alike},  # joining
        {f"cat/{number}-thumb.jpg": resemble(number, 160) for number in alike},
    ]
    before: dict[str, str] = {}
    for files in steps:
        fetch_files(files, settings)
        split.run("pets", settings)
        after = {row.sha256: row.split for row in rows()}
        assert not [one for one in before if (before[one], after[one]) == ("train", "val")]
        before = after
    for file in sorted(Path("pets/cat").glob("*-small.jpg")):  # removing
        file.unlink()
    fetch.run("pets", settings)
    split.run("pets", settings)
    grown = results()
    for folder in ("data/split", "data/manifests", "metrics", "plots"):
        shutil.rmtree(folder)
    split.run("pets", settings)
    assert results() == grown


def test_a_test_split_has_images_too(params: Params) -> None:
    with_test = make_params({"split.test_fraction": 0.3, "split.val_fraction": 0.3})
    split.run("pets", with_test)
    assert {row.split for row in rows()} == {"train", "val", "test"}
    assert {row.label for row in rows() if row.split == "test"} == {"cat", "dog"}


@pytest.mark.parametrize("respected", [True, False])
def test_ready_made_splits_are_kept_if_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, respected: bool
) -> None:
    params = make_project(tmp_path / "project", monkeypatch, {"split.respect_folders": respected})
    monkeypatch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
    draw_folders(Path("pets/train"), {"cat": 12, "dog": 12})
    draw_folders(Path("pets/val"), {"cat": 12, "dog": 12}, seed=500)
    fetch.run("pets", params)
    split.run("pets", params)
    assert {row.label for row in rows()} == {"cat", "dog"}
    assert all(row.member.startswith(f"{row.split}/") for row in rows()) == respected


@pytest.mark.parametrize("near_duplicates", [True, False])
def test_near_duplicates_are_in_one_split_if_wanted(params: Params, near_duplicates: bool) -> None:
    files = {}
    for number in range(12):
        image = scene(320, 240, seed=500 + number)
        files[f"cat/{number}.jpg"] = encode(image, "JPEG", quality=95)
        files[f"cat/{number}-small.jpg"] = encode(image.resize((280, 210)), "JPEG", quality=80)
    fetch_files(files, params)
    split.run("pets", make_params({"split.near_duplicates": near_duplicates}))
    splits = {row.member: row.split for row in rows() if row.member in files}
    torn = [n for n in range(12) if splits[f"cat/{n}.jpg"] != splits[f"cat/{n}-small.jpg"]]
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert (torn == []) == near_duplicates
    assert (counts["duplicates"]["near_groups"] > 0) == near_duplicates
    assert (counts["leaks_prevented"] > 0) == near_duplicates


STOPS = [
    (split, "StagingFolder", 0),
    (screening, "File", 1),
    (screening, "screen", 0),
    (split, "label_images", 0),
    (split, "assign_images", 0),
    (split, "write_manifest", 0),
    (split, "count_rows", 0),
    (split, "atomic_write_json", 0),
    (split, "count_classes", 0),
    (split, "atomic_write_csv", 0),
]


def stopping(function: Callable[..., Any], after: int, error: BaseException) -> Callable[..., Any]:
    """Return a function that does what another does, and fails after some calls."""
    calls: Iterator[int] = iter(range(1000))

    def stop(*args: Any, **kwargs: Any) -> Any:
        if next(calls) >= after:
            raise error
        return function(*args, **kwargs)

    return stop


@pytest.mark.parametrize("error", [KeyboardInterrupt("Ctrl-C"), OSError("disk full")])
@pytest.mark.parametrize(("module", "name", "after"), STOPS)
def test_whatever_stops_it_running_again_gives_the_same_results(
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    after: int,
    error: BaseException,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, name, stopping(getattr(module, name), after, error))
        with pytest.raises(type(error), match=str(error)):
            split.run("pets", params)
    split.run("pets", params)
    found = results()
    for folder in ("data/split", "data/manifests", "metrics", "plots"):
        subprocess.run(["rm", "-r", folder], check=True)
    split.run("pets", params)
    assert found == results()


def test_a_full_disk_is_told_and_leaves_the_old_results(params: Params) -> None:
    split.run("pets", params)
    before = results()
    with (
        largest_file(500),
        pytest.raises(OSError, match="File too large: 'data/split/pets'"),
    ):
        split.run("pets", params)
    assert results() == before


def test_killed_in_the_middle_and_run_again_it_gives_the_same_results(params: Params) -> None:
    code = """
import os, signal
from concurrent.futures import ThreadPoolExecutor
from pipeline.runners import pool
from pipeline.splitting import screening
from pipeline.params import load_params
from pipeline.stages import split
pool.open_processes = lambda _: ThreadPoolExecutor(1)
decode, seen = screening._decode, []
def kill(*args):
    seen.append(args)
    if len(seen) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(*args)
screening._decode = kill
split.run("pets", load_params())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [file.name for file in Path("data/split").iterdir()] == [".pets.tmp"]
    (Path("data/split/.pets.tmp/train/cat")).mkdir(parents=True)
    Path("data/split/.pets.tmp/train/cat/stale.jpg").touch()
    split.run("pets", params)
    found = results()
    subprocess.run(["rm", "-r", "data/split", "data/manifests"], check=True)
    split.run("pets", params)
    assert found == results()


def damage_archive() -> None:
    archive = paths.raw_archive("pets")
    data = bytearray(archive.read_bytes())
    data[len(data) // 3] ^= 0xFF
    archive.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (damage_archive, ArchiveError, r"data/raw/pets/pets\.zip: .*\.jpg"),
        (
            lambda: paths.raw_archive("pets").write_bytes(b"PK"),
            ArchiveError,
            r"data/raw/pets/pets\.zip",
        ),
        (
            lambda: paths.raw_archive("pets").unlink(),
            SourceError,
            "holds 0 archives.*run the stage fetch first",
        ),
        (
            lambda: paths.provenance_file("pets").unlink(),
            SourceError,
            r"provenance\.json is missing or damaged",
        ),
        (
            lambda: paths.provenance_file("pets").write_text("[]"),
            SourceError,
            "missing or damaged .*fetch again",
        ),
    ],
)
def test_without_a_sound_archive_the_old_results_stay(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[], object],
    error: Any,
    message: str,
) -> None:
    params = make_project(tmp_path / "project", monkeypatch, {"datasets.pets.archive": "pets"})
    draw_folders(Path("pets"), {"cat": 12, "dog": 12})
    fetch.run("pets", params)
    split.run("pets", params)
    if "provenance" in message or "damaged" in message:
        from pipeline.catalogue.datasets import CATALOGUE

        flowers = CATALOGUE["flowers"]
        monkeypatch.setattr(split, "CATALOGUE", {"pets": flowers})
    before = results()
    damage()
    with pytest.raises(error, match=message):
        split.run("pets", params)
    assert results() == before


def test_two_images_a_class_are_enough_and_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(tmp_path / "project", monkeypatch)
    draw_folders(Path("pets"), {"cat": 2, "dog": 1})
    fetch.run("pets", params)
    with pytest.raises(SplitError, match=r"dog \(images: 1, .*\) has none in val\. Add images"):
        split.run("pets", params)
    assert results() == {}
    draw_folders(Path("pets"), {"cat": 2, "dog": 2})
    fetch.run("pets", params)
    split.run("pets", params)
    assert sorted(Counter((row.label, row.split) for row in rows()).items()) == [
        (("cat", "train"), 1), (("cat", "val"), 1), (("dog", "train"), 1), (("dog", "val"), 1),
    ]  # fmt: skip


def test_a_class_of_which_no_image_can_be_used_is_named_with_an_example(params: Params) -> None:
    fetch_files({"fox/1.jpg": b"", "fox/2.jpg": b"<html>"}, params)
    with pytest.raises(
        SplitError, match=r"no image of these classes can be used: fox \(fox/1\.jpg: 0 bytes\)"
    ):
        split.run("pets", params)
    assert results() == {}


def test_a_known_archive_with_other_broken_images_than_known_is_refused(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from pipeline.catalogue.datasets import CATALOGUE

    fetch_files({"cat/0.jpg": b""}, params)
    known = CATALOGUE["cats_vs_dogs"]
    assert known.mirror is not None
    digest = json.loads(paths.provenance_file("pets").read_text())["sha256"]

    def know(*names: str) -> None:
        mirror = replace(known.mirror, sha256=digest, known_unreadable=frozenset(names))  # type: ignore[type-var]
        monkeypatch.setattr(split, "CATALOGUE", {"pets": replace(known, mirror=mirror)})

    know("cat/0.jpg")
    split.run("pets", params)
    know()
    with pytest.raises(ManifestError, match=r"cannot be read though they should: \['cat/0\.jpg'\]"):
        split.run("pets", params)
    know("cat/0.jpg", "cat/1.jpg")
    with pytest.raises(ManifestError, match=r"these can though they should not: \['cat/1\.jpg'\]"):
        split.run("pets", params)


def test_names_in_many_scripts_and_a_tar_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_project(
        tmp_path / "my project ü", monkeypatch, {"datasets.pets.archive": "Tiere & mehr.tgz"}
    )
    draw_folders(Path("pets"), {"Kätzchen": 12, "犬 (dog)": 12})
    with tarfile.open("Tiere & mehr.tgz", "w:gz") as archive:
        archive.add("pets", "bilder")
    fetch.run("pets", params)
    split.run("pets", params)
    assert {row.label for row in rows()} == {"Kätzchen", "犬 (dog)"}
    assert len(list(paths.split_folder("pets").rglob("*.jpg"))) == 24


@pytest.mark.slow
def test_keras_lists_and_reads_exactly_the_images_of_the_manifest(params: Params) -> None:
    import keras

    files = {f"cat/{name}": data for name, data in odd_images().items()}
    fetch_files(
        {**files, "dog/.hidden.png": encode(scene(seed=77), "PNG"), "cat/bad.jpg": b""}, params
    )
    split.run("pets", params)
    listed = []
    for part in ("train", "val"):
        images = keras.utils.image_dataset_from_directory(
            paths.split_folder("pets") / part,
            shuffle=False,
            image_size=(16, 16),
            batch_size=8,
            verbose=False,
        )
        assert images.class_names == ["cat", "dog"]
        listed += [
            str(Path(path).relative_to(paths.split_folder("pets"))) for path in images.file_paths
        ]
        assert sum(len(batch) for batch, _ in images) == len(images.file_paths)
    assert sorted(listed) == sorted(row.path for row in rows() if row.split)
    assert len(listed) == 24 + len(odd_images()) + 1


def test_a_corrected_label_moves_its_image_alone_and_is_counted(params: Params) -> None:
    split.run("pets", params)
    before = {row.sha256: row for row in rows()}
    cat, dog = (next(row for row in rows() if row.label == label) for label in ("cat", "dog"))
    corrections = paths.corrections_file("pets")
    corrections.parent.mkdir()
    corrections.write_text(f"image,label\n{cat.path},dog\n{dog.sha256},quarantine\n")
    line = split.run("pets", params)
    assert line.endswith("; corrected by hand: 1 relabelled, 1 set aside")
    counts = json.loads(paths.data_metrics_file("pets").read_text())
    assert counts["corrections"] == {"relabelled": 1, "quarantined": 1, "unneeded": 0}
    assert counts["quarantined"] == {"set aside by hand": 1}
    after = {row.sha256: row for row in rows()}
    assert {key for key in before if before[key] != after[key]} == {cat.sha256, dog.sha256}
    moved = after[cat.sha256]
    assert moved.path.startswith(f"{cat.split}/dog/")
    placed = paths.split_folder("pets") / moved.path
    assert sha256(placed.read_bytes()).hexdigest() == cat.sha256
    assert sum(file.is_file() for file in paths.split_folder("pets").rglob("*")) == 23
    corrections.unlink()
    split.run("pets", params)
    assert {row.sha256: row for row in rows()} == before


def test_a_faulty_correction_leaves_the_split_as_it_was(params: Params) -> None:
    split.run("pets", params)
    before = results()
    paths.corrections_file("pets").parent.mkdir()
    paths.corrections_file("pets").write_text("image,label\ncat/none.jpg,dog\n")
    with pytest.raises(CorrectionsError, match=r"data/labels/pets\.csv:\n  line 2: no used image"):
        split.run("pets", params)
    assert results() == before
