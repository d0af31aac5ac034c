"""A page on this machine that says what an image shows: drop one, or use the camera. The only gradio."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import ImageError, PipelineError
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.joint import JointExtractor
from pipeline.features import Block
from pipeline.heads.rows import Float, block_slices, to_unit_length
from pipeline.params import Params
from pipeline.reporting.thumbnails import THUMBNAIL_PIXELS, shrink
from pipeline.tools.page_access import find_refusal, names_of_this_machine
from pipeline.tools.predict import Answer, Predictor, find_fault, open_predictor

NEAREST = 6  # training images that are shown
SHOWN = 10  # classes, at most
LARGEST_FILE = "100mb"  # that may be dropped
UNLIKE = "Unlike anything trained on: a head must choose one of its classes, whatever it is shown."
# What the page may load: from this server alone, so that no font or script is fetched from elsewhere.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
MISSING = (
    "the demo needs gradio, which is not installed: run `make install-demo`. Not `pip install gradio`: "
    "it would replace Pillow by an older one, and with the decoder every feature changes."
)


class Neighbour(NamedTuple):
    """A training image near to another: its file, its class, and the cosine of their features."""

    file: Path
    label: str
    similarity: float


class Demo:
    """A head that looks at one image after the other; the network is built when the first one comes.

    Args:
        dataset: Whose head.
        backbone: By whose features.
        params: All settings.

    Raises:
        ParamsError: params.yaml has no such dataset or backbone.
        HeadError: No head was trained, or it was trained on features of another fingerprint.
    """

    def __init__(self, dataset: str, backbone: str, params: Params) -> None:
        params.dataset(dataset)
        self.dataset, self.params = dataset, params
        self._extractor = JointExtractor.of(backbone, params.backbone(backbone), params.extract)
        self._predictor: Predictor = open_predictor(dataset, backbone, self._extractor)

    def look_at(self, file: Path) -> tuple[Answer, list[Neighbour]]:
        """Say what an image shows, and which training images are nearest to it.

        Raises:
            ImageError: The file holds no image that can be used.
        """
        if fault := find_fault(file):
            raise ImageError(f"cannot read this image: {fault}")
        features = [row for _, batch in self._extractor.extract([ImageFile(file)]) for row in batch]
        (answer,) = self._predictor.answer([file], iter(features))
        training = self._predictor.training
        if training is None:
            return answer, []
        classes = self._predictor.saved.info.classes
        folder = paths.split_folder(self.dataset)
        return answer, [
            Neighbour(
                folder / training.path[row].decode(), classes[training.labels[row]], similarity
            )
            for row, similarity in find_nearest(training, features[0], NEAREST)
        ]


def find_nearest(training: Block, feature: NDArray[Any], count: int) -> list[tuple[int, float]]:
    """Return the rows of the nearest original images, nearest first, and the cosines; one a group.

    Args:
        training: Of any number of images and copies.
        feature: `(d,)` or `(h, w, d)`.
        count: How many, at most.
    """
    originals = np.flatnonzero(training.copy == 0)
    cosines = _cosines(training.features[originals].reshape(len(originals), -1), feature)
    found: dict[bytes, tuple[int, float]] = {}
    for place in np.argsort(-cosines, kind="stable"):
        row = int(originals[place])
        found.setdefault(training.group[row], (row, float(cosines[place])))
        if len(found) == count:
            break
    return list(found.values())


def _cosines(features: NDArray[Any], feature: NDArray[Any]) -> Float:
    """Return the cosine of each row `(n, d)` and one feature, float64 `(n,)`, in bounded memory."""
    asked = to_unit_length(feature.reshape(1, -1).astype(np.float64))[0]
    blocks = [
        to_unit_length(features[rows].astype(np.float64)) @ asked
        for rows in block_slices(*features.shape)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def run(
    dataset: str, backbone: str, params: Params, host: str, port: int, proxy: str | None = None
) -> None:
    """Show the page until it is stopped by Ctrl-C; what is dropped on it is deleted then.

    Args:
        dataset: Whose head.
        backbone: By whose features.
        params: All settings.
        host: Address to listen on: 127.0.0.1 is this machine alone, 0.0.0.0 all that reach it.
        port: To listen on.
        proxy: Name of a web server that hands on to this one, as people type it.

    Raises:
        PipelineError: gradio is not installed, the address cannot be listened on, or `proxy` is no name.
        ParamsError, HeadError: As for `Demo`.
    """
    if proxy is not None and (not proxy or set(proxy) & set(":/")):
        raise PipelineError(f"--proxy {proxy}: expected a name alone, as pets.example.org")
    with quiet_gradio():
        import uvicorn

        demo = Demo(dataset, backbone, params)
        with listen(host, port) as listening:
            shown = f"[{host}]" if ":" in host else host
            print(f"http://{shown}:{port} shows the page; Ctrl-C ends it", flush=True)
            config = uvicorn.Config(make_app(demo, host, proxy), log_level="warning")
            uvicorn.Server(config).run(sockets=[listening])


def make_app(demo: Demo, host: str, proxy: str | None = None) -> Any:
    """Return the page as an ASGI application that answers no other page, and loads nothing from elsewhere.

    Args:
        demo: What it shows.
        host: Where it is served.
        proxy: As for `run`.
    """
    import gradio
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    page = make_page(demo)
    app = gradio.mount_gradio_app(FastAPI(), page, path="/", max_file_size=LARGEST_FILE)
    # What it does when it serves a page by itself: before, it takes any file of this machine for an upload.
    page.has_launched = page.is_running = True

    names, proxy = names_of_this_machine(host), proxy and proxy.lower()

    async def confined(scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message.get("headers", ()), policy]}
            await send(message)

        asked = scope["type"] == "http"
        refusal = find_refusal(scope.get("headers", ()), names, proxy) if asked else None
        answer = PlainTextResponse(f"{refusal}\n", 403) if refusal else app
        await answer(scope, receive, send_with_policy)

    return confined


def make_page(demo: Demo) -> Any:
    """Return the page: an image on the left, what is said of it on the right."""
    import gradio

    def show(file: str | None) -> tuple[Any, str, list[Any]]:
        if file is None:
            return None, "", []
        try:
            answer, neighbours = demo.look_at(Path(file))
            pictures = [
                (shrink(one.file.read_bytes(), THUMBNAIL_PIXELS), caption(one))
                for one in neighbours
            ]
        except (PipelineError, OSError) as error:
            raise gradio.Error(str(error)) from None
        return answer.probabilities, UNLIKE if answer.unlike else "", pictures

    with gradio.Blocks(title=demo.dataset, analytics_enabled=False) as page:
        gradio.Markdown(f"# {demo.dataset}")
        with gradio.Row():
            image = gradio.Image(
                label="an image",
                type="filepath",
                image_mode=None,
                sources=["upload", "webcam", "clipboard"],
            )
            with gradio.Column():
                label = gradio.Label(label="it shows", num_top_classes=SHOWN)
                remark = gradio.Markdown()
                nearest = gradio.Gallery(
                    label="the nearest training images", columns=3, format="webp"
                )
        decoded = (
            image.preprocess
        )  # which refuses what Pillow alone cannot read, in words of its own
        image.preprocess = lambda given: given.path if given and given.path else decoded(given)
        image.change(show, image, [label, remark, nearest], api_name="look")
    return page


def caption(neighbour: Neighbour) -> str:
    """Return what stands below a training image."""
    return f"{neighbour.label} {neighbour.similarity:.3f} {neighbour.file.name}"


@contextmanager
def quiet_gradio() -> Iterator[None]:
    """Let gradio tell and ask nobody anything, and keep what is dropped in a folder that goes away."""
    with TemporaryDirectory(prefix="bottleneck-demo-") as folder:
        os.environ.update(SETTINGS, GRADIO_TEMP_DIR=folder)
        try:
            import gradio  # noqa: F401
        except ModuleNotFoundError as error:
            raise (PipelineError(MISSING) if error.name == "gradio" else error) from None
        yield


def listen(host: str, port: int) -> socket.socket:
    """Listen, before an address is promised.

    Raises:
        PipelineError: Another program listens there, or this machine has no such address.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PipelineError(
            f"cannot listen on {host}, port {port} ({error.strerror}): choose others by --host and --port."
        ) from None
