import hashlib
import logging
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import cli, paths
from pipeline.errors import StoreError
from pipeline.extraction.extractor import Extractor
from pipeline.features import Block, Header, create_features
from pipeline.manifest import read_copies, read_used
from pipeline.params import load_params
from pipeline.store import shards
from pipeline.store.fingerprint import Fingerprint, join_fingerprints
from pipeline.store.shards import write_shard
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import DESCRIPTION, Store, keys_of
from pipeline.tools import store_maintenance
from pipeline.tools.store_maintenance import (
    collect_garbage,
    features_in_use,
    inspect_store,
    list_shards,
    share,
)
from tests import project
from tests.project import BACKBONE, draw_image, place

PRINT = Fingerprint(parts={"backbone": "fake"})
LITE = {"network": BACKBONE, **project.SETTINGS["backbones"][BACKBONE]}
SETTINGS = yaml.safe_dump(
    project.SETTINGS
    | {"datasets": {"d": {"source": "archive", "archive": "d"}}, "backbones": {"fake": LITE}}
)


def fill(root: Path, count: int, fingerprint: Fingerprint = PRINT, first: int = 0) -> np.ndarray:
    rng = np.random.default_rng(first)
    keys = rng.integers(0, 256, (count, 32), np.uint8)
    SideBySide([Store(root, fingerprint)]).add([(keys, rng.random((count, 4)).astype(np.float32))])
    return keys


def write_file(path: Path, keys: np.ndarray, fingerprint: Fingerprint = PRINT) -> None:
    names = np.array([key.tobytes().hex() for key in keys], "S64")
    header = Header(
        dataset="d",
        classes=("a", "b"),
        backbone="fake",
        fingerprint=fingerprint.key,
        fingerprint_parts=fingerprint.to_json(),
    )
    with create_features(path, header) as writer:
        for split in ("train", "val"):
            writer.add_split(split, len(keys), (4,), "float32", 8)
            writer.append(
                split,
                Block(
                    features=np.zeros((len(keys), 4), np.float32),
                    labels=np.zeros(len(keys), np.int64),
                    sha256=names,
                    parent=names,
                    group=names,
                    copy=np.zeros(len(keys), np.uint8),
                    path=np.array([b"a/b.jpg"] * len(keys)),
                ),
            )


def test_the_networks_and_layers_of_a_features_file_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(SETTINGS)
    monkeypatch.setattr(store_maintenance, "_output", lambda *_: "cache")
    monkeypatch.setattr(store_maintenance, "_revisions", lambda _: [None])
    layers = Fingerprint(parts={"backbone": "fake", "layer": ["early", None]})
    whole = join_fingerprints([layers, Fingerprint(parts={"backbone": "another"})])
    single = [one.key for one in whole.of_each_layer()]
    keys = fill(tmp_path, 5)
    write_file(tmp_path / "features/d/fake.h5", keys, whole)
    used = features_in_use(20)
    assert set(used) == {whole.key, *single}
    assert all(used[key] == {one.tobytes() for one in keys} for key in single)


def test_the_summary_counts_shards_features_and_what_they_are_made_of(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    fill(tmp_path, 7, first=1)
    (summary,) = inspect_store(tmp_path)
    assert (summary.shards, summary.features, summary.fingerprint_parts) == (
        2,
        12,
        {"backbone": "fake"},
    )
    assert summary.bytes > 12 * 4 * 4


def test_checking_rows_finds_a_changed_feature_that_the_tables_do_not_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, 50)
    (shard,) = (tmp_path / PRINT.key).glob("*.h5")
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(data)
    assert [summary.damaged for summary in inspect_store(tmp_path)] == [()]
    with caplog.at_level(logging.WARNING):
        assert [summary.damaged for summary in inspect_store(tmp_path, check_rows=True)] == [
            (shard.name,)
        ]
    assert shard.name in caplog.text
    assert [summary.features for summary in inspect_store(tmp_path)] == [0]


def test_what_goes_while_it_is_checked_is_not_counted_as_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, 5)
    (tmp_path / PRINT.key / "a.h5").symlink_to("nowhere")
    open_whole = shards.open_shard

    def then_collect(path: Path, *rest: Any) -> Any:
        shard = open_whole(path, *rest)
        path.unlink()
        return shard

    monkeypatch.setattr(shards, "open_shard", then_collect)
    assert [one.damaged for one in inspect_store(tmp_path, check_rows=True)] == [()]
    assert caplog.messages == []


def test_a_dry_run_leaves_what_is_damaged_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, 5)
    (shard,) = (tmp_path / PRINT.key).glob("*.h5")
    shard.write_bytes(b"nonsense")
    assert [one.features for one in collect_garbage(list_shards(tmp_path), {}, dry_run=True)] == [0]
    assert shard.read_bytes() == b"nonsense"
    assert f"shard {shard}: cannot be read" in caplog.text
    assert "it would be dropped" in caplog.text


def test_garbage_goes_and_what_is_in_use_stays_readable(tmp_path: Path) -> None:
    keys = fill(tmp_path, 20)
    other = Fingerprint(parts={"backbone": "other"})
    fill(tmp_path, 9, other)
    before = Store(tmp_path, PRINT)
    values = before.read(before.find(keys[:6]), keys[:6])
    used = {PRINT.key: {key.tobytes() for key in keys[:6]}}

    planned = {
        one.fingerprint: (one.features, one.kept)
        for one in collect_garbage(list_shards(tmp_path), used, dry_run=True)
    }
    assert planned == {PRINT.key: (14, 6), other.key: (9, 0)}
    assert not Store(tmp_path, PRINT).find(keys).missing.any(), "a dry run drops nothing"

    done = {
        one.fingerprint: (one.features, one.kept)
        for one in collect_garbage(list_shards(tmp_path), used, dry_run=False)
    }
    assert done == planned
    after = Store(tmp_path, PRINT)
    assert after.find(keys).missing.tolist() == [False] * 6 + [True] * 14
    assert np.array_equal(after.read(after.find(keys[:6]), keys[:6]), values)
    assert not list((tmp_path / other.key).glob("*.h5"))
    assert [summary.fingerprint for summary in inspect_store(tmp_path)] == [PRINT.key]


def test_what_nobody_uses_goes_before_anything_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk there is no room for a shard without some of its rows before."""
    prints = sorted((PRINT, Fingerprint(parts={"backbone": "other"})), key=lambda one: one.key)
    keys, unused = fill(tmp_path, 20, prints[0]), prints[1].key
    fill(tmp_path, 9, prints[1])
    (tmp_path / unused / "a.h5.damaged").write_bytes(b"nonsense")
    seen: list[list[Path]] = []

    def write(*shard: Any) -> Path:
        seen.append(list((tmp_path / unused).glob("*.h5*")))
        return write_shard(*shard)

    monkeypatch.setattr(store_maintenance, "write_shard", write)
    used = {prints[0].key: {keys[0].tobytes()}}
    done = list(collect_garbage(list_shards(tmp_path), used, dry_run=False))
    assert [(one.features, one.kept) for one in done] == [(19, 1), (9, 0)]
    assert seen == [[]]


def test_what_is_computed_while_it_is_asked_what_is_in_use_stays(tmp_path: Path) -> None:
    old = fill(tmp_path, 5)
    listed = list_shards(tmp_path)
    new, other = fill(tmp_path, 7, first=100), Fingerprint(parts={"backbone": "other"})
    fill(tmp_path, 9, other)
    assert [one.features for one in collect_garbage(listed, {}, dry_run=False)] == [5]
    assert Store(tmp_path, PRINT).find(old).missing.all()
    assert not Store(tmp_path, PRINT).find(new).missing.any()
    assert list((tmp_path / other.key).glob("*.h5"))


def test_what_is_dropped_here_stays_in_the_shared_store(tmp_path: Path) -> None:
    keys = fill(tmp_path / "own", 30)
    (tmp_path / "team").mkdir()
    url = str(tmp_path / "team")
    assert share(tmp_path / "own", url) == f"{url}: shards fetched: 0, added: 1"
    shared = sorted((path.name, path.read_bytes()) for path in (tmp_path / "team").rglob("*.*"))
    list(collect_garbage(list_shards(tmp_path / "own"), {}, dry_run=False))
    assert Store(tmp_path / "own", PRINT).find(keys).missing.all()
    assert shared == sorted(
        (path.name, path.read_bytes()) for path in (tmp_path / "team").rglob("*.*")
    )


def test_pushing_needs_a_shared_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^there is no shared store: .*features\.store"):
        share(tmp_path, None)


def test_a_writer_finds_its_folder_whenever_garbage_is_collected(tmp_path: Path) -> None:
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            list(collect_garbage(list_shards(tmp_path), {}, dry_run=False))

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for turn in range(40):
            fill(tmp_path, 3, first=turn)
    finally:
        stop.set()
        collector.join()
    assert (tmp_path / PRINT.key).is_dir()


def test_what_workspace_head_and_the_last_experiments_use_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = np.random.default_rng(0).integers(0, 256, (40, 32), np.uint8)
    start_repository()
    commit(keys[10:20], "0" * 32)
    head = run("git", "rev-parse", "HEAD").strip()
    commit(keys[20:30], "1" * 32)
    run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/first", "HEAD")
    run("git", "reset", "-q", "--hard", head)
    write_file(Path("features/d/fake.h5"), keys[:10])

    def used(experiments: int) -> list[bool]:
        found = features_in_use(experiments).get(PRINT.key, set())
        return [keys[start].tobytes() in found for start in (0, 10, 20, 30)]

    assert used(1) == [True, True, True, False]
    assert used(0) == [True, True, False, False]
    Path("params.yaml").write_text(SETTINGS.replace("  d:", "  other:"))
    run("git", "commit", "-qam", "d is no dataset any more")
    assert used(1) == [True, False, True, False], "dvc.lock names it still"
    Path("params.yaml").write_text(SETTINGS)
    assert used(1) == [True, True, True, False], "the workspace has it again"
    run("git", "update-ref", "refs/exps/celery/stash", "HEAD")
    run("git", "update-ref", "refs/exps/stash", "HEAD")
    assert used(1) == [True, True, True, False], "DVC's own, as of its queue, are no experiments"


@pytest.mark.parametrize("of", ["the workspace", "HEAD"])
def test_nothing_is_dropped_where_a_features_file_in_use_is_in_no_cache(
    repository: Path, of: str
) -> None:
    keys = fill(paths.store_folder(), 10)
    commit(keys, "0" * 32)
    if of == "HEAD":
        Path("dvc.lock").write_text("stages: {}")
    else:
        lock_of_all = Path("dvc.lock").read_text()
        run("git", "rm", "-q", "dvc.lock")
        run("git", "commit", "-q", "-m", "a")
        Path("dvc.lock").write_text(lock_of_all)
    assert set(features_in_use(0)) == {PRINT.key}
    shutil.rmtree(".dvc/cache")
    with pytest.raises(
        StoreError, match=r"^nothing was dropped.*1 features file that dvc\.lock of the workspace or HEAD.*"
        r"the first: features/d/fake\.h5\. After `dvc repro`, commit dvc\.lock"
    ):  # fmt: skip
        features_in_use(0)


def test_a_features_file_of_the_workspace_does_as_well_as_that_of_the_cache(
    repository: Path,
) -> None:
    keys = fill(paths.store_folder(), 10)
    write_file(Path("features/d/fake.h5"), keys)
    commit(keys, hashlib.md5(Path("features/d/fake.h5").read_bytes()).hexdigest())
    shutil.rmtree(".dvc/cache")
    assert set(features_in_use(0)) == {PRINT.key}


def test_in_a_fresh_clone_with_no_store_nothing_is_in_use_and_nothing_fails(
    repository: Path,
) -> None:
    commit(np.zeros((1, 32), np.uint8), "0" * 32)
    shutil.rmtree(".dvc/cache")
    assert features_in_use(20) == {}


def test_experiments_whose_features_files_are_in_no_cache_are_counted(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(paths.store_folder(), 10)
    head = run("git", "rev-parse", "HEAD").strip()
    for number in range(2):
        commit(np.zeros((1, 32), np.uint8), str(number) * 32)
        run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{number}", "HEAD")
    run("git", "reset", "-q", "--hard", head)
    Path("params.yaml").write_text(SETTINGS)
    shutil.rmtree(".dvc/cache")
    assert features_in_use(20) == {}
    assert "last experiments that are not in DVC's cache: 2. What these alone use" in caplog.text


def test_what_a_run_that_was_stopped_has_computed_of_the_workspaces_images_is_in_use(
    repository: Path,
) -> None:
    images = {f"train/cat/{n}.jpg": draw_image(n) for n in range(3)}
    copies = {"train/cat/0.jpg": {"train/cat/0__copy1.jpg": draw_image(9)}}
    place("d", images, copies)
    wanted = {row.sha256 for row in read_used(paths.manifest_file("d"))}
    wanted |= {row.sha256 for row in read_copies(paths.copies_file("d"))}
    assert len(wanted) == 4
    params = load_params()
    fingerprint = Extractor("fake", params.backbone("fake"), params.extract).fingerprint
    fill(paths.store_folder(), 5, fingerprint)
    SideBySide([Store(paths.store_folder(), fingerprint)]).add(
        [(keys_of(wanted), np.zeros((4, 4), np.float32))]
    )
    fill(paths.store_folder(), 7)
    used = features_in_use(0)
    assert used == {fingerprint.key: {key.tobytes() for key in keys_of(wanted)}}
    kept = {
        one.fingerprint: one.kept
        for one in collect_garbage(list_shards(paths.store_folder()), used, dry_run=False)
    }
    assert kept == {fingerprint.key: 4, PRINT.key: 0}


@pytest.mark.parametrize("text", [None, "", '{"backbone":'])
def test_what_the_workspace_wants_stays_where_nothing_says_what_a_folder_holds(
    repository: Path, text: str | None
) -> None:
    place("d", {"train/cat/0.jpg": draw_image(0)})
    keys = keys_of(row.sha256 for row in read_used(paths.manifest_file("d")))
    params = load_params()
    fingerprint = Extractor("fake", params.backbone("fake"), params.extract).fingerprint
    store = Store(paths.store_folder(), fingerprint)
    SideBySide([store]).add([(keys, np.zeros((1, 4), np.float32))])
    description = store.folder / DESCRIPTION
    description.unlink() if text is None else description.write_text(text)
    assert features_in_use(0) == {fingerprint.key: {keys.tobytes()}}


def test_a_network_of_which_the_store_has_nothing_is_not_asked_for_its_fingerprint(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To know it may build the network, or download its weights."""
    fill(paths.store_folder(), 5)
    monkeypatch.setattr(store_maintenance, "Extractor", None)
    assert features_in_use(0) == {}


def test_a_shard_found_damaged_while_garbage_is_collected_is_quarantined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = fill(tmp_path, 20)
    (shard,) = (tmp_path / PRINT.key).glob("*.h5")
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(data)
    used = {PRINT.key: {keys[-1].tobytes()}}
    assert [one.kept for one in collect_garbage(list_shards(tmp_path), used, dry_run=False)] == [1]
    assert "wrong checksum in row 19" in caplog.text
    assert Store(tmp_path, PRINT).find(keys).missing.all()


def test_a_folder_with_the_name_of_a_shard_goes_as_damaged_shards_do(tmp_path: Path) -> None:
    keys = fill(tmp_path, 5)
    (tmp_path / PRINT.key / "a.h5").mkdir()
    (tmp_path / PRINT.key / "a.h5/file").write_text("no shard")
    (tmp_path / PRINT.key / "a.h5.damaged/file").mkdir(parents=True)  # which has its name already
    used = {PRINT.key: {key.tobytes() for key in keys}}
    assert [one.kept for one in collect_garbage(list_shards(tmp_path), used, dry_run=False)] == [5]
    assert len(list((tmp_path / PRINT.key).glob("*.h5*"))) == 1
    assert not Store(tmp_path, PRINT).find(keys).missing.any()


def test_a_temporary_file_that_goes_while_it_is_counted_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 5)
    gone = tmp_path / PRINT.key / ".gone.tmp"
    found = [*(tmp_path / PRINT.key).iterdir(), gone]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(found))
    assert [summary.features for summary in inspect_store(tmp_path)] == [5]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of git and DVC with a commit, before anything was run."""
    monkeypatch.chdir(tmp_path)
    start_repository()
    run("git", "commit", "-q", "-m", "a")
    return tmp_path


def test_before_the_first_run_nothing_is_in_use(repository: Path) -> None:
    assert features_in_use(20) == {}


def test_nothing_is_dropped_when_a_features_file_cannot_be_read(repository: Path) -> None:
    Path("features/d").mkdir(parents=True)
    Path("features/d/fake.h5").write_bytes(b"no HDF5")
    with pytest.raises(StoreError, match=r"nothing was dropped.*features/d/fake\.h5"):
        features_in_use(0)


def other_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")


def lock(text: str, settings: str | None = SETTINGS) -> None:
    """Commit a dvc.lock and settings, which the workspace has otherwise."""
    Path("dvc.lock").write_text(text)
    Path("params.yaml").write_text(settings or "")
    if settings is None:
        Path("params.yaml").unlink()
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "a")
    Path("dvc.lock").write_text("a: {}")
    Path("params.yaml").write_text(SETTINGS)


NAMES_FEATURES = "stages: {a: {outs: [{path: features/d/fake.h5, md5: abc}]}}"
UNKNOWN: dict[str, tuple[Callable[[pytest.MonkeyPatch], object], str]] = {
    "no git repository": (lambda _: Path(".git").rename("git"), "`git rev-parse --verify` fails"),
    "another's": (other_owner, "fails: .*dubious ownership"),
    "no commit": (lambda _: run("git", "update-ref", "-d", "HEAD"), "`git rev-parse --verify` fails"),
    "no git": (lambda patch: patch.setenv("PATH", "/none"), "git cannot be started"),
    "no DVC repository": (lambda _: Path(".dvc").rename("dvc"), "`-m dvc cache dir` fails"),
    "no DVC": (
        lambda patch: patch.setattr(store_maintenance, "DVC", ("/none/dvc",)),
        "/none/dvc cannot be started",
    ),
    "damaged lock": (lambda _: lock("stages: ["), r"dvc\.lock of commit \w{7} cannot be read"),
    "odd lock": (lambda _: lock("stages: {a: {outs: [{md5: 1}]}}"), r"dvc\.lock of commit \w{7}"),
    "no settings": (lambda _: lock(NAMES_FEATURES, None), r"params\.yaml of commit \w{7} cannot"),
    "odd settings": (lambda _: lock(NAMES_FEATURES, "a: 1"), r"params\.yaml of commit \w{7} cannot"),
    "a text for datasets": (
        lambda _: lock(NAMES_FEATURES, "{datasets: d, backbones: fake}"), r"params\.yaml of commit \w{7}"
    ),
    "damaged lock here": (lambda _: Path("dvc.lock").write_text("a: ["), r"dvc\.lock cannot be read"),
    "no settings here": (lambda _: Path("params.yaml").unlink(), r"cannot read params\.yaml: No such"),
    "odd settings here": (lambda _: Path("params.yaml").write_text("a: 1"), r"params\.yaml"),
}  # fmt: skip


@pytest.mark.parametrize("happens", UNKNOWN)
def test_nothing_is_dropped_when_nobody_can_say_what_is_in_use(
    happens: str,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(paths.store_folder(), 5)
    spoil, message = UNKNOWN[happens]
    spoil(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["bottleneck", "store", "gc"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert re.match(
        f"Error: nothing was dropped, since it is not known what is in use: .*{message}",
        capsys.readouterr().err,
    )
    assert [summary.features for summary in inspect_store(paths.store_folder())] == [5]


def start_repository() -> None:
    Path("params.yaml").write_text(SETTINGS)
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    run("git", "config", "user.email", "a@example.org")
    run("git", "config", "user.name", "a")


def commit(keys: np.ndarray, md5: str) -> None:
    """Commit a dvc.lock that names a features file which lies in DVC's cache."""
    write_file(Path(".dvc/cache/files/md5") / md5[:2] / md5[2:], keys)
    outs = [{"path": "features/d/fake.h5", "md5": md5}, {"path": "models/d", "md5": md5}]
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"extract@d-fake": {"outs": outs}}}))
    Path("params.yaml").write_text(SETTINGS)
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "a")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
