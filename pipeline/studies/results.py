"""The table of a study's results: one row a model that was tried, in one form for all studies."""

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import StudyError
from pipeline.files import atomic_write_text
from pipeline.manifest import read_used


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one model did on val.

    Attributes:
        recipe: What was tried, in words: the row's name in tables and pictures.
        images_a_class: Mean number of original training images that a class had.
        seed: Of what was drawn or begun at random.
        n: How many val images were asked, 1 or more.
        accuracy: Share of them that was right.
        log_loss: Mean over them, in nats.
        seconds: What it took on this machine, all that no other model shares; None: not measured.
        split: Which images were train and val, and under which labels: the first 16 digits of a sha256 of
            that; empty where it is not known.
    """

    recipe: str
    images_a_class: float
    seed: int
    n: int
    accuracy: float
    log_loss: float
    seconds: float | None = None
    split: str = ""


COLUMNS = tuple(field.name for field in fields(Result))


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    atomic_write_text(path, text.getvalue())


def split_now(dataset: str) -> str:
    """Return what `Result.split` is as the dataset's images are split now; empty where they are not."""
    manifest = paths.manifest_file(dataset)
    if not manifest.is_file():
        return ""
    # Not of the file: what is set aside, or has another name, is as good as the same.
    images = sorted((row.sha256, row.split, row.label) for row in read_used(manifest))
    return hashlib.sha256(repr(images).encode()).hexdigest()[:16]


def read_results(path: Path) -> list[Result]:
    """Read a table.

    Raises:
        StudyError: It is missing, or no table of results; the message names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            return [_as_result(row, f"{path}, line {rows.line_num}") for row in rows]
    except (FileNotFoundError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(
            f"cannot read {path} ({error}): run `dvc repro studies/dvc.yaml`."
        ) from None


def _as_result(row: dict[str, Any], where: str) -> Result:
    try:
        return Result(
            recipe=row["recipe"],
            images_a_class=float(row["images_a_class"]),
            seed=int(row["seed"]),
            n=int(row["n"]),
            accuracy=float(row["accuracy"]),
            log_loss=float(row["log_loss"]),
            seconds=float(row["seconds"]) if row["seconds"] else None,
            split=row.get("split") or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"{where}: expected {', '.join(COLUMNS)}, found {row} ({error}): "
            "run `dvc repro studies/dvc.yaml`."
        ) from None
