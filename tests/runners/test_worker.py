"""What a worker does in its process: it opens in the run's folder, sends what it has, says what it lacks."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BackboneError, ImageError, ManifestError
from pipeline.extraction.decoding import ImageFile
from pipeline.runners import worker as module
from pipeline.runners.cluster import NotSeen
from pipeline.runners.worker import Worker, gather
from pipeline.store.shards import Features, Keys
from tests.project import draw_image
from tests.runners.slow_colours import SlowColours


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """An open one; the test's working folder is put back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    opened = Worker(tmp_path / "shared", SlowColours(tmp_path / "processes"))
    opened.open()
    return opened


def test_a_worker_goes_to_the_folder_of_the_run(worker: Worker, tmp_path: Path) -> None:
    assert Path.cwd() == tmp_path / "shared"
    Path("a.jpg").write_bytes(draw_image(1))
    ((keys, features),) = worker.compute([ImageFile(Path("a.jpg"))] * 3)
    assert (keys.shape, features.shape) == ((3, 32), (3, 3))


def test_a_worker_names_the_folder_that_it_does_not_see(tmp_path: Path) -> None:
    blind = Worker(tmp_path / "mount", SlowColours(tmp_path / "processes"))
    with pytest.raises(
        NotSeen, match=rf"process {os.getpid()} does not see {tmp_path}/mount\. Exp"
    ):
        blind.open()


def test_a_worker_names_the_image_that_it_does_not_see_and_what_one_process_would_say(
    worker: Worker, tmp_path: Path
) -> None:
    Path("a.jpg").write_bytes(draw_image(1))
    images = [
        ImageFile(Path(name), "0" * 64 if name == "b.jpg" else None) for name in ("a.jpg", "b.jpg")
    ]
    answers = worker.compute(images)
    assert len(next(answers)[0]) == 1, "what came before it is sent"
    with pytest.raises(NotSeen, match=rf"does not see {tmp_path}/shared/b\.jpg") as raised:
        next(answers)
    assert raised.value.otherwise.startswith("cannot read b.jpg: No such file")
    sent = pickle.loads(pickle.dumps(raised.value))
    assert (str(sent), sent.path) == (str(raised.value), raised.value.path)


def test_an_image_that_is_seen_and_not_the_one_wanted_is_told_as_by_one_process(
    worker: Worker,
) -> None:
    Path("a.jpg").write_bytes(draw_image(1))
    with pytest.raises(ManifestError, match=r"^a\.jpg is not the file that the manifest names"):
        list(worker.compute([ImageFile(Path("a.jpg"), "0" * 64)]))


def test_a_worker_that_cannot_open_the_network_says_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: SlowColours) -> None:
        raise BackboneError("there is no GPU")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SlowColours, "open", fail)
    with pytest.raises(BackboneError, match=r"worker on .*, process \d+: there is no GPU"):
        Worker(tmp_path, SlowColours(tmp_path)).open()


def batches(count: int) -> Iterator[tuple[Keys, Features]]:
    for number in range(count):
        yield np.full((1, 32), number, np.uint8), np.full((1, 4), number, np.float32)


def test_features_are_sent_when_they_are_large_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [len(keys) for keys, _ in gather(batches(9))] == [9]
    monkeypatch.setattr(module, "SEND_BYTES", 4 * 16)
    sent = list(gather(batches(9)))
    assert [len(keys) for keys, _ in sent] == [4, 4, 1]
    assert np.concatenate([features for _, features in sent])[:, 0].tolist() == [*range(9)]
    monkeypatch.setattr(module, "SEND_SECONDS", 0.0)
    assert [len(keys) for keys, _ in gather(batches(3))] == [1, 1, 1]


def test_what_came_before_an_error_is_sent_before_it() -> None:
    def failing() -> Iterator[tuple[Keys, Features]]:
        yield from batches(2)
        raise ImageError("bad")

    sent = gather(failing())
    assert len(next(sent)[0]) == 2
    with pytest.raises(ImageError, match="bad"):
        next(sent)
