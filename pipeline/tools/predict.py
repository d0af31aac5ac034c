"""From image files to answers, by the same way as in training."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import FeaturesError, ImageError
from pipeline.extraction.decoding import ImageFile
from pipeline.extraction.joint import JointExtractor
from pipeline.features import Block
from pipeline.fingerprint_check import check_fingerprint
from pipeline.heads.loading import load_features, rows_by_split, rows_to_fit
from pipeline.heads.saving import SavedHead, read_head
from pipeline.images import decode_grey
from pipeline.parallel import Progress, closing, map_ordered, no_progress
from pipeline.params import Params
from pipeline.rounding import decimal
from pipeline.signatures import READABLE, explain_fault
from pipeline.tools.familiarity import Familiarity

HEAD_ROWS, HEAD_BYTES = 1024, 32 << 20  # what the head gets at once, at most
SEED = 7  # draws which training images say what is familiar, where there are many
CHECKED_AHEAD = 64  # files, which bounds the memory that checking takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a head says of one image.

    Attributes:
        file: The image's path, as given.
        label: The most probable class.
        probabilities: Class to probability, all classes, the most probable first.
        similarity: Cosine of its feature to that of the fifth nearest training image; None where
            the features file of the head's training is not there.
        unlike: Is it unlike anything that the head was trained on? Of val images one or two
            in a hundred are called so. None where that cannot be told.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    similarity: float | None = None
    unlike: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictor:
    """A trained head and what tells how familiar an image is, read once for any number of answers.

    Attributes:
        saved: The head.
        training: The features that it was trained on, a row an image or copy; None where they are gone.
        familiarity: What it takes of them; None likewise.
    """

    saved: SavedHead
    training: Block | None
    familiarity: Familiarity | None

    def answer(self, files: Iterable[Path], rows: Iterator[NDArray[Any]]) -> Iterator[Answer]:
        """Yield an answer for each file, given its feature `(d,)` or `(h, w, d)`."""
        head = self.saved.head()
        waiting = iter(files)
        for features in _stack(rows):
            known = (
                self.familiarity.similarities(features)
                if self.familiarity
                else [None] * len(features)
            )
            for probabilities, similarity in zip(head.probabilities(features), known, strict=True):
                answer = _answer(next(waiting), self.saved.info.classes, probabilities)
                if self.familiarity and similarity is not None:
                    similar = float(similarity)
                    unlike = similar < self.familiarity.bound
                    answer = replace(answer, similarity=similar, unlike=unlike)
                yield answer


def format_answer(answer: Answer, top: int | None, *, as_json: bool) -> str:
    """Return one line: the label and the most probable classes, `top` of them or all."""
    shown = dict(islice(answer.probabilities.items(), top))
    if as_json:
        return json.dumps({**asdict(answer), "probabilities": shown})
    ranked = "  ".join(f"{name} {decimal(value, 4)}" for name, value in shown.items())
    remark = "  unlike anything trained on" if answer.unlike else ""
    return f"{answer.file}: {answer.label}  ({ranked}){remark}"


def write_csv(answers: Iterable[Answer], stream: TextIO) -> None:
    """Write a table: file, label, unlike, and a column a class, in alphabetical order, seven digits.

    `unlike` is `true`, `false`, or empty where that cannot be told.
    """
    table = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for number, answer in enumerate(answers):
        classes = sorted(answer.probabilities)
        if number == 0:
            table.writerow(["file", "label", "unlike", *classes])
        unlike = "" if answer.unlike is None else str(answer.unlike).lower()
        figures = (f"{answer.probabilities[name]:.7g}" for name in classes)
        # A carriage return in a name is no end of line to this writer, and is one to readers.
        writer = quoted if "\r" in str(answer.file) else table
        writer.writerow([answer.file, answer.label, unlike, *figures])


def predict_files(
    files: Iterable[Path],
    dataset: str,
    backbone: str,
    params: Params,
    progress: Progress = no_progress,
    extractor: JointExtractor | None = None,
) -> Iterator[Answer]:
    """Answer for each file that is an image, in order.

    All files are checked before the network is built, so that it is built for none that are all
    bad; they are read again for their features, so that thousands do not fill the memory.

    Args:
        files: Each once or more often.
        dataset: Whose head answers.
        backbone: By whose features.
        params: How these are computed.
        progress: Shows how many features are computed; it gets pairs, the second `(b, *shape)`.
        extractor: Computes them, where the backbone was opened before with these settings.

    Raises:
        ImageError: After the answers: some files are missing or not images; names all of them.
        HeadError: No head was trained, or it was trained on features of another fingerprint.
    """
    params.dataset(dataset)
    extractor = extractor or JointExtractor.of(backbone, params.backbone(backbone), params.extract)
    files = list(files)
    faults = _find_faults(files, extractor.streams)
    if good := [file for file in files if file not in faults]:
        predictor = open_predictor(dataset, backbone, extractor)
        with closing(extractor.extract(map(ImageFile, good))) as batches:
            rows = (row for _, batch in progress(batches, len(good)) for row in batch)
            yield from predictor.answer(good, rows)
    if faults:
        raise ImageError(
            f"cannot read {'; '.join(f'{file}: {fault}' for file, fault in faults.items())}. "
            f"Expected images: {READABLE}."
        )


def open_predictor(dataset: str, backbone: str, extractor: JointExtractor) -> Predictor:
    """Read a head, and the features that it was trained on where they are there.

    Raises:
        HeadError: No head was trained, or it was trained on features of another fingerprint.
    """
    saved = read_head(paths.model_folder(dataset, backbone))
    check_fingerprint(saved.info, extractor.fingerprint, dataset, backbone)
    try:
        features = load_features(dataset, backbone)
    except FeaturesError:
        features = None
    if features is None or features.header.fingerprint != saved.info.fingerprint:
        return Predictor(saved=saved, training=None, familiarity=None)
    return Predictor(
        saved=saved,
        training=features.splits["train"],
        familiarity=Familiarity.learn(
            rows_to_fit(rows_by_split(features), saved.info.fit_on), SEED
        ),
    )


def _stack(rows: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Put features `(d,)` or `(h, w, d)` together to arrays `(n, ...)` of a bounded size."""
    for first in rows:
        count = min(HEAD_ROWS, max(1, HEAD_BYTES // first.nbytes))
        yield np.stack([first, *islice(rows, count - 1)])


def _answer(file: Path, classes: Iterable[str], probabilities: NDArray[np.float64]) -> Answer:
    pairs = zip(classes, probabilities.tolist(), strict=True)
    ranked = dict(sorted(pairs, key=lambda pair: -pair[1]))
    return Answer(file=str(file), label=next(iter(ranked)), probabilities=ranked)


def _find_faults(files: Sequence[Path], cores: int) -> dict[Path, str]:
    """Return what is wrong with each file that is no image."""
    with ThreadPoolExecutor(cores) as pool:
        found = map_ordered(pool, find_fault, files, ahead=CHECKED_AHEAD)
        return {file: fault for file, fault in zip(files, found, strict=True) if fault}


def find_fault(file: Path) -> str | None:
    """Say what is wrong with an image; a pipe or device, which may never end, is not read."""
    try:
        if not (file.is_file() or file.is_dir()) and file.exists():
            return "not a file but a pipe, socket or device"
        data = file.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "its name holds a zero byte: expected a name a line, as find gives without -print0"
    try:
        decode_grey(data, 8)
    except ImageError as error:
        return explain_fault(data, str(error))
    return None
