"""A trained head in its folder: what is written, and what must hold before it is believed.

`head.json` vouches for the folder: it carries the sha256 of the weights, of the predictions and of
its own contents. Everything is compared with it before a tensor is read, so neither damage nor a
hostile file takes memory, and none is taken for a head.
"""

import hashlib
import json
import math
import reprlib
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import HeadError
from pipeline.files import atomic_write, atomic_write_text, sha256_of
from pipeline.heads.head import Head
from pipeline.heads.kind import KindSettings, Shapes, known_kinds
from pipeline.heads.rows import Scaling, scaler_shapes
from pipeline.predictions import Predictions, read_predictions, write_predictions

WEIGHTS, DESCRIPTION, PREDICTIONS = "head.safetensors", "head.json", "predictions.csv"
LONGEST_DESCRIPTION = 16 << 20  # bytes; 100,000 classes take 3 MB
LONGEST_HEADER = 64 << 10  # bytes of a weights file that are no numbers; ours has about 300

Float = NDArray[np.float32]
Tensors = Mapping[str, Float]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Length = Annotated[int, Field(ge=1, le=1 << 24)]


def _as_text(parts: Any) -> Any:
    """Return the parts of a fingerprint as `Fingerprint.to_json` writes them."""
    is_text = isinstance(parts, str)
    return parts if is_text else json.dumps(parts, sort_keys=True, separators=(",", ":"))


class HeadInfo(BaseModel):
    """What a saved head needs to be used, and what was decided on the way to it.

    Attributes:
        kind: Which module of `pipeline.heads.kinds` it is.
        settings: Of that kind.
        scaling: How features are scaled.
        temperature: What its scores are divided by.
        shape: Of one feature: `(d,)` or `(h, w, d)`.
        rows: How many original images it was fitted to.
        fit_on: `train`, or `all`: then metrics and predictions are those of its twin, fitted to
            train alone.
        chosen: What was decided inside train, by name.
        trials: What was tried for that: setting, value, log loss of images held out.
        classes: In alphabetical order.
        backbone: Name of the network whose features it takes.
        fingerprint: Of those features.
        fingerprint_parts: What the fingerprint is made of, as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: str
    settings: dict[Name, bool | int | float | str | list[int] | None]
    scaling: Scaling
    temperature: float = Field(gt=0)
    shape: tuple[Length, ...] = Field(min_length=1, max_length=3)
    rows: Length
    fit_on: Literal["train", "all"]
    chosen: dict[Name, float] = Field(max_length=100)
    trials: tuple[tuple[Name, float, float], ...] = Field(max_length=10_000)
    classes: tuple[Name, ...] = Field(min_length=2, max_length=100_000)
    backbone: Name
    fingerprint: Name
    fingerprint_parts: Annotated[str, BeforeValidator(_as_text), PlainSerializer(json.loads)]

    @model_validator(mode="after")
    def _classes_are_sorted_and_different(self) -> Self:
        if list(self.classes) != sorted(set(self.classes)):
            raise ValueError("classes should be different names in alphabetical order")
        return self

    @model_validator(mode="after")
    def _kind_knows_the_settings(self) -> Self:
        if self.kind not in known_kinds():
            raise ValueError(f"kind should be one of {', '.join(known_kinds())}")
        self.own_settings()
        return self

    def own_settings(self) -> KindSettings:
        """Return the settings as their kind has them."""
        settings: KindSettings = known_kinds()[self.kind].settings.model_validate(self.settings)
        return settings

    def tensor_shapes(self) -> Shapes:
        """Return the shape of each of the head's tensors, all float32, by name."""
        width = math.prod(self.shape)
        shapes = known_kinds()[self.kind].shapes(
            self.own_settings(), self.rows, width, len(self.classes)
        )
        return {**shapes, **scaler_shapes(self.scaling, width)}


class _Description(HeadInfo):
    """What is in `head.json`; `checksum` is the hash of all the rest."""

    weights_sha256: Sha256
    predictions_sha256: Sha256
    checksum: Sha256 | None = None

    def compute_checksum(self) -> str:
        content = self.model_dump(mode="json", exclude={"checksum"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedHead:
    """A head as numbers: the `tensors` have the shapes that `info` asks for, and are finite."""

    info: HeadInfo
    tensors: Tensors

    def __post_init__(self) -> None:
        expected = {name: (shape, "float32") for name, shape in self.info.tensor_shapes().items()}
        found = {name: (values.shape, str(values.dtype)) for name, values in self.tensors.items()}
        if found != expected:
            raise HeadError(f"{WEIGHTS} holds {found}, a head as {DESCRIPTION} has {expected}")
        for name, values in self.tensors.items():
            if not np.isfinite(values).all():
                raise HeadError(f"{WEIGHTS}: {name} holds numbers that are not finite")

    def head(self) -> Head:
        """Return it, ready to be used."""
        return Head.from_saved(
            self.info.kind,
            self.info.own_settings(),
            self.info.scaling,
            math.prod(self.info.shape),
            dict(self.tensors),
            self.info.temperature,
        )


def write_head(folder: Path, head: SavedHead, predictions: Predictions) -> None:
    """Write weights, predictions and, last, what vouches for them; equal heads give equal bytes."""
    weights = save(dict(head.tensors))
    with atomic_write(folder / WEIGHTS) as temporary:
        temporary.write_bytes(weights)
    write_predictions(folder / PREDICTIONS, predictions)
    description = _Description(
        **dict(head.info),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        predictions_sha256=sha256_of(folder / PREDICTIONS),
    )
    content = description.model_dump(mode="json") | {"checksum": description.compute_checksum()}
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    atomic_write_text(folder / DESCRIPTION, f"{text}\n")


def read_head(folder: Path) -> SavedHead:
    """Read and check what `write_head` wrote.

    Raises:
        HeadError: A file is missing, or not what was written; says what was found.
    """
    with _damage_told(folder):
        description = _read_description(folder)
        weights = _read_weights(folder / WEIGHTS, description)
        info = HeadInfo(**{name: getattr(description, name) for name in HeadInfo.model_fields})
        return SavedHead(info=info, tensors=load(weights))


def read_head_predictions(folder: Path) -> Predictions:
    """Read the predictions that were written with a head, every row of them.

    Raises:
        HeadError: A file is missing, or not what was written; says what was found.
    """
    with _damage_told(folder):
        expected = _read_description(folder).predictions_sha256
        _require_sha256(PREDICTIONS, sha256_of(_regular(folder / PREDICTIONS)), expected)
    return read_predictions(folder / PREDICTIONS)


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a head's files into a message that says what helps."""
    try:
        yield
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise HeadError(
            f"{folder} holds no trained head: run the stage train first ({name} is missing)."
        ) from None
    except (OSError, ValueError, KeyError, SafetensorError, HeadError) as error:
        raise HeadError(
            f"the head in {folder} is damaged ({_first_fault(error)}): run the stage train again, "
            "or `dvc checkout` to have the last one back."
        ) from None


def _first_fault(error: Exception) -> str:
    """Return one line: for a description that does not fit, the key, what is wrong and what was found."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        return f"{DESCRIPTION}, {where}: {fault['msg']}, found {reprlib.repr(fault['input'])}"
    return str(error)


def _read_description(folder: Path) -> _Description:
    path = _regular(folder / DESCRIPTION)
    if (size := path.stat().st_size) > LONGEST_DESCRIPTION:
        raise HeadError(f"{DESCRIPTION} has {size:,} bytes, {LONGEST_DESCRIPTION:,} at most")
    description = _Description.model_validate_json(path.read_bytes())
    if description.checksum != description.compute_checksum():
        raise HeadError(f"{DESCRIPTION} was changed: its contents do not give its checksum")
    return description


def _read_weights(path: Path, description: _Description) -> bytes:
    """Read the weights, after comparing their size with what the description asks for."""
    numbers = sum(math.prod(shape) for shape in description.tensor_shapes().values())
    size, least = _regular(path).stat().st_size, 4 * numbers
    if not least < size <= least + LONGEST_HEADER:
        raise HeadError(f"{WEIGHTS} has {size:,} bytes, a head as {DESCRIPTION} has {least:,}")
    weights = path.read_bytes()
    _require_sha256(WEIGHTS, hashlib.sha256(weights).hexdigest(), description.weights_sha256)
    return weights


def _regular(path: Path) -> Path:
    """Return the path of a file; a pipe or a device would keep its reader waiting."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise HeadError(f"{path.name} is no file")
    return path


def _require_sha256(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise HeadError(
            f"{name} has the sha256 {found[:12]}..., {DESCRIPTION} says {expected[:12]}..."
        )
