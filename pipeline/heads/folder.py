"""A head's folder: weights, predictions, and the description that vouches for both.

`head.json` carries the sha256 of the weights, of the predictions and of its own contents, so that
neither damage nor a file of another head is taken for what belongs to this one.
"""

import hashlib
import json
import stat
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import HeadError, first_line
from pipeline.files import atomic_folder, atomic_write, atomic_write_json, sha256_of
from pipeline.predictions import Predictions
from pipeline.predictions_file import read_blocks, write_predictions

WEIGHTS, DESCRIPTION, PREDICTIONS = "head.safetensors", "head.json", "predictions.csv"
LONGEST_DESCRIPTION = 16 << 20  # bytes; 100,000 classes take 3 MB
OWN_KEYS = ("weights_sha256", "predictions_sha256", "checksum")


def write_folder(
    folder: Path,
    description: Mapping[str, Any],
    weights: bytes,
    predictions: Iterable[Predictions],
) -> None:
    """Write weights, predictions and what vouches for them, all or nothing; equal ones give equal bytes.

    Args:
        folder: Of the head.
        description: What is known of it.
        weights: A file's bytes.
        predictions: The table's blocks, which may be made as they are written.

    Raises:
        InUse: Another run is writing the folder.
    """
    with atomic_folder(folder) as fresh:
        with atomic_write(fresh / WEIGHTS) as temporary:  # flushed, as the others are
            temporary.write_bytes(weights)
        write_predictions(fresh / PREDICTIONS, predictions)
        content = {
            **description,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "predictions_sha256": sha256_of(fresh / PREDICTIONS),
        }
        atomic_write_json(fresh / DESCRIPTION, {**content, "checksum": _checksum(content)})


def read_description(folder: Path) -> dict[str, Any]:
    """Read what `write_folder` was given as description, and the sums; its contents give its checksum.

    Raises:
        HeadError, OSError, ValueError, RecursionError: It is missing or not what was written.
    """
    path = regular_file(folder / DESCRIPTION)
    if (size := path.stat().st_size) > LONGEST_DESCRIPTION:
        raise HeadError(f"{DESCRIPTION} has {size:,} bytes, {LONGEST_DESCRIPTION:,} at most")
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise HeadError(f"{DESCRIPTION} holds no keys and values")
    checksum = content.pop("checksum", None)
    if checksum != _checksum(content):
        raise HeadError(f"{DESCRIPTION} was changed: its contents do not give its checksum")
    return content


def read_head_predictions(
    folder: Path, wanted: Container[str] | None = None
) -> Iterator[Predictions]:
    """Read the predictions that were written with a head, some rows at a time.

    Args:
        folder: Of the head.
        wanted: The sha256 of the images whose rows are asked for; None for every row.

    Returns:
        Blocks of the table, as `pipeline.predictions_file.read_blocks`. That its bytes are those that
        were written is known before the first.

    Raises:
        HeadError: A file is missing, or not what was written; says what was found.
    """
    with damage_told(folder):
        expected = read_description(folder).get("predictions_sha256")
        require_sha256(PREDICTIONS, sha256_of(regular_file(folder / PREDICTIONS)), expected)
    return read_blocks(folder / PREDICTIONS, wanted)


def is_fitted_to_all(folder: Path) -> bool:
    """Was the head fitted to val and test too, so that its predictions are those of its twin?

    Raises:
        HeadError: The description is missing, or not what was written.
    """
    with damage_told(folder):
        return bool(read_description(folder).get("fit_on") == "all")


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a head's files into a message that says what helps."""
    try:
        yield
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise HeadError(
            f"{folder} holds no trained head: run the stage train first, as `dvc repro` does "
            f"({name} is missing)."
        ) from None
    except (OSError, ValueError, KeyError, RecursionError, HeadError) as error:
        raise HeadError(
            f"the head in {folder} is damaged ({first_line(error)}): run the stage train again, "
            "or `dvc checkout dvc.yaml` to have the last one back."
        ) from None


def regular_file(path: Path) -> Path:
    """Return the path of a file; a pipe or a device would keep its reader waiting."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise HeadError(f"{path.name} is no file")
    return path


def require_sha256(name: str, found: str, expected: object) -> None:
    """Raise unless a file has the hash that the description says."""
    if found != expected:
        raise HeadError(
            f"{name} has the sha256 {found[:12]}..., {DESCRIPTION} says {str(expected)[:12]}..."
        )


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
