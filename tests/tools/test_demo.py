"""The demo: its page answers as `predict` does, shows what is nearest, and asks nobody else for anything."""

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import ImageError, PipelineError
from pipeline.features import Block
from pipeline.heads.loading import load_features
from pipeline.params import load_params
from pipeline.tools import demo as tool
from pipeline.tools.predict import predict_files
from tests.project import BACKBONE
from tests.trained_project import make_trained, tinted_image


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tool.Demo:
    params = make_trained(tmp_path / "project", monkeypatch)
    Path("new.jpg").write_bytes(tinted_image(0, 99))
    return tool.Demo("pets", BACKBONE, params)


def test_an_image_gets_the_answer_of_predict_and_the_nearest_training_images(
    demo: tool.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, neighbours = demo.look_at(Path("new.jpg"))
    (expected,) = predict_files([Path("new.jpg")], "pets", BACKBONE, demo.params)
    assert answer == expected
    assert len(neighbours) == tool.NEAREST
    assert all(one.file.is_file() and one.label in one.file.parts for one in neighbours)
    assert all("train" in one.file.parts for one in neighbours)
    similarities = [one.similarity for one in neighbours]
    assert similarities == sorted(similarities, reverse=True)
    itself = paths.split_folder("pets") / "train" / "dog" / "3.jpg"
    first = demo.look_at(itself)[1][0]
    assert (first.file, first.label) == (itself, "dog")
    assert first.similarity == pytest.approx(1, abs=1e-6)


def test_the_nearest_are_originals_one_of_each_group(demo: tool.Demo) -> None:
    train = load_features("pets", BACKBONE).splits["train"]
    group = np.where(np.arange(len(train)) < 6, train.group[0], train.group)
    columns = {name: getattr(train, name) for name in Block.__slots__} | {"group": group}
    found = tool.find_nearest(Block(**columns), train.features[2], 100)
    rows = [row for row, _ in found]
    assert rows[0] == 2
    assert all(train.copy[row] == 0 for row in rows)
    assert len(set(group[rows])) == len(rows) == len(set(group[train.copy == 0]))


def test_what_is_no_image_is_refused(demo: tool.Demo) -> None:
    Path("page.jpg").write_bytes(b"<html>")
    with pytest.raises(ImageError, match="cannot read this image: not an image"):
        demo.look_at(Path("page.jpg"))


def test_without_the_features_of_training_there_are_no_neighbours(demo: tool.Demo) -> None:
    paths.features_file("pets", BACKBONE).unlink()
    answer, neighbours = tool.Demo("pets", BACKBONE, demo.params).look_at(Path("new.jpg"))
    assert (answer.unlike, neighbours) == (None, [])


def test_without_gradio_the_way_to_install_it_is_said(
    demo: tool.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(PipelineError, match=r"run `make install-demo`\. Not `pip install gradio`"):
        tool.run("pets", BACKBONE, demo.params, "127.0.0.1", 0)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PipelineError, match=rf"127\.0\.0\.1, port {port} .*--port"):
            tool.listen("127.0.0.1", port)


def test_an_address_of_version_6_can_be_listened_on() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with tool.listen("::1", 0) as listening:
        assert listening.getsockname()[0] == "::1"


@pytest.mark.parametrize("proxy", ["", "https://pets.example", "pets.example:443"])
def test_what_is_no_name_of_a_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(PipelineError, match=r"--proxy .*expected a name alone"):
        tool.run("pets", BACKBONE, load_params(), "127.0.0.1", 0, proxy)


@pytest.fixture
def address(demo: tool.Demo, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the page is served, as `run` serves it."""
    pytest.importorskip("gradio", reason="gradio is not installed: make install-demo")
    uvicorn = pytest.importorskip("uvicorn", reason="gradio is not installed: make install-demo")
    with tool.quiet_gradio(), tool.listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(
            uvicorn.Config(tool.make_app(demo, "127.0.0.1"), log_level="warning")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    gc.collect()  # what gradio leaves open, while its warnings are ignored


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of gradio and what it is made of
def test_the_page_answers_and_loads_nothing_from_elsewhere(address: str, tmp_path: Path) -> None:
    import gradio_client
    import requests

    page = requests.get(address, timeout=30)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    client = gradio_client.Client(
        address, verbose=False, analytics_enabled=False, download_files=tmp_path / "downloads"
    )
    label, remark, pictures = client.predict(gradio_client.handle_file("new.jpg"), api_name="/look")
    assert label["label"] == "cat"
    assert {one["label"] for one in label["confidences"]} == {"cat", "dog"}
    assert remark in ("", tool.UNLIKE)
    assert len(pictures) == tool.NEAREST
    Path("notes.jpg").write_text("no image")
    with pytest.raises(gradio_client.exceptions.AppError, match="cannot read this image: "):
        client.predict(gradio_client.handle_file("notes.jpg"), api_name="/look")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_another_page_of_the_browser_is_refused(address: str) -> None:
    import requests

    for headers in ({"Host": "evil.example:7860"}, {"Origin": "http://evil.example"}):
        upload = f"{address}/gradio_api/upload"
        with Path("new.jpg").open("rb") as stream:
            answer = requests.post(upload, files={"files": stream}, headers=headers, timeout=30)
        assert (answer.status_code, answer.text.startswith("asked ")) == (403, True)
    assert not list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*.jpg"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_files_that_nobody_uploaded_are_neither_looked_at_nor_served(
    address: str, tmp_path: Path
) -> None:
    import requests

    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    for one in (secret, Path("new.jpg").absolute()):
        asked = {"data": [{"path": str(one), "meta": {"_type": "gradio.FileData"}}]}
        call = f"{address}/gradio_api/call/look"
        event = requests.post(call, json=asked, timeout=30).json()["event_id"]
        answer = requests.get(f"{call}/{event}", timeout=30).text
        assert answer.startswith("event: error"), answer
    kept = Path(os.environ["GRADIO_TEMP_DIR"])
    assert not [one.name for one in kept.rglob("*") if one.name in (secret.name, "new.jpg")]
